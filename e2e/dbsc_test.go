package e2e

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Device Bound Session Credentials with the real browser. Its keys are software here
// (there is no TPM), so these tests show the protocol and not where a key lives. A
// browser signs six times in nine minutes and no more: each test has a profile of its
// own and counts.

const boundCookie = "__Host-kw_bc"

// deviceBrowser speaks DBSC with this server, over https. Trust goes by the public key of
// the certificate: with --ignore-certificate-errors Chromium binds nothing and says
// nothing. door is where its connections go; "" is the server itself.
func deviceBrowser(t *testing.T, s *server, door string) *browser {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(s.dir, "tls.crt"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(file)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	spki := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	more := []chromedp.ExecAllocatorOption{
		chromedp.Flag("ignore-certificate-errors-spki-list", base64.StdEncoding.EncodeToString(spki[:])),
		chromedp.Flag("enable-features", "DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting"),
	}
	if door != "" {
		u, _ := url.Parse(s.origin)
		more = append(more, chromedp.Flag("host-resolver-rules", fmt.Sprintf("MAP %s %s", u.Host, door)))
	}
	return newBrowser(t, more...)
}

// door passes bytes on to the server from a network of this machine.
type door struct {
	addr string

	mu    sync.Mutex // guards the rest
	from  net.IP
	conns []net.Conn
}

func openDoor(t *testing.T, s *server, from net.IP) *door {
	t.Helper()
	u, _ := url.Parse(s.origin)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d := &door{addr: l.Addr().String(), from: from}
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			d.mu.Lock()
			dial := net.Dialer{LocalAddr: &net.TCPAddr{IP: d.from}}
			out, err := dial.Dial("tcp4", "127.0.0.1:"+u.Port())
			if err != nil {
				in.Close()
				d.mu.Unlock()
				continue
			}
			d.conns = append(d.conns, in, out)
			d.mu.Unlock()
			pass := func(to, from net.Conn) { io.Copy(to, from); to.Close(); from.Close() }
			go pass(out, in)
			go pass(in, out)
		}
	}()
	return d
}

// move changes the network: what was open breaks, as it does.
func (d *door) move(to net.IP) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		c.Close()
	}
	d.from, d.conns = to, nil
}

var here, elsewhere = net.IPv4(127, 0, 0, 1), net.IPv4(127, 7, 7, 7)

