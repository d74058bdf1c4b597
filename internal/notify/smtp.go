package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"time"

	"github.com/wneessen/go-mail"
)

// TLSMode says how the way to the next mail server is protected.
type TLSMode string

const (
	// TLSRequired, also meant by the zero value: STARTTLS or nothing. A relay that does not
	// offer it gets no mail, so an attacker on the path who strips the offer
	// (RFC 3207 §6) stops the mail instead of reading the links in it.
	TLSRequired TLSMode = "required"
	// TLSImplicit speaks TLS from the first byte (RFC 8314 §3.3, port 465).
	TLSImplicit TLSMode = "implicit"
	// TLSNone is for a relay on this very machine. A password is refused with it.
	TLSNone TLSMode = "none"
)

// SMTPOptions describe the one relay all mail leaves through.
type SMTPOptions struct {
	Host     string
	Port     int // 0: 587, or 465 with TLSImplicit, or 25 with TLSNone
	TLS      TLSMode
	Username string // empty: no authentication
	Password string
	From     string        // bare address; the name beside it is the brand
	Hello    string        // name for EHLO; empty: this host's name
	Timeout  time.Duration // for the whole of one mail; 0: smtpTimeout

	tlsConfig *tls.Config // tests only: trust their own certificate
}

// SMTP is the Mailer that sends. It keeps no connection between mails: notices
// are few, and a connection nobody uses is one more thing that can be half dead.
type SMTP struct {
	o    SMTPOptions
	from string
	opts []mail.Option
}

// NewSMTP checks the options; it does not connect.
func NewSMTP(o SMTPOptions) (*SMTP, error) {
	from, err := netmail.ParseAddress(o.From)
	if err != nil {
		return nil, fmt.Errorf("notify: mail from %q is not an address: %w", o.From, err)
	}
	if o.Timeout == 0 {
		o.Timeout = smtpTimeout
	}
	if o.tlsConfig == nil {
		o.tlsConfig = &tls.Config{ServerName: o.Host, MinVersion: tls.VersionTLS12}
	}
	opts := []mail.Option{mail.WithTimeout(o.Timeout), mail.WithTLSConfig(o.tlsConfig)}
	switch o.TLS {
	case TLSRequired, "":
		opts = append(opts, mail.WithPort(or(o.Port, 587)), mail.WithTLSPolicy(mail.TLSMandatory))
	case TLSImplicit:
		opts = append(opts, mail.WithPort(or(o.Port, 465)), mail.WithSSL())
	case TLSNone:
		if o.Username != "" {
			return nil, errors.New("notify: a mail password would travel unprotected; use TLS or remove the user name")
		}
		opts = append(opts, mail.WithPort(or(o.Port, 25)), mail.WithTLSPolicy(mail.NoTLS))
	default:
		return nil, fmt.Errorf("notify: unknown mail TLS mode %q; known are %q, %q and %q", o.TLS, TLSRequired, TLSImplicit, TLSNone)
	}
	if o.Hello != "" {
		opts = append(opts, mail.WithHELO(o.Hello))
	}
	if o.Username != "" {
		opts = append(opts, mail.WithUsername(o.Username), mail.WithPassword(o.Password),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256PLUS, mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	s := &SMTP{o: o, from: from.Address, opts: opts}
	if _, err := s.client(nil); err != nil {
		return nil, fmt.Errorf("notify: mail server: %w", err)
	}
	return s, nil
}

// client is go-mail's client for one mail, with a dialer of ours.
func (s *SMTP) client(dial mail.DialContextFunc) (*mail.Client, error) {
	opts := s.opts
	if dial != nil {
		opts = append(opts[:len(opts):len(opts)], mail.WithDialContextFunc(dial))
	}
	return mail.NewClient(s.o.Host, opts...)
}

func (s *SMTP) Send(ctx context.Context, m Message) error {
	msg, err := s.compose(m)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	// go-mail leaves the connection open when STARTTLS or AUTH fails, and its
	// timeouts start anew with each command. Ours ends with this mail, whatever
	// happened and however slowly a server speaks.
	client, err := s.client(func(dialing context.Context, network, addr string) (net.Conn, error) {
		line, err := s.dial(dialing, network, addr)
		if err == nil {
			context.AfterFunc(ctx, func() { line.Close() })
		}
		return line, err
	})
	if err != nil {
		return err
	}
	err = client.DialAndSendWithContext(ctx, msg)
	if err == nil || msg.IsDelivered() {
		return nil // the 250 after DATA decides; a bad goodbye must not send the mail twice
	}
	return classify(err)
}

func (s *SMTP) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if s.o.TLS == TLSImplicit {
		return (&tls.Dialer{Config: s.o.tlsConfig}).DialContext(ctx, network, addr)
	}
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// compose builds the MIME form. Every value that came from outside passes
// through net/mail or go-mail's encoders; nothing is pasted into a header.
func (s *SMTP) compose(m Message) (*mail.Msg, error) {
	to, err := netmail.ParseAddress(m.To)
	if err != nil || to.Name != "" {
		return nil, &Refusal{Step: "not an address"}
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent())
	msg.FromMailAddress(&netmail.Address{Name: m.FromName, Address: s.from})
	msg.ToMailAddress(to)
	msg.SetMessageIDWithValue(m.ID)
	msg.SetDateWithValue(m.Date)
	msg.Subject(oneLine(m.Subject))
	// RFC 3834 §5: no out-of-office answer to a notice.
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(mail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(mail.TypeTextHTML, m.HTML)
	return msg, nil
}

// classify decides who is at fault. Only an answer about this recipient or this
// content is final; a 5xx to AUTH, STARTTLS or MAIL FROM would meet every mail
// alike (a changed password, a relay that lost its mind), and giving up there
// would drop every notice of that hour for good.
func classify(err error) error {
	var se *mail.SendError
	if !errors.As(err, &se) {
		return err
	}
	if se.ErrorCode() >= 500 {
		switch se.Reason {
		case mail.ErrSMTPRcptTo:
			return &Refusal{Code: se.ErrorCode(), Status: se.EnhancedStatusCode(), Step: "recipient"}
		case mail.ErrSMTPData, mail.ErrSMTPDataClose:
			return &Refusal{Code: se.ErrorCode(), Status: se.EnhancedStatusCode(), Step: "content"}
		}
	}
	// Not se itself: its text repeats the address and what the server said about it.
	return fmt.Errorf("mail server: %s: %d %s", se.Reason, se.ErrorCode(), se.EnhancedStatusCode())
}

func or(port, standard int) int {
	if port != 0 {
		return port
	}
	return standard
}
