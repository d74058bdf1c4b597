package web

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"keyward/internal/edge"
)

var errForm = edge.E("bad_request")

// isForm tells a form from a script's request: forms get pages and redirects.
func isForm(r *http.Request) bool {
	t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return r.Method == http.MethodPost && (t == "application/x-www-form-urlencoded" || t == "multipart/form-data") && wantsHTML(r)
}

func wantsHTML(r *http.Request) bool { return strings.Contains(r.Header.Get("Accept"), "text/html") }

// field reads one form field: at most once, valid UTF-8, no NUL, bounded.
func field(r *http.Request, name string, most int) (string, error) {
	if err := r.ParseForm(); err != nil {
		return "", errForm.Because(err)
	}
	vs := r.PostForm[name]
	if len(vs) == 0 {
		return "", nil
	}
	v := vs[0]
	if len(vs) > 1 || len(v) > most || !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
		return "", errForm.At(name, "is there twice, too long, or not text")
	}
	return v, nil
}

// fields reads a form field that may be there several times, as a group of boxes is.
func fields(r *http.Request, name string, most int) ([]string, error) {
	if err := r.ParseForm(); err != nil {
		return nil, errForm.Because(err)
	}
	vs := r.PostForm[name]
	for _, v := range vs {
		if len(vs) > 32 || len(v) > most || !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return nil, errForm.At(name, "is too long, or not text")
		}
	}
	return vs, nil
}

// formPage is where the form of this POST stands, so that a touch leads back to
// it. The Referer is our own page (same-origin policy of the edge) or absent.
func formPage(r *http.Request) string {
	if u, err := url.Parse(r.Referer()); err == nil && u.Host == r.Host {
		return localPath(u.RequestURI())
	}
	return "/"
}

func stepUpURL(e *edge.Error, back string) string {
	to, ok := e.Extra("url").(string)
	if !ok {
		return ""
	}
	return to + "&to=" + url.QueryEscape(back)
}

// The receipt of an act travels in a short-lived signed cookie to the page that
// the redirect leads to, and is shown once.
const receiptCookie = "__Host-kw_done"

func (s *Server) leaveReceipt(w http.ResponseWriter, rc Receipt) {
	body, err := json.Marshal(rc)
	if err != nil {
		return
	}
	tag := s.flash.Sum(nil, body)
	v := base64.RawURLEncoding.EncodeToString(body) + "." + base64.RawURLEncoding.EncodeToString(tag[:16])
	http.SetCookie(w, &http.Cookie{Name: receiptCookie, Value: v, Path: "/", MaxAge: 60, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

func (s *Server) takeReceipt(w http.ResponseWriter, r *http.Request) *Receipt {
	if r.Method != http.MethodGet {
		return nil
	}
	c, err := r.Cookie(receiptCookie)
	if err != nil {
		return nil
	}
	http.SetCookie(w, &http.Cookie{Name: receiptCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	a, b, _ := strings.Cut(c.Value, ".")
	body, err1 := base64.RawURLEncoding.DecodeString(a)
	tag, err2 := base64.RawURLEncoding.DecodeString(b)
	if err1 != nil || err2 != nil || !s.flash.Equal(tag, body) {
		return nil
	}
	var rc Receipt
	if json.Unmarshal(body, &rc) != nil || s.DB.Now().Sub(rc.At) > 2*time.Minute {
		return nil
	}
	return &rc
}

// done sends the browser on after an act.
func (v *visit) done(to string) { http.Redirect(v.w, v.r, to, http.StatusSeeOther) }

// answer writes JSON for our own modules.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}
