package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// gate holds what can be told without the packages above: that a route means something
// is said where it is read.
func (k *checker) gate(c Config) {
	g := c.Gate
	if g.Listen == "" {
		if g.Authority != "" || g.Upstream != "" || g.UpstreamKeyFile != "" || g.ExtAuthzListen != "" || len(g.Routes) > 0 {
			k.fault("gate.listen", "is not set", "the rest of gate would be there and do nothing", "gate.listen: 127.0.0.1:7481, or remove gate")
		}
		return
	}
	k.address("gate.listen", g.Listen)
	if g.Listen == c.Listen.Public || g.Listen == c.Listen.Ops || g.Listen == c.Operators.Listen {
		k.fault("gate.listen", g.Listen+" is taken by another door", "each door has an address of its own", "gate.listen: 127.0.0.1:7481")
	}
	if u, err := url.Parse("//" + g.Authority); err != nil || g.Authority == "" || u.Host != g.Authority || g.Authority != strings.ToLower(g.Authority) {
		k.fault("gate.authority", fmt.Sprintf("%q is not a name in small letters, with a port where it is not 443", g.Authority),
			"it is part of what every client signs, so that no other server can use a request", "gate.authority: api.example.com")
	}
	if g.Upstream != "" {
		u, err := url.Parse(g.Upstream)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Path != "" || u.RawQuery != "" || u.User != nil {
			k.fault("gate.upstream", fmt.Sprintf("%q is not http:// or https:// with a host and nothing else", g.Upstream), "paths go on as they were signed", "gate.upstream: http://127.0.0.1:9000")
		}
	}
	if g.UpstreamKeyFile == "" {
		k.fault("gate.upstream_key_file", "is not set", "without it an upstream could not tell the gate's word from anybody's", "make one with: openssl rand -base64 32 > upstream.key; chmod 600 upstream.key")
	}
	if g.Grace < 0 || g.Grace > time.Minute {
		k.fault("gate.grace", g.Grace.String()+" is not between 0s and 1m", "so long a key that was ended meanwhile could look and cancel", "gate.grace: 0s, or 30s")
	}
	if g.Upstream == "" && len(g.Peers) == 0 {
		k.fault("gate.peers", "is empty and there is no upstream", "nobody could ask this gate anything", "list the addresses of the fronts that ask it, or set gate.upstream")
	}
	if g.ExtAuthzListen != "" {
		k.address("gate.ext_authz_listen", g.ExtAuthzListen)
		if g.ExtAuthzListen == g.Listen || g.ExtAuthzListen == c.Listen.Public || g.ExtAuthzListen == c.Listen.Ops || g.ExtAuthzListen == c.Operators.Listen {
			k.fault("gate.ext_authz_listen", g.ExtAuthzListen+" is taken by another door", "each door has an address of its own", "gate.ext_authz_listen: 127.0.0.1:7482")
		}
	}
	if (g.ExtAuthzListen != "" || g.ExtAuthzBody) && len(g.Peers) == 0 {
		k.fault("gate.peers", "is empty, and Envoy is to ask", "nobody could ask this gate anything", "list the addresses of the Envoys")
	}
	for i, p := range g.Peers {
		if p.Bits() == 0 {
			k.fault(fmt.Sprintf("gate.peers[%d]", i), p.String()+" is everybody", "whoever may ask can say from where a request came", "list the addresses of the fronts")
		}
	}
	if s := g.Streams; s.Total < 1 || s.PerKey < 1 || s.PerKey > s.Total || s.Total > 1_000_000 {
		k.fault("gate.streams", fmt.Sprintf("%d in all and %d of one key is no bound", s.Total, s.PerKey), "each open stream takes two connections of this process", "gate.streams: {total: 10000, per_key: 100}")
	}
	if len(g.Routes) == 0 {
		k.fault("gate.routes", "is empty", "what is not listed is refused, so this gate would refuse everything", "list method, path and scope of each call; keyward.example.yaml shows how")
	}
}

// address is host and port to listen on.
func (k *checker) address(key, v string) {
	if _, err := netip.ParseAddrPort(withHost(v)); err != nil {
		k.fault(key, fmt.Sprintf("%q is not an address with a port", v), "", key+": 127.0.0.1:7481")
	}
}
