package gate

import (
	"strings"
	"testing"
	"time"

	"keyward/internal/edge"
	"keyward/internal/proof"
	"keyward/internal/proof/prooftest"
	"keyward/internal/signin/signintest"
)

// A session that its browser bound to a key of the device passes the gate with a live
// bound cookie and not without; the upstream sees none of the cookies.
func TestABoundSessionPassesTheGateWithItsCookieOnly(t *testing.T) {
	y := newYard(t)
	y.letsPeopleIn()
	k := prooftest.NewKey()
	o := y.w.Sessions.Offer(y.p.Iss.Session)
	p, err := proof.ReadRegistration(k.Registration(o.Challenge, o.Authorization), proof.DeviceWant{})
	y.w.Must(err)
	out, err := y.w.Sessions.BindDevice(t.Context(), y.p.Cause(), y.p.Iss.Access, p, signintest.Home)
	y.w.Must(err)
	y.w.Clock.Sleep(11 * time.Second)
	with := func(cookie string) string {
		r := y.page("GET", y.proxy.URL+"/v1/balance")
		if cookie != "" {
			r.Header.Set("Cookie", r.Header.Get("Cookie")+"; "+edge.BoundCookie.Name()+"="+cookie)
		}
		res, code := y.does(r)
		if res.StatusCode == 201 {
			return "let in"
		}
		return code
	}
	if got := with(out.Cookie); got != "let in" {
		t.Errorf("with its cookie: %s", got)
	}
	if h := y.seen.Header.Get("Cookie"); h != "theme=dark" {
		t.Errorf("the upstream saw %q", h)
	}
	if got := with(""); got != "SESSION_EXPIRED" {
		t.Errorf("without: %s", got)
	}
	if got := with(strings.Replace(out.Cookie, "kwb_ses_", "kwb_ses_0", 1)); got != "SESSION_EXPIRED" {
		t.Errorf("with one of somebody's making: %s", got)
	}
}
