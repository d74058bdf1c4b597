package apikey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Facts are what an answer says beside its code. The zero value of each is not told.
type Facts struct {
	RequestID  string    // of this request
	RequestAt  time.Time // when it says it was signed
	ServerAt   time.Time // when it was judged
	Window     time.Duration
	Seen       netip.Addr // the address it came from
	Needed     Scopes     // the right that would have been enough
	First      string     // id of the decision on the first of two equal requests
	RetryAfter time.Duration
	Unused     time.Time // since when nobody used the key
}

// Told is an answer to a bot. Body is JSON.
type Told struct {
	Status      int
	Body        string
	ContentType string
}

// Tell words a refusal as profile p does, so that bots handle it as they handle their
// exchange. AuthFailed keeps all facts to itself but the id of the request and the time
// of the server, which every answer has: before a signature holds nobody is told what
// is known about a key.
func Tell(p Profile, code Code, f Facts) Told {
	row, ok := codes[code]
	if !ok {
		code, row = Unavailable, codes[Unavailable]
	}
	if code == AuthFailed {
		f = Facts{RequestID: f.RequestID, ServerAt: f.ServerAt}
	}
	w, ok := words[p][code]
	if !ok {
		w, ok = words[p][saidLike[code]]
	}
	if !ok {
		return told(row.status, native(code, row.says, f))
	}
	return told(w.status, shapes[p](w, line(code, row.says, f), f))
}

func told(status int, body any) Told {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		panic(err) // maps of text and numbers
	}
	return Told{status, strings.TrimSuffix(b.String(), "\n"), "application/json"}
}

// native is the answer of the native profile, times in milliseconds.
func native(code Code, says string, f Facts) any {
	return struct {
		Code       Code   `json:"code"`
		Message    string `json:"message"`
		RequestID  string `json:"request_id"`
		RequestTS  *int64 `json:"request_ts,omitempty"`
		ServerTS   *int64 `json:"server_ts,omitempty"`
		SkewMS     *int64 `json:"skew_ms,omitempty"`
		WindowMS   *int64 `json:"window_ms,omitempty"`
		Seen       string `json:"seen_address,omitempty"`
		Needed     string `json:"needed_scope,omitempty"`
		First      string `json:"first_decision,omitempty"`
		RetryAfter *int64 `json:"retry_after_s,omitempty"`
		Unused     *int64 `json:"unused_since,omitempty"`
	}{
		code, says, f.RequestID, millis(f.RequestAt), millis(f.ServerAt), f.skew(), f.window(),
		f.seen(), f.Needed.String(), f.First, f.retry(), millis(f.Unused),
	}
}

// line is the same in one line, for the profiles that have room for a text only.
func line(code Code, says string, f Facts) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s [%s", says, code)
	for _, n := range []struct {
		name  string
		value *int64
	}{{"request_ts", millis(f.RequestAt)}, {"server_ts", millis(f.ServerAt)}, {"skew_ms", f.skew()}, {"window_ms", f.window()}, {"retry_after_s", f.retry()}, {"unused_since", millis(f.Unused)}} {
		if n.value != nil {
			fmt.Fprintf(&b, " %s=%d", n.name, *n.value)
		}
	}
	for _, t := range [][2]string{{"seen_address", f.seen()}, {"needed_scope", f.Needed.String()}, {"first_decision", f.First}, {"request_id", f.RequestID}} {
		if t[1] != "" {
			fmt.Fprintf(&b, " %s=%s", t[0], t[1])
		}
	}
	return b.String() + "]"
}

func millis(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	return new(t.UnixMilli())
}

// skew is how far the clock of the request is ahead of ours.
func (f Facts) skew() *int64 {
	if f.RequestAt.IsZero() || f.ServerAt.IsZero() {
		return nil
	}
	return new(f.RequestAt.Sub(f.ServerAt).Milliseconds())
}

func (f Facts) window() *int64 {
	if f.Window <= 0 {
		return nil
	}
	return new(f.Window.Milliseconds())
}

// retry is in whole seconds, rounded up: a bot that comes too early is refused again.
func (f Facts) retry() *int64 {
	if f.RetryAfter <= 0 {
		return nil
	}
	return new(int64((f.RetryAfter + time.Second - 1) / time.Second))
}

func (f Facts) seen() string {
	if !f.Seen.IsValid() {
		return ""
	}
	return f.Seen.String()
}

func (f Facts) serverMillis() int64 {
	if f.ServerAt.IsZero() {
		return 0
	}
	return f.ServerAt.UnixMilli()
}

// shapes write the body of each profile around a code word and a text.
var shapes = map[Profile]func(w word, text string, f Facts) any{
	Binance: func(w word, text string, _ Facts) any {
		// A number always: clients compute with it.
		return struct {
			Code json.Number `json:"code"`
			Msg  string      `json:"msg"`
		}{json.Number(w.code), text}
	},
	OKX: func(w word, text string, _ Facts) any {
		return struct {
			Code string   `json:"code"`
			Data []string `json:"data"`
			Msg  string   `json:"msg"`
		}{w.code, []string{}, text}
	},
	Bitget: func(w word, text string, f Facts) any {
		return struct {
			Code string  `json:"code"`
			Msg  string  `json:"msg"`
			Time int64   `json:"requestTime"`
			Data *string `json:"data"`
		}{w.code, text, f.serverMillis(), nil}
	},
	Bybit: func(w word, text string, f Facts) any {
		return struct {
			Code   json.Number `json:"retCode"`
			Msg    string      `json:"retMsg"`
			Result struct{}    `json:"result"`
			Ext    struct{}    `json:"retExtInfo"`
			Time   int64       `json:"time"`
		}{Code: json.Number(w.code), Msg: text, Time: f.serverMillis()}
	},
	Kraken: func(w word, text string, _ Facts) any {
		// Clients go by the first error of the list; the second one is for people.
		return struct {
			Error []string `json:"error"`
		}{[]string{w.code, text}}
	},
	Upbit:   upbitShape,
	Bithumb: upbitShape,
	Deribit: func(w word, text string, _ Facts) any {
		code, message, _ := strings.Cut(w.code, " ")
		type data struct {
			Reason string `json:"reason"`
		}
		type failure struct {
			Code    json.Number `json:"code"`
			Message string      `json:"message"`
			Data    data        `json:"data"`
		}
		return struct {
			JSONRPC string  `json:"jsonrpc"`
			ID      *int64  `json:"id"` // JSON-RPC 2.0 §5: null, for the request was not read
			Error   failure `json:"error"`
		}{"2.0", nil, failure{json.Number(code), message, data{text}}}
	},
	Gemini: func(w word, text string, _ Facts) any {
		return struct {
			Result  string `json:"result"`
			Reason  string `json:"reason"`
			Message string `json:"message"`
		}{"error", w.code, text}
	},
	CoinbaseExchange: func(w word, text string, _ Facts) any {
		return struct {
			Message string `json:"message"`
		}{w.code + ": " + text}
	},
	CDP: func(w word, text string, _ Facts) any {
		return struct {
			Error   string `json:"error,omitempty"`
			Details string `json:"error_details,omitempty"`
			Message string `json:"message"`
		}{w.code, text, text}
	},
}

// upbitShape leaves the object "error" out of an answer that asks for patience, for
// which clients go by the status.
func upbitShape(w word, text string, _ Facts) any {
	type failure struct {
		Name    string `json:"name"`
		Message string `json:"message"`
	}
	if w.status == 429 || w.status >= 500 {
		return failure{strconv.Itoa(w.status), text}
	}
	return struct {
		Error failure `json:"error"`
	}{failure{w.code, text}}
}
