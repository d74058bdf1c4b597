package gate

// What a reviewer found.

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"keyward/internal/signin/signintest"
	"keyward/internal/softkey"
)

// What nobody proved costs little: with every address the same door, a stranger sends what
// he likes to the lookup and fills memory with bodies before any signature is looked at.
func TestAStrangerIsHeldToASpeed(t *testing.T) {
	y := newYard(t)
	bot, _ := y.p.Bot(trading)
	refused := 0
	for range 500 {
		r := y.signed(&softkey.Bot{ID: bot.ID, Authority: signintest.API, Secret: "x"}, "GET", "/v1/balance", "")
		r.Header.Set("X-Forwarded-For", "198.51.100.9")
		if res, _ := y.does(r); res.StatusCode == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused == 0 {
		t.Error("500 requests that prove nothing, from one address in no time, and none is told to wait")
	}
}

// A body is read whole before a signature is looked for.
func TestABodyWithoutASignatureIsNotRead(t *testing.T) {
	y := newYard(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(y.proxy.URL, "http://"))
	y.w.Must(err)
	defer c.Close()
	_, _ = io.WriteString(c, "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{")
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	if _, err := bufio.NewReader(c).ReadString('\n'); err != nil {
		t.Errorf("the gate waits for a body of somebody who showed no signature: %v", err)
	}
}
