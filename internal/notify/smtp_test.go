package notify

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// relay is a small mail server that answers as a test tells it.
type relay struct {
	addr     *net.TCPAddr
	tls      *tls.Config
	noTLS    bool              // does not offer STARTTLS
	implicit bool              // TLS from the first byte
	answer   map[string]string // verb → answer instead of the usual one
	hang     bool              // after DATA, say nothing

	mu    sync.Mutex
	login string
	mails []string // as received
	calls int
}

func newRelay(t *testing.T, set func(*relay)) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{addr: l.Addr().(*net.TCPAddr), tls: certificate(t), answer: map[string]string{}}
	if set != nil {
		set(r)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { r.serve(c) })
		}
	})
	return r
}

func (r *relay) serve(c net.Conn) {
	defer func() { c.Close() }()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if r.implicit {
		c = tls.Server(c, r.tls)
	}
	in := bufio.NewReader(c)
	say := func(s string) { fmt.Fprintf(c, "%s\r\n", s) }
	r.mu.Lock()
	r.calls++
	r.mu.Unlock()
	say("220 relay.example ready")
	secure := r.implicit
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		if a, told := r.answer[verb]; told {
			say(a)
			continue
		}
		switch verb {
		case "EHLO":
			say("250-relay.example")
			if !secure && !r.noTLS {
				say("250-STARTTLS")
			}
			say("250-ENHANCEDSTATUSCODES")
			say("250 AUTH PLAIN")
		case "STARTTLS":
			say("220 go on")
			s := tls.Server(c, r.tls)
			if s.Handshake() != nil {
				return
			}
			c, secure, in = s, true, bufio.NewReader(s)
		case "AUTH":
			raw, _ := base64.StdEncoding.DecodeString(strings.TrimSpace(line[len("AUTH PLAIN "):]))
			r.mu.Lock()
			r.login = strings.ReplaceAll(string(raw), "\x00", "|")
			r.mu.Unlock()
			say("235 2.7.0 welcome")
		case "DATA":
			say("354 send it")
			var b strings.Builder
			for {
				l, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if l == ".\r\n" {
					break
				}
				b.WriteString(l)
			}
			r.mu.Lock()
			r.mails = append(r.mails, b.String())
			r.mu.Unlock()
			if r.hang {
				_, _ = io.Copy(io.Discard, in)
				return
			}
			if a, told := r.answer["."]; told {
				say(a)
				continue
			}
			say("250 2.0.0 taken")
		case "QUIT":
			say("221 bye")
			return
		default:
			say("250 2.0.0 ok")
		}
	}
}

func certificate(t *testing.T) *tls.Config {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "relay"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _ := x509.ParseCertificate(der)
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, RootCAs: roots}
}

func (r *relay) options() SMTPOptions {
	return SMTPOptions{
		Host: "127.0.0.1", Port: r.addr.Port, Username: "keyward", Password: "relay-password", From: "Security <security@exchange.example>",
		Hello: "keyward.example", Timeout: 5 * time.Second,
		tlsConfig: &tls.Config{RootCAs: r.tls.RootCAs, ServerName: "127.0.0.1"},
	}
}

var letterToKim = Message{
	ID: "evt_1.cnt_1.mail@login.exchange.example", Date: time.Date(2026, 3, 7, 3, 20, 0, 0, time.UTC), FromName: "예시 거래소",
	To: "kim@mail.example", Subject: "새 기기에서 로그인했어요", Text: "본인이라면 하실 일은 없어요.\n", HTML: "<p>본인이라면 하실 일은 없어요.</p>",
}

func (r *relay) send(t *testing.T, o SMTPOptions, m Message) error {
	t.Helper()
	s, err := NewSMTP(o)
	if err != nil {
		t.Fatal(err)
	}
	return s.Send(t.Context(), m)
}

