package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"

	"keyward/gatekit"
	"keyward/internal/apikey"
	"keyward/internal/edge"
	"keyward/internal/gate"
	"keyward/internal/softkey"
)

// The gate as fronts ask it. One child of this program serves four doors, so that they
// share everything but the handler: over HTTP an empty one and the gate, over gRPC an
// empty one with Envoy's own messages and the gate.

const gateBots = 4096

// gateDoors are the addresses of the child.
type gateDoors struct{ Empty, Check, EmptyRPC, RPC string }

// botSecret is what the load client signs with.
type botSecret struct{ ID, Secret string }

var gateRoutes = []gate.Route{
	{Method: "GET", Path: "/v1/balance", Scope: "read.account"},
	{Method: "POST", Path: "/v1/orders", Scope: "trade.spot"},
}

// emptyCheck is the least that anybody could answer Envoy.
type emptyCheck struct {
	authv3.UnimplementedAuthorizationServer
}

func (emptyCheck) Check(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
	return &authv3.CheckResponse{HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: new(authv3.OkHttpResponse)}}, nil
}

// serveGate is the child. url is "" for SQLite in dir.
func serveGate(ctx context.Context, dir, url string) error {
	if url == "" {
		url = "sqlite:" + filepath.Join(dir, "keyward.db")
	}
	debug.SetGCPercent(400) // as keyward serves
	d := &deployment{dir: dir, url: url, public: "localhost:7480"}
	c, err := d.open(ctx)
	if err != nil {
		return err
	}
	defer c.db.Close()
	bots, err := c.loadBots(ctx, gateBots, apikey.HMACSHA256)
	if err != nil {
		return err
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	g, err := gate.New(gate.Parts{BotKeys: c.botKeys(), Limiter: edge.NewLimiter(c.db.Now, 1), Now: c.db.Now, Logger: slog.New(slog.DiscardHandler)},
		gate.Settings{Authority: apiName, Key: gatekit.Key{1}, Peers: loopback, Routes: gateRoutes, BodyLimit: 1 << 16})
	if err != nil {
		return err
	}
	empty := grpc.NewServer(grpc.NumStreamWorkers(uint32(runtime.GOMAXPROCS(0))))
	authv3.RegisterAuthorizationServer(empty, emptyCheck{})
	envoys := g.Envoy()
	plain := func(h http.Handler) func(net.Listener) error {
		return (&http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute}).Serve
	}
	var open gateDoors
	for _, x := range []struct {
		addr  *string
		serve func(net.Listener) error
	}{
		{&open.Empty, plain(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusOK) }))},
		{&open.Check, plain(g.Check())},
		{&open.EmptyRPC, empty.Serve},
		{&open.RPC, func(l net.Listener) error { return envoys.Serve(l, nil) }},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		*x.addr = l.Addr().String()
		go x.serve(l)
	}
	secrets := make([]botSecret, len(bots))
	for i, b := range bots {
		secrets[i] = botSecret{b.ID, b.Secret}
	}
	out := bufio.NewWriter(os.Stdout)
	if err := errors.Join(json.NewEncoder(out).Encode(open), json.NewEncoder(out).Encode(secrets), out.Flush()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// startGate starts the child and hears where its doors are.
func (b *bench) startGate(d *deployment) (*process, gateDoors, []*softkey.Bot, error) {
	var open gateDoors
	self, err := os.Executable()
	if err != nil {
		return nil, open, nil, err
	}
	child, said, err := launch(filepath.Join(d.dir, "log"), self, "-serve-gate", d.dir, "-serve-gate-db", d.url)
	if err != nil {
		return nil, open, nil, err
	}
	var secrets []botSecret
	from := json.NewDecoder(said)
	if err := errors.Join(from.Decode(&open), from.Decode(&secrets)); err != nil {
		child.stop()
		return nil, open, nil, errors.Join(errors.New("the child that is a gate: "+tail(child.log)), err)
	}
	bots := make([]*softkey.Bot, len(secrets))
	for i, s := range secrets {
		bots[i] = &softkey.Bot{ID: s.ID, Secret: s.Secret, Authority: apiName, Life: time.Minute}
	}
	return child, open, bots, nil
}
