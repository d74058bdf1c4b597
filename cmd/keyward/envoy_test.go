package main

import (
	"encoding/base64"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"keyward/internal/config"
)

// The door that a configuration opens for Envoy answers Envoy, and shuts.
func TestTheDoorForEnvoy(t *testing.T) {
	key := filepath.Join(t.TempDir(), "upstream.key")
	if err := os.WriteFile(key, []byte(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Config{Limits: config.Limits{BodyBytes: 1 << 16}, Gate: config.Gate{
		Listen: "127.0.0.1:0", ExtAuthzListen: "127.0.0.1:0", Authority: "api.example.com", UpstreamKeyFile: key, Peers: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")},
		Routes: []config.GateRoute{{Method: "GET", Path: "/v1/markets", Scope: "public"}},
	}}
	logger := slog.New(slog.DiscardHandler)
	g, err := (&core{cfg: cfg}).newGate(&domains{}, nil, time.Now, logger)
	if err != nil {
		t.Fatal(err)
	}
	door, err := openEnvoyDoor(cfg, g)
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 1)
	door.serve(nil, failed, logger)
	c, err := grpc.NewClient(door.l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for path, status := range map[string]int32{"/v1/markets": 0, "/v1/other": 7} {
		a, err := authv3.NewAuthorizationClient(c).Check(t.Context(), &authv3.CheckRequest{Attributes: &authv3.AttributeContext{
			Source:  envoyPeer("203.0.113.7"),
			Request: &authv3.AttributeContext_Request{Http: &authv3.AttributeContext_HttpRequest{Method: "GET", Path: path}},
		}})
		if err != nil || a.GetStatus().GetCode() != status || len(a.GetOkResponse().GetHeaders()) != 0 {
			t.Errorf("%s: %v, %v", path, a, err)
		}
	}
	door.close(t.Context())
	if err := <-failed; err != nil {
		t.Error(err)
	}
	var none *envoyDoor // without a door nothing happens
	none.serve(nil, failed, logger)
	none.close(t.Context())
	cfg.Gate.ExtAuthzListen = ""
	if d, err := openEnvoyDoor(cfg, g); d != nil || err != nil {
		t.Errorf("%v, %v", d, err)
	}
}

func envoyPeer(ip string) *authv3.AttributeContext_Peer {
	return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{Address: ip}}}}
}
