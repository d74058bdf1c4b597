package notify

import (
	"strings"
	"testing"

	"keyward/internal/place"
	"keyward/internal/place/placetest"
)

// The language is the receiver's, and the place stands beside the address in both
// forms of the mail.
func TestMailsSayThePlaceWhenThereIsAFile(t *testing.T) {
	seoul := placetest.Records{"203.0.113.0/24": placetest.Named("Seoul", "서울", "South Korea", "대한민국")}
	for _, tc := range []struct {
		name    string
		records placetest.Records // nil: no file
		lang    string
		want    string
	}{
		{"in English", seoul, "en", "Seoul, South Korea (approx.)"},
		{"in Korean", seoul, "ko", "서울, 대한민국 (추정)"},
		{"a country alone", placetest.Records{"203.0.113.0/24": placetest.Named("", "", "France", "")}, "en", "France (approx.)"},
		{"an address the file does not have", placetest.Records{"192.0.2.0/24": placetest.Named("Seoul", "", "", "")}, "en", "Unknown place"},
		{"without a file", nil, "en", "Unknown place"},
		{"without a file, in Korean", nil, "ko", "알 수 없는 장소"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			each(t, func(w *world) {
				if tc.records != nil {
					var err error
					w.service.Places, err = place.Open(placetest.Write(t, tc.records))
					w.ok(err)
				}
				acc := w.owner("kim@mail.example", tc.lang)
				w.does(acc.ID, "codes.created", string(acc.ID), nil)
				w.settles()
				mails := w.post.Mails()
				if len(mails) != 1 {
					t.Fatalf("%d mails", len(mails))
				}
				for form, body := range map[string]string{"text": mails[0].Text, "HTML": mails[0].HTML} {
					if !strings.Contains(body, tc.want) || !strings.Contains(body, "203.0.113.7") {
						t.Errorf("the %s does not say %q beside the address: %s", form, tc.want, body)
					}
				}
			})
		})
	}
}
