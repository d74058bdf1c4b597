package demo

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"keyward/internal/audit"
	"keyward/internal/edge"
	"keyward/internal/store"
	"keyward/internal/web"
)

func TestTheDemoIsOnlyHere(t *testing.T) {
	h := here("http://localhost:7480", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	for _, row := range []struct {
		name, host, addr string
		want             int
	}{
		{"this machine", "localhost:7480", "127.0.0.1", 204},
		{"this machine over IPv6", "localhost:7480", "::1", 204},
		{"another machine", "localhost:7480", "192.0.2.1", 404},
		{"another machine behind a proxy of ours", "localhost:7480", "198.51.100.9", 404},
		{"a stranger's page whose name points here", "rebind.evil.example:7480", "127.0.0.1", 404},
		{"the same machine under its address", "127.0.0.1:7480", "127.0.0.1", 404},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "http://"+row.host+"/demo", nil)
			r = r.WithContext(edge.WithCause(r.Context(), store.Cause{Addr: netip.MustParseAddr(row.addr)}))
			w := httptest.NewRecorder()
			h(w, r)
			if w.Code != row.want {
				t.Errorf("status %d instead of %d", w.Code, row.want)
			}
		})
	}
}

func TestShownRequestsAreCutShort(t *testing.T) {
	const secret, tag = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "dGFndGFndGFn"
	r := httptest.NewRequest("POST", "http://localhost:7480/session/renew", nil)
	r.Header.Set("Cookie", accessCookie+"=kwa_ses_01k.fam_01k."+secret+"."+tag+"; "+refreshCookie+"=kwr_1.fam_01kabcdefghjk.7."+secret+"."+tag)
	r.Header.Set("X-Forwarded-For", farAddr)
	var text strings.Builder
	strong := ""
	for _, s := range rawRequest(&answer{sent: sent{r, nil}, status: 401, Code: "refresh_wrong_key"}) {
		text.WriteString(s.Text)
		if s.Mark == web.Strong {
			strong += s.Text + " "
		}
	}
	if strings.Contains(text.String(), secret[:8]) || strings.Contains(text.String(), tag) {
		t.Errorf("secrets are shown:\n%s", text.String())
	}
	for _, part := range []string{"POST /session/renew", "X-Forwarded-For: 198.51.100.9", "fam_01kabc", "DPoP: none"} {
		if !strings.Contains(text.String(), part) {
			t.Errorf("%q is missing:\n%s", part, text.String())
		}
	}
	if strong != "POST 7 " {
		t.Errorf("bold is %q: the method and the generation should be", strong)
	}
}

func TestWhatTheOwnerSees(t *testing.T) {
	rec := func(a audit.Action) []audit.Record { return []audit.Record{{Action: a}} }
	for _, row := range []struct {
		name          string
		recs          []audit.Record
		before, after bool
		want          web.OwnerSees
	}{
		{"nothing was written", nil, true, true, web.SeesNothing},
		{"a notice went out and the session stays", rec("session.suspect"), true, true, web.SeesTold},
		{"a line under Activity and no notice", rec("session.stepped_up"), true, true, web.SeesNoted},
		{"the try ended the session", rec("session.reuse"), true, false, web.SeesEnded},
		{"the session was over before", nil, false, false, web.SeesNothing},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := sees(row.recs, row.before, row.after); got != row.want {
				t.Errorf("%q instead of %q", got, row.want)
			}
		})
	}
}

func TestGeneration(t *testing.T) {
	for token, want := range map[string]int{"kwr_1.fam_x.12.s.t": 12, "kwr_1.fam_x.12.s": 0, "": 0, "kwr_1.fam_x.many.s.t": 0} {
		if got := generation(token); got != want {
			t.Errorf("%q: %d instead of %d", token, got, want)
		}
	}
}
