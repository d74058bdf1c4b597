package gatekit

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers by which an engine and its gate know each other, both under the key that they share. They are on what an
// engine asks and on what it is answered, and on nothing that a client sends.
const (
	HeaderAsk    = "Keyward-Ask"
	HeaderAnswer = "Keyward-Answer"
)

const (
	askPrefix    = "kwa1." // also under the tag
	answerPrefix = "kwr1."

	// askLife is how far the two clocks may part. What is asked twice does nothing twice: a login is taken once, and
	// the lease of a tail counts its polls.
	askLife = 5 * time.Second
)

// SignAsk puts the tag of an ask on a request to the gate: over the time, the method, the path with its query, and the
// body.
func (k Key) SignAsk(r *http.Request, body []byte, now time.Time) {
	at := askPrefix + strconv.FormatInt(now.UnixMilli(), 10)
	r.Header.Set(HeaderAsk, at+"."+k.tag(at, r.Method, r.URL.RequestURI(), body))
}

// CheckAsk is the gate's side: whether a request, with target as it arrived, was made under this key, at now. It
// returns the ask, to which the answer belongs.
func (k Key) CheckAsk(r *http.Request, target string, body []byte, now time.Time) (ask string, ok bool) {
	if k == (Key{}) || len(r.Header[HeaderAsk]) != 1 {
		return "", false
	}
	ask = r.Header[HeaderAsk][0]
	dot := strings.LastIndexByte(ask, '.')
	if dot < len(askPrefix) || !strings.HasPrefix(ask, askPrefix) || len(ask) > 96 {
		return "", false
	}
	ms, err := strconv.ParseInt(ask[len(askPrefix):dot], 10, 64)
	same := subtle.ConstantTimeCompare([]byte(ask[dot+1:]), []byte(k.tag(ask[:dot], r.Method, target, body))) == 1
	return ask, same && err == nil && now.Sub(time.UnixMilli(ms)).Abs() <= askLife
}

// SignAnswer is the tag of an answer to an ask: who stands between the two cannot keep a stream open by leaving a line
// out.
func (k Key) SignAnswer(ask string, status int, body []byte) string {
	return k.tag(answerPrefix+ask, "", strconv.Itoa(status), body)
}

func (k Key) checkAnswer(ask string, status int, body []byte, tag string) bool {
	return subtle.ConstantTimeCompare([]byte(tag), []byte(k.SignAnswer(ask, status, body))) == 1
}

// tag is over one text for one meaning: no part but the last can hold a line break (RFC 9110 §5.5, §9.1), and the
// last has one length.
func (k Key) tag(first, method, target string, body []byte) string {
	sum := sha256.Sum256(body)
	m := hmac.New(sha256.New, k[:])
	m.Write([]byte(first + "\n" + method + "\n" + target + "\n" + hex.EncodeToString(sum[:])))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}
