package web

import (
	"net/http/httptest"
	"strings"
	"testing"

	"keyward/internal/place"
	"keyward/internal/place/placetest"
	"keyward/internal/signin/signintest"
)

func TestDevicesSayThePlaceWhenThereIsAFile(t *testing.T) {
	home := signintest.Home.String() + "/32"
	with := func(records placetest.Records) func(*Parts) {
		return func(p *Parts) {
			var err error
			if p.Places, err = place.Open(placetest.Write(t, records)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, tc := range []struct {
		name         string
		parts        func(*Parts)
		lang         string
		devices, log string // words of the two pages
	}{
		{"in English", with(placetest.Records{home: placetest.Named("Seoul", "서울", "South Korea", "대한민국")}), "en",
			"<bdi>Seoul, South Korea (approx.)</bdi>", "</bdi> · <bdi>Seoul, South Korea (approx.)</bdi>"},
		{"in Korean", with(placetest.Records{home: placetest.Named("Seoul", "서울", "South Korea", "대한민국")}), "ko",
			"<bdi>서울, 대한민국 (추정)</bdi>", "</bdi> · <bdi>서울, 대한민국 (추정)</bdi>"},
		{"a country alone", with(placetest.Records{home: placetest.Named("", "", "France", "")}), "en", "<bdi>France (approx.)</bdi>", "<bdi>France (approx.)</bdi>"},
		{"a name that is markup", with(placetest.Records{home: placetest.Named("<script>alert(1)</script>", "", "", "")}), "en",
			"&lt;script&gt;alert(1)&lt;/script&gt; (approx.)", "&lt;script&gt;alert(1)&lt;/script&gt; (approx.)"},
		{"an address the file does not have", with(placetest.Records{"192.0.2.0/24": placetest.Named("Seoul", "", "", "")}), "en",
			"Place unknown", "<bdi>" + signintest.Home.String() + "</bdi></dd>"},
		{"without a file", func(*Parts) {}, "en", "Place unknown", "<bdi>" + signintest.Home.String() + "</bdi></dd>"},
		{"without a file, in Korean", func(*Parts) {}, "ko", "위치 알 수 없음", "<bdi>" + signintest.Home.String() + "</bdi></dd>"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDesk(t, false, tc.parts)
			for path, words := range map[string]string{"/devices": tc.devices, "/activity": tc.log} {
				got := d.do(httptest.NewRequest("GET", path, nil), "Accept", "text/html", "Accept-Language", tc.lang)
				if got.Code != 200 || !strings.Contains(got.Body.String(), words) {
					t.Errorf("%s, %d, does not say %q: %s", path, got.Code, words, got.Body)
				}
				if strings.Contains(got.Body.String(), "<script>alert") {
					t.Errorf("%s takes the file's word for markup", path)
				}
			}
		})
	}
}