func TestSMTPSendsOneMailWithTwoForms(t *testing.T) {
	r := newRelay(t, nil)
	if err := r.send(t, r.options(), letterToKim); err != nil {
		t.Fatal(err)
	}
	if r.login != "|keyward|relay-password" {
		t.Errorf("signed in as %q", r.login)
	}
	m, err := netmail.ReadMessage(strings.NewReader(r.mails[0]))
	if err != nil {
		t.Fatal(err)
	}
	from, err := (&netmail.AddressParser{WordDecoder: new(mime.WordDecoder)}).Parse(m.Header.Get("From"))
	if err != nil || from.Name != "예시 거래소" || from.Address != "security@exchange.example" {
		t.Errorf("from %v: %v", from, err)
	}
	subject, _ := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	for header, want := range map[string]string{
		subject: letterToKim.Subject, m.Header.Get("To"): "<kim@mail.example>",
		m.Header.Get("Message-ID"): "<" + letterToKim.ID + ">", m.Header.Get("Auto-Submitted"): "auto-generated",
		m.Header.Get("Date"): "Sat, 07 Mar 2026 03:20:00 +0000",
	} {
		if header != want {
			t.Errorf("header %q, want %q", header, want)
		}
	}
	kind, params, _ := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if kind != "multipart/alternative" {
		t.Fatalf("content type %s", kind)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []struct{ kind, body string }{{"text/plain", letterToKim.Text}, {"text/html", letterToKim.HTML}} { // RFC 2046 §5.1.4: the richest last
		p, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(p.Header.Get("Content-Type"), want.kind) {
			t.Errorf("part %s, want %s", p.Header.Get("Content-Type"), want.kind)
		}
		body, _ := io.ReadAll(quotedprintable.NewReader(p))
		if strings.TrimSpace(strings.ReplaceAll(string(body), "\r\n", "\n")) != strings.TrimSpace(want.body) {
			t.Errorf("%s reads %q", want.kind, body)
		}
	}
}

func TestSMTPSpeaksTLSFromTheFirstByte(t *testing.T) {
	r := newRelay(t, func(r *relay) { r.implicit = true })
	o := r.options()
	o.TLS = TLSImplicit
	if err := r.send(t, o, letterToKim); err != nil || len(r.mails) != 1 || r.login == "" {
		t.Errorf("%d mails, signed in as %q: %v", len(r.mails), r.login, err)
	}
}

func TestSMTPTellsRefusalsFromFailures(t *testing.T) {
	cases := []struct {
		name   string
		set    func(*relay)
		final  bool
		detail string
	}{
		{"the mailbox does not exist", func(r *relay) { r.answer["RCPT"] = "550 5.1.1 <kim@mail.example> unknown" }, true, "recipient: 550 5.1.1"},
		{"the mailbox is full for now", func(r *relay) { r.answer["RCPT"] = "452 4.2.2 full" }, false, "452 4.2.2"},
		{"the content is refused for good", func(r *relay) { r.answer["."] = "554 5.7.1 no" }, true, "content: 554 5.7.1"},
		{"the content is refused for now", func(r *relay) { r.answer["."] = "451 4.7.1 greylisted" }, false, "451 4.7.1"},
		{"the relay is shutting down", func(r *relay) { r.answer["MAIL"] = "421 4.3.2 later" }, false, "421"},
		{"the sender is refused, which every mail would be", func(r *relay) { r.answer["MAIL"] = "550 5.7.1 not you" }, false, "550"},
		{"the password is wrong, which every mail would meet", func(r *relay) { r.answer["AUTH"] = "535 5.7.8 no" }, false, ""},
		{"STARTTLS is gone, as when somebody on the path removes it", func(r *relay) { r.noTLS = true }, false, ""},
		{"STARTTLS fails", func(r *relay) { r.answer["STARTTLS"] = "454 4.7.0 not now" }, false, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRelay(t, c.set)
			err := r.send(t, r.options(), letterToKim)
			if err == nil {
				t.Fatal("the mail counts as sent")
			}
			ref, final := refusal(err)
			if final != c.final {
				t.Errorf("final is %v: %v", final, err)
			}
			if final && !strings.Contains(ref.Error(), c.detail) || !strings.Contains(err.Error(), c.detail) {
				t.Errorf("recorded as %q", err)
			}
			if strings.Contains(err.Error(), "kim@") || strings.Contains(err.Error(), "relay-password") {
				t.Errorf("the error repeats what is private: %v", err)
			}
			if r.noTLS && r.login != "" {
				t.Error("the password went over an open wire")
			}
		})
	}
}

func TestSMTPCertificateOfAnotherServer(t *testing.T) {
	r := newRelay(t, nil)
	o := r.options()
	o.tlsConfig = &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1"}
	if err := r.send(t, o, letterToKim); err == nil || len(r.mails) > 0 || r.login != "" {
		t.Errorf("talked to a server nobody vouches for: %v", err)
	}
}

