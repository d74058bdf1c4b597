package demo

import (
	"context"
	"net"
	"net/http"
	"strings"
)

// Transport reaches the doors of a demo, the exchange's too: names below .localhost are
// this machine (RFC 6761 §6.3), which browsers know and resolvers often do not.
// cert is nil where they speak plain http.
func Transport(cert *Certificate) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if cert != nil {
		t = cert.Transport()
	}
	dialer := &net.Dialer{}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if host, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(host, ".localhost") {
			address = net.JoinHostPort("localhost", port)
		}
		return dialer.DialContext(ctx, network, address)
	}
	return t
}
