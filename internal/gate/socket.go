package gate

import (
	"bufio"
	"context"
	"crypto/sha1" // RFC 6455 §4.2.2 says so; it keeps no secret
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"keyward/internal/keyring"
)

// wantsSocket reports whether a request asks for a WebSocket and for nothing else
// (RFC 6455 §4.2.1). Any other protocol, h2c above all, would be a wire past the gate on
// which nothing is signed; those wishes are taken out as ever (lead).
func wantsSocket(r *http.Request) bool {
	up := r.Header["Upgrade"]
	return len(up) == 1 && strings.EqualFold(up[0], "websocket")
}

// badSocket says what is wrong with such a request: a status, 0 for nothing. A body would
// be read by one side as part of the request and by the other as the first frames.
func badSocket(r *http.Request) int {
	h := r.Header
	switch {
	case r.Method != http.MethodGet, r.ProtoMajor != 1 || r.ProtoMinor < 1, r.ContentLength != 0, len(r.TransferEncoding) > 0, len(h["Http2-Settings"]) > 0:
		return http.StatusBadRequest
	case !upgradeAlone(h["Connection"]):
		return http.StatusBadRequest
	case len(h["Sec-Websocket-Key"]) != 1 || !is16Bytes(h["Sec-Websocket-Key"][0]):
		return http.StatusBadRequest
	case len(h["Sec-Websocket-Version"]) != 1 || h["Sec-Websocket-Version"][0] != "13":
		return http.StatusUpgradeRequired
	}
	return 0
}

// upgradeAlone: the connection names the upgrade. Any other name in it would have a
// header dropped on the way (RFC 9110 §7.6.1), such as one that is signed.
func upgradeAlone(connection []string) bool {
	found := false
	for _, line := range connection {
		for name := range strings.SplitSeq(line, ",") {
			switch strings.ToLower(strings.Trim(name, " \t")) {
			case "upgrade":
				found = true
			case "keep-alive":
			default:
				return false
			}
		}
	}
	return found
}

func is16Bytes(text string) bool {
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	return err == nil && len(b) == 16 && len(text) == 24
}

// acceptOf is what proves that a server has read this very handshake (§4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// switched is the answer that makes a socket of a connection.
func switched(key, protocol string, more http.Header) []byte {
	var b strings.Builder
	b.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(key) + "\r\n")
	if protocol != "" {
		b.WriteString("Sec-WebSocket-Protocol: " + protocol + "\r\n")
	}
	_ = more.Write(&b) // strings.Builder never fails
	b.WriteString("\r\n")
	return []byte(b.String())
}

// hops are headers of the connection and not of the message (RFC 9110 §7.6.1), and those
// of the handshake that the gate makes anew.
var hops = []string{"Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Content-Length",
	"Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Accept", "Sec-Websocket-Extensions", "Sec-Websocket-Protocol",
	"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// dialPatience bounds everything until the upstream has answered the handshake.
const dialPatience = 5 * time.Second

var errUpstream = errors.New("gate: the upstream opened no socket")

// dial opens a socket at the upstream, on a connection of its own: one that another
// request used, or will use, could carry the one into the other. protocols are what the
// client offered, "" for nothing. The upstream gets no extension to agree to, for frames
// are passed on as they are.
func (g *Gate) dial(ctx context.Context, r *http.Request, gr *granted, id, protocols string) (conn net.Conn, in *bufio.Reader, protocol string, err error) {
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	address, host := g.Upstream.Host, g.Upstream.Hostname()
	if g.Upstream.Port() == "" {
		address = net.JoinHostPort(host, map[string]string{"http": "80", "https": "443"}[g.Upstream.Scheme])
	}
	if g.Upstream.Scheme == "https" {
		conn, err = (&tls.Dialer{Config: &tls.Config{ServerName: host, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, nil, "", err
	}
	// Not a deadline: those are on the clock of the wall, this is not.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	in, protocol, err = g.greet(conn, r, gr, id, protocols)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, nil, "", err
	}
	return conn, in, protocol, nil
}

// greet writes the handshake and reads its answer.
func (g *Gate) greet(conn net.Conn, r *http.Request, gr *granted, id, protocols string) (*bufio.Reader, string, error) {
	h := r.Header.Clone()
	strip(h)
	lead(h)
	for _, name := range hops {
		delete(h, name)
	}
	if _, there := h["User-Agent"]; !there {
		h.Set("User-Agent", "") // or Go would write its own
	}
	key := base64.StdEncoding.EncodeToString(keyring.Random(16))
	h.Set("Connection", "Upgrade")
	h.Set("Upgrade", "websocket")
	h.Set("Sec-WebSocket-Version", "13")
	h.Set("Sec-WebSocket-Key", key)
	if protocols != "" {
		h.Set("Sec-WebSocket-Protocol", protocols)
	}
	peer, _, _ := net.SplitHostPort(r.RemoteAddr)
	h.Set("X-Forwarded-For", peer)
	h.Set("X-Forwarded-Host", r.Host)
	h.Set("X-Forwarded-Proto", map[bool]string{true: "https", false: "http"}[r.TLS != nil])
	gr.told(h, id)
	path, query, asks := strings.Cut(r.RequestURI, "?")
	out := &http.Request{Method: http.MethodGet, Host: g.Authority, Header: h, ProtoMajor: 1, ProtoMinor: 1,
		// The same bytes that were judged, as for every request (rewrite).
		URL: &url.URL{Scheme: g.Upstream.Scheme, Host: g.Upstream.Host, Opaque: path, RawQuery: query, ForceQuery: asks && query == ""}}
	if err := out.Write(conn); err != nil {
		return nil, "", err
	}
	in := bufio.NewReaderSize(conn, readRoom)
	res, err := http.ReadResponse(in, out)
	if err != nil {
		return nil, "", err
	}
	a := res.Header
	switch {
	case res.StatusCode != http.StatusSwitchingProtocols:
		return nil, "", fmt.Errorf("%w: %s", errUpstream, res.Status)
	case !strings.EqualFold(a.Get("Upgrade"), "websocket"), !upgradeAlone(a["Connection"]), a.Get("Sec-Websocket-Accept") != acceptOf(key), len(a["Sec-Websocket-Extensions"]) > 0:
		return nil, "", fmt.Errorf("%w: what it answers is not the answer to this", errUpstream)
	}
	// One of those that were offered, or none (§4.1).
	protocol := a.Get("Sec-Websocket-Protocol")
	if protocol != "" && !slices.ContainsFunc(strings.Split(protocols, ","), func(p string) bool { return strings.TrimSpace(p) == protocol }) {
		return nil, "", fmt.Errorf("%w: it speaks a protocol that nobody offered", errUpstream)
	}
	return in, protocol, nil
}