func TestSMTPNobodyListens(t *testing.T) {
	l, _ := net.Listen("tcp", "127.0.0.1:0")
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	s, err := NewSMTP(SMTPOptions{Host: "127.0.0.1", Port: port, From: "a@b.example", Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Send(t.Context(), letterToKim)
	if _, final := refusal(err); err == nil || final {
		t.Errorf("got %v", err)
	}
}

func TestSMTPDoesNotHangOnASilentServer(t *testing.T) {
	r := newRelay(t, func(r *relay) { r.hang = true })
	o := r.options()
	o.Timeout = 300 * time.Millisecond
	start := time.Now()
	err := r.send(t, o, letterToKim)
	if _, final := refusal(err); err == nil || final || time.Since(start) > 4*time.Second {
		t.Errorf("after %s: %v", time.Since(start), err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	s, _ := NewSMTP(r.options())
	if err := s.Send(ended, letterToKim); err == nil {
		t.Error("sent although told to stop")
	}
}

// TestNothingBecomesAHeader: line ends in whatever came from outside stay inside
// their value, or the mail is refused.
func TestNothingBecomesAHeader(t *testing.T) {
	evil := "x\r\nBcc: everyone@mail.example\r\n\r\nbody"
	cases := []struct {
		name string
		edit func(*Message)
		sent bool
	}{
		{"line ends in the brand", func(m *Message) { m.FromName = evil }, true},
		{"line ends in the subject", func(m *Message) { m.Subject = evil }, true},
		{"a quote in the brand", func(m *Message) { m.FromName = `A "quoted" <evil@mail.example>` }, true},
		{"line ends in the address", func(m *Message) { m.To = "kim@mail.example\r\nBcc: everyone@mail.example" }, false},
		{"two addresses", func(m *Message) { m.To = "kim@mail.example, everyone@mail.example" }, false},
		{"a name with the address", func(m *Message) { m.To = "Kim <kim@mail.example>" }, false},
		{"SMTP verbs in the address", func(m *Message) { m.To = "kim@mail.example>\r\nRCPT TO:<everyone@mail.example" }, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := newRelay(t, nil)
			m := letterToKim
			c.edit(&m)
			err := r.send(t, r.options(), m)
			if !c.sent {
				var ref *Refusal
				if !errors.As(err, &ref) || r.calls != 0 {
					t.Errorf("not refused at once: %v, %d calls", err, r.calls)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := netmail.ReadMessage(strings.NewReader(r.mails[0]))
			if err != nil {
				t.Fatal(err)
			}
			if got.Header.Get("Bcc") != "" || !strings.HasPrefix(got.Header.Get("Content-Type"), "multipart/alternative") {
				t.Errorf("a value became a header:\n%s", r.mails[0])
			}
			from, err := got.Header.AddressList("From")
			if err != nil || len(from) != 1 || from[0].Address != "security@exchange.example" {
				t.Errorf("from %v: %v", from, err)
			}
		})
	}
}

func TestSMTPOptionsThatContradict(t *testing.T) {
	cases := []struct {
		name string
		o    SMTPOptions
	}{
		{"a password without TLS", SMTPOptions{Host: "127.0.0.1", TLS: TLSNone, Username: "u", Password: "p", From: "a@b.example"}},
		{"an unknown TLS mode", SMTPOptions{Host: "127.0.0.1", TLS: "maybe", From: "a@b.example"}},
		{"no sender", SMTPOptions{Host: "127.0.0.1"}},
		{"no host", SMTPOptions{From: "a@b.example"}},
		{"a port that is none", SMTPOptions{Host: "127.0.0.1", Port: 70000, From: "a@b.example"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := NewSMTP(c.o); err == nil {
				t.Error("accepted")
			}
		})
	}
	for mode, port := range map[TLSMode]int{"": 587, TLSRequired: 587, TLSImplicit: 465, TLSNone: 25} {
		s, err := NewSMTP(SMTPOptions{Host: "mail.example", TLS: mode, From: "a@b.example"})
		if err != nil {
			t.Errorf("%q: %v", mode, err)
			continue
		}
		if c, err := s.client(nil); err != nil || !strings.HasSuffix(c.ServerAddr(), ":"+strconv.Itoa(port)) {
			t.Errorf("%q goes to %s: %v", mode, c.ServerAddr(), err)
		}
	}
}
