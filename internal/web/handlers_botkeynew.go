package web

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"keyward/internal/account"
	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/session"
	"keyward/internal/store"
)

func (s *Server) botKeyNewPage(v *visit) error {
	return s.showBotKeyNew(v, http.StatusOK, &BotKeyNew{Form: BotKeyForm{Where: "server", Scopes: []string{"read.account", "read.orders"}, Days: "90", Kind: string(apikey.Ed25519), Sub: v.r.URL.Query().Get("sub")}})
}

func (s *Server) showBotKeyNew(v *visit, status int, view *BotKeyNew) error {
	view.Base = v.base
	if v.cause.Addr.IsValid() {
		view.Seen = v.cause.Addr.Unmap().WithZone("").String()
	}
	err := s.DB.View(v.r.Context(), func(tx *store.Tx) error {
		_, held, err := s.Accounts.Held(tx, v.ses.Account, account.HoldKeys)
		view.Blocked = held || v.acc.Status != account.Active
		if err != nil {
			return err
		}
		subs, err := s.Accounts.Subs(tx, v.ses.Account)
		view.Subs = nil
		for _, x := range subs {
			if x.Status == account.SubActive {
				view.Subs = append(view.Subs, SubView{ID: string(x.ID), Name: x.Name})
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	s.offerNonce(v.w)
	s.show(v.w, v.r, status, view)
	return nil
}

// botKeyNew makes the key. The touch is for exactly what the form says; without one the
// person is led to it and back, and botkeys.js has kept what was typed.
func (s *Server) botKeyNew(v *visit) error {
	f, err := readBotKeyForm(v.r)
	if err != nil {
		return err
	}
	if v.base.Who.Weak {
		return session.ErrWeak // a recovery code never makes anything that acts: told before the touch it cannot give
	}
	if f.Where == "page" {
		// A secret in a page or an app is everybody's who opens it: there is no key for that.
		return s.showBotKeyNew(v, http.StatusUnprocessableEntity, &BotKeyNew{Form: f, InPage: true})
	}
	n, err := f.key()
	var made apikey.Created
	if err == nil {
		made, err = s.BotKeys.Add(v.r.Context(), v.cause, v.by(), n)
	}
	if why, status := keyRefused(v.r, err); why != nil {
		if why.Private {
			f.Public = "" // it must not stand in one more page
		}
		return s.showBotKeyNew(v, status, &BotKeyNew{Form: f, Refused: why})
	}
	if err != nil {
		return err
	}
	s.show(v.w, v.r, http.StatusOK, &BotKeyMade{Base: v.base, Key: botKeyOf(v, made.Key, nil), Secret: made.Secret, Passphrase: made.Passphrase})
	return nil
}

// keyRefused is what a form page shows of a refusal about keys; nil for everything
// else, a missing touch among it, which is answered as everywhere.
func keyRefused(r *http.Request, err error) (*KeyRefused, int) {
	var e *edge.Error
	if !errors.As(err, &e) || !strings.HasPrefix(e.Code, "apikey_") && !strings.HasPrefix(e.Code, "sub_") || !wantsHTML(r) {
		return nil, 0
	}
	p := edge.ProblemOf(r, err)
	at, _ := e.Extra("at").(string)
	return &KeyRefused{Code: p.Code, Title: p.Title, Detail: p.Detail, At: at, Private: errors.Is(err, errPrivateHalf)}, p.Status
}

// readBotKeyForm reads what both forms send. What a field may hold is decided by the
// domain; here it is only bounded.
func readBotKeyForm(r *http.Request) (f BotKeyForm, err error) {
	for _, x := range []struct {
		into *string
		name string
		most int
	}{
		{&f.Where, "where", 16}, {&f.Purpose, "purpose", 800}, {&f.Places, "places", 4096}, {&f.Deny, "deny", 4096}, {&f.Symbols, "symbols", 4096},
		{&f.Days, "days", 8}, {&f.Until, "until", 16}, {&f.PerMin, "per_min", 8}, {&f.Kind, "kind", 16}, {&f.Profile, "profile", 32}, {&f.Public, "public", 8192},
		{&f.Sub, "sub", 64}, {&f.Cap, "cap", 32}, {&f.CapIn, "cap_in", 16},
	} {
		if *x.into, err = field(r, x.name, x.most); err != nil {
			return f, err
		}
	}
	f.Scopes, err = fields(r, "scope", 32)
	return f, err
}

// key is the key that the form asks for.
func (f BotKeyForm) key() (n apikey.NewKey, err error) {
	n = apikey.NewKey{Purpose: f.Purpose, Sub: f.Sub, Alg: apikey.Alg(f.Kind), Symbols: listed(f.Symbols)}
	if n.Alg == apikey.HMACSHA256 && f.Profile != "" {
		// Each client library signs in its own way; only where there is a choice does
		// "shared secret" have to be said.
		if n.Profile = apikey.Profile(f.Profile); n.Profile != apikey.Binance {
			n.Alg = ""
		}
	}
	var ok bool
	if n.Scopes, ok = apikey.ParseScopes(strings.Join(f.Scopes, " ")); !ok {
		return n, apikey.ErrScopes
	}
	if n.Allow, err = apikey.ParsePlaces(f.Places); err != nil {
		return n, err
	}
	if n.DayCap, err = f.dayCap(); err != nil {
		return n, err
	}
	days, err := strconv.Atoi(strings.TrimSpace(f.Days))
	if err != nil || days < 1 || days > 366 {
		return n, apikey.ErrLife
	}
	n.Life = time.Duration(days) * 24 * time.Hour
	if n.Alg == apikey.Ed25519 {
		if n.Public, err = publicKey(f.Public); err != nil {
			return n, err
		}
	}
	return n.Checked()
}

// edit is what the form makes of a key. The day of its end keeps the time of day, so
// that a form nobody touched changes nothing.
func (f BotKeyForm) edit(v *visit, k apikey.Key) (e apikey.Edit, err error) {
	e = k.Edit()
	e.Purpose, e.Symbols = strings.TrimSpace(f.Purpose), listed(f.Symbols)
	var ok bool
	if e.Scopes, ok = apikey.ParseScopes(strings.Join(f.Scopes, " ")); !ok {
		return e, apikey.ErrScopes
	}
	if e.Allow, err = apikey.ParsePlaces(f.Places); err != nil {
		return e, err
	}
	if e.Deny, err = apikey.ParsePlaces(f.Deny); err != nil {
		return e, err
	}
	if e.DayCap, err = f.dayCap(); err != nil {
		return e, err
	}
	if e.PerMin, err = strconv.Atoi(strings.TrimSpace(f.PerMin)); err != nil {
		return e, apikey.ErrLife
	}
	was := v.base.local(k.Expires)
	if f.Until != was.Format(time.DateOnly) {
		day, err := time.Parse(time.DateOnly, f.Until)
		if err != nil {
			return e, apikey.ErrLife
		}
		e.Expires = time.Date(day.Year(), day.Month(), day.Day(), was.Hour(), was.Minute(), was.Second(), was.Nanosecond(), was.Location())
	}
	return e, nil
}

// dayCap reads a cap as people write it: "2,500" is as good as "2500" to them, and is
// refused, because a comma is a point to others.
func (f BotKeyForm) dayCap() (apikey.DayCap, error) {
	return apikey.ParseDayCap(strings.TrimSpace(f.Cap), strings.ToUpper(strings.TrimSpace(f.CapIn)))
}

// formOf is the form of a key as it stands.
func formOf(v *visit, k apikey.Key) BotKeyForm {
	return BotKeyForm{
		Purpose: k.Purpose, Scopes: k.Scopes.Names(), Places: lines(k.Allow), Deny: lines(k.Deny), Symbols: strings.Join(k.Symbols, " "),
		Until: v.base.local(k.Expires).Format(time.DateOnly), PerMin: strconv.Itoa(k.PerMin),
		Cap: k.DayCap.Text(), CapIn: k.DayCap.Currency,
	}
}

func lines(list []netip.Prefix) string { return strings.Join(places(list), "\n") }

// listed parts symbols, however they were separated.
func listed(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' || r == '\r' || r == '\t' })
}

// errPrivate: somebody sent the half that nobody may have. It is refused and forgotten.
var (
	errPrivateHalf = errors.New("a private key was sent")
	errPrivate     = apikey.ErrPublic.Because(errPrivateHalf)
)

// publicKey reads an Ed25519 public key: a PEM SubjectPublicKeyInfo (RFC 8410 §4), the
// same in bare base64, or 32 bytes of base64. What is or may be a private key is told
// apart from what is only misspelled, because its owner has to throw the pair away.
func publicKey(text string) ([]byte, error) {
	text = strings.TrimSpace(text)
	if strings.Contains(text, "PRIVATE KEY") {
		return nil, errPrivate
	}
	var der []byte
	if strings.HasPrefix(text, "-----") {
		block, rest := pem.Decode([]byte(text))
		if block == nil || block.Type != "PUBLIC KEY" || strings.TrimSpace(string(rest)) != "" {
			return nil, apikey.ErrPublic
		}
		der = block.Bytes
	} else {
		raw, err := anyBase64(strings.Join(strings.Fields(text), ""))
		if err != nil {
			return nil, apikey.ErrPublic
		}
		if len(raw) == ed25519.PublicKeySize {
			return raw, nil
		}
		if _, err := x509.ParsePKCS8PrivateKey(raw); err == nil || len(raw) == ed25519.PrivateKeySize {
			return nil, errPrivate
		}
		der = raw
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, apikey.ErrPublic.Because(err)
	}
	public, is := key.(ed25519.PublicKey)
	if !is {
		return nil, apikey.ErrPublic.Because(errors.New("not Ed25519"))
	}
	return public, nil
}

func anyBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if raw, err := base64.RawStdEncoding.Strict().DecodeString(s); err == nil {
		return raw, nil
	}
	return base64.RawURLEncoding.Strict().DecodeString(s)
}