// deviceKeys reads the server's own count.
func (s *server) deviceKeys(t *testing.T, what string) int {
	t.Helper()
	res, err := http.Get(s.ops + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	m := regexp.MustCompile(`device_keys_total\{what="` + what + `"\} (\d+)`).FindSubmatch(body)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(string(m[1]))
	return n
}

// bound signs up and waits until the browser has bound its session, and until that counts.
func (b *browser) bindsItself(s *server, mail string) {
	b.t.Helper()
	b.signUp(s, mail)
	soon(b.t, "the browser registers a key", func() bool { return b.cookies(s.origin)[boundCookie] != "" })
	if n := s.deviceKeys(b.t, "bound"); n != 1 {
		b.t.Fatalf("%d sessions are bound", n)
	}
	time.Sleep(11 * time.Second) // internal/session: bindGrace
}

func TestABrowserBindsItsSessionAndShowsItsKey(t *testing.T) {
	s := startDemo(t, "--tls")
	b := deviceBrowser(t, s, "")
	b.authenticator()
	b.bindsItself(s, "mina@mail.example")

	// The browser lost its cookie, as after ten minutes: what it asks for waits until it
	// has shown its key. The challenge came with the answer before, so it is one trip.
	for range 2 {
		was, asked := s.deviceKeys(t, "shown"), s.deviceKeys(t, "asked")
		b.dropCookie(s.origin, boundCookie)
		b.open(s.origin + "/devices")
		b.at("/devices")
		b.shows("Bound to this browser by the device’s own key")
		if n := s.deviceKeys(t, "shown"); n != was+1 {
			t.Errorf("the key was shown %d times", n-was)
		}
		if n := s.deviceKeys(t, "asked"); n != asked {
			t.Errorf("%d trips too many", n-asked)
		}
	}
	// A link from another site is not held, and sent without the cookie: the page that
	// renews asks again in the site's own name.
	b.open(s.exchange)
	b.dropCookie(s.origin, boundCookie)
	was := s.deviceKeys(t, "shown")
	eval[bool](b, fmt.Sprintf("setTimeout(() => { location.href = %q }, 50) > 0", s.origin+"/devices"))
	b.at("/devices")
	if shown, missing := s.deviceKeys(t, "shown")-was, s.deviceKeys(t, "missing"); shown != 1 || missing != 0 {
		t.Errorf("after a link the key was shown %d times, and missing %d times", shown, missing)
	}
	// Doors and files do not wait for it.
	b.dropCookie(s.origin, boundCookie)
	was = s.deviceKeys(t, "shown")
	eval[int](b, `fetch('/signin/code').then((r) => r.status)`)
	if n := s.deviceKeys(t, "shown"); n != was {
		t.Error("a page that needs no session waited for the key")
	}
}

// confirmMail follows the link of the mail that asks whether the address is read.
func (b *browser) confirmMail(s *server) {
	b.t.Helper()
	b.open(s.origin + "/demo/mail")
	b.until("the mail came", `document.querySelector('a[href^="/demo/mail/"]') || (setTimeout(() => location.reload(), 300), false)`)
	b.open(s.origin + eval[string](b, `(async () => (await (await fetch(document.querySelector('a[href^="/demo/mail/"]').href)).text()).match(/\/mail\/verify\?t=[^"<\s]+/)[0])()`))
	b.click(`form[action="/mail/verify"] button`)
	b.shows("Your mail address is confirmed")
}

func TestACopiedJarOpensNothingElsewhereAndItsOwnerHears(t *testing.T) {
	s := startDemo(t, "--tls")
	b := deviceBrowser(t, s, "")
	b.authenticator()
	b.bindsItself(s, "mina@mail.example")

	b.confirmMail(s) // an address that nobody confirmed hears nothing

	thief := deviceBrowser(t, s, openDoor(t, s, elsewhere).addr)
	thief.allow("401")
	jar := call(b, network.GetCookies, network.GetCookiesParams{URLs: []string{s.origin}}).Cookies
	for _, c := range jar {
		call(thief, network.SetCookie, network.SetCookieParams{
			Name: c.Name, Value: c.Value, URL: s.origin, Path: c.Path, Secure: &c.Secure, HTTPOnly: &c.HTTPOnly, SameSite: c.SameSite,
		})
	}
	thief.open(s.origin + "/devices")
	thief.until("the thief stands at the door", `location.pathname === '/signin'`)

	b.open(s.origin + "/devices")
	b.at("/devices") // the owner goes on
	b.open(s.origin + "/activity")
	b.shows("A copy of the session on")
	b.open(s.origin + "/demo/mail")
	b.until("the mail came", `document.body.innerText.includes('Someone may have a copy of your session') || (setTimeout(() => location.reload(), 300), false)`)
}

// The owner changes networks: the browser shows its key again, and they notice a blink.
func TestAnOwnerWhoChangesNetworksGoesOn(t *testing.T) {
	s := startDemo(t, "--tls")
	d := openDoor(t, s, here)
	b := deviceBrowser(t, s, d.addr)
	b.allow("ERR_")
	b.authenticator()
	b.bindsItself(s, "mina@mail.example")
	d.move(elsewhere)
	b.open(s.origin + "/devices")
	b.at("/devices")
	if shown, missing := s.deviceKeys(t, "shown"), s.deviceKeys(t, "missing"); shown != 1 || missing != 0 {
		t.Errorf("the key was shown %d times, and missing %d times", shown, missing)
	}
	d.move(here)
	b.dropCookie(s.origin, "__Host-kw_at") // and its minutes were over as well
	b.open(s.origin + "/devices")
	b.at("/devices")
	if missing := s.deviceKeys(t, "missing"); missing != 0 {
		t.Errorf("the key was missing %d times", missing)
	}
}

func TestABrowserThatSkipsItsKeyHasToTouch(t *testing.T) {
	s := startDemo(t, "--tls")
	b := deviceBrowser(t, s, "")
	b.allow("401")
	b.authenticator()
	b.bindsItself(s, "mina@mail.example")
	before := strings.Split(b.cookies(s.origin)["__Host-kw_rt"], ".")[1]

	// It signs as often as it may, and then says that it skips.
	deadline := time.Now().Add(60 * time.Second)
	for s.deviceKeys(t, "missing") == 0 {
		if time.Now().After(deadline) {
			t.Fatalf("the browser never ran dry: shown %d\n%s", s.deviceKeys(t, "shown"), b.where())
		}
		b.dropCookie(s.origin, boundCookie)
		b.open(s.origin + "/devices")
	}
	b.at("/session/touch?to=%2Fdevices")
	b.shows("your browser did not show it")
	b.click(`form[data-ceremony="lapsed"] button`)
	b.at("/devices")
	if after := strings.Split(b.cookies(s.origin)["__Host-kw_rt"], ".")[1]; after == before {
		t.Error("the touch began no new session")
	}
	if c := b.cookies(s.origin)[boundCookie]; c != "" {
		t.Error("the new session has a bound cookie")
	}
	b.open(s.origin + "/activity")
	b.shows("was used without its device’s own key and refused")
	b.shows("You confirmed with the passkey")
}

func TestABrowserForgetsASessionThatHasEnded(t *testing.T) {
	s := startDemo(t, "--tls")
	b, other := deviceBrowser(t, s, ""), deviceBrowser(t, s, "")
	mine, theirs := b.authenticator(), other.authenticator()
	b.bindsItself(s, "mina@mail.example")
	copyPasskeys(b, mine, other, theirs)
	other.open(s.origin + "/signin?to=%2Fdevices")
	other.signInWithButton()
	other.at("/devices")
	other.click(`form[action="/sessions/end-others"] button`)
	other.click(`form[data-ceremony="step-up"] button`)
	other.at("/devices")
	other.click(`form[action="/sessions/end-others"] button`)
	other.shows("You signed out 1 other session.")

	b.presence(false) // or autofill signs it in again
	for range 2 {
		b.dropCookie(s.origin, boundCookie)
		b.open(s.origin + "/devices")
		b.until("it stands at the door", `location.pathname === '/signin'`)
	}
	if n := s.deviceKeys(t, "ended"); n != 1 {
		t.Errorf("the browser was told %d times that the session is over", n)
	}
}
