package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"keyward/internal/softkey"
)

// What bots and fronts send, made before the clock starts: signing costs the bot.

const (
	gateConns = 16
	orderBody = `{"symbol":"BTC-USD","side":"buy","type":"limit","quantity":"0.1","price":"100000"}`
)

// signed is a request under a bot's key, now.
func signedBy(bot *softkey.Bot, mutates bool) *http.Request {
	method, target, body := "GET", "/v1/balance?currency=USD", ""
	if mutates {
		method, target, body = "POST", "/v1/orders", orderBody
	}
	r, _ := http.NewRequest(method, "http://"+apiName+target, nil) // a constant
	bot.Sign(r, []byte(body), time.Now())
	return r
}

var botHeaders = [][2]string{{"User-Agent", "grid-bot/3.1 (Linux; x86_64) python-requests/2.32"}, {"Accept", "application/json"}, {"Accept-Encoding", "gzip, deflate, br"}, {"X-Request-Id", "b4a1c7d2-0f55-4d4b-9f0e-5c8d1f4f2a77"}}

// inquirer are connections of a front over HTTP; each sends its requests in turn. Those
// that change something go out once each, and the run ends with them.
type inquirer struct {
	requests [][]byte
	once     bool
	i        int
}

func (a *inquirer) next([]byte) ([]byte, error) {
	if a.once && a.i == len(a.requests) {
		return nil, io.EOF
	}
	a.i++
	return a.requests[(a.i-1)%len(a.requests)], nil
}

func (a *inquirer) see(x answer) error {
	if x.status != http.StatusOK {
		return fmt.Errorf("the gate: %w", x.unexpected())
	}
	return nil
}

// questions are n signed requests, as nginx asks about them.
func questions(bots []*softkey.Bot, n int, mutates bool) []script {
	scripts := make([]script, gateConns)
	for k := range scripts {
		scripts[k] = &inquirer{once: mutates}
	}
	for i := range n {
		r := signedBy(bots[i%len(bots)], mutates)
		var b strings.Builder
		fmt.Fprintf(&b, "GET /gate/check HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Original-Method: %s\r\nX-Original-URI: %s\r\nX-Forwarded-For: %s\r\n", r.Method, r.URL.RequestURI(), botAddr)
		for _, h := range botHeaders {
			fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
		}
		for name, v := range r.Header {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v[0])
		}
		a := scripts[i%gateConns].(*inquirer)
		a.requests = append(a.requests, []byte(b.String()+"\r\n"))
	}
	return scripts
}

// checks are n signed requests, as Envoy asks about them.
func checks(bots []*softkey.Bot, n int) [][]byte {
	out := make([][]byte, n)
	for i := range out {
		r := signedBy(bots[i%len(bots)], false)
		headers := map[string]string{":method": r.Method, ":path": r.URL.RequestURI(), ":authority": apiName, ":scheme": "https", "x-forwarded-proto": "https"}
		for _, h := range botHeaders {
			headers[strings.ToLower(h[0])] = h[1]
		}
		for name, v := range r.Header {
			headers[strings.ToLower(name)] = v[0]
		}
		at := func(ip string) *authv3.AttributeContext_Peer {
			return &authv3.AttributeContext_Peer{Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{Address: ip, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: 443}}}}}
		}
		out[i], _ = proto.Marshal(&authv3.CheckRequest{Attributes: &authv3.AttributeContext{Source: at(botAddr), Destination: at("10.0.0.1"), Request: &authv3.AttributeContext_Request{
			Http: &authv3.AttributeContext_HttpRequest{Id: "1", Method: r.Method, Path: r.URL.RequestURI(), Host: apiName, Scheme: "https", Protocol: "HTTP/1.1", Headers: headers}}}})
	}
	return out
}

// bytesCodec passes encoded messages through: what a client would spend on them is not
// the figure.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }
func (bytesCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (bytesCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

const (
	rpcConns = 2
	rpcCalls = 64 // at once, over all connections
)

var errNotLetIn = errors.New("the gate did not let in")

// asked measures one door over gRPC: as many calls as it answers in the span.
func (b *bench) asked(ctx context.Context, child *process, addr string, ask [][]byte) (sample, error) {
	var conns []*grpc.ClientConn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range rpcConns {
		c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(grpc.ForceCodecV2(bytesCodec{})))
		if err != nil {
			return sample{}, err
		}
		conns = append(conns, c)
	}
	call := func(i int) error {
		var answer []byte
		if err := conns[i%rpcConns].Invoke(ctx, "/envoy.service.auth.v3.Authorization/Check", ask[i%len(ask)], &answer); err != nil {
			return err
		}
		// Either the status comes first and is OK, or there is none, which is OK too.
		if len(answer) < 2 || (answer[0] != 1<<3|2 || answer[1] != 0) && answer[0] != 3<<3|2 {
			return fmt.Errorf("%w: %q", errNotLetIn, answer)
		}
		return nil
	}
	for i := range rpcConns {
		if err := call(i); err != nil {
			return sample{}, err
		}
	}
	before, err := cpuTime(child.pid())
	if err != nil {
		return sample{}, err
	}
	var (
		wg    sync.WaitGroup
		n     atomic.Int64
		errs  = make([]error, rpcCalls)
		begin = time.Now()
	)
	for k := range rpcCalls {
		wg.Go(func() {
			for i := k; time.Since(begin) < b.span && errs[k] == nil; i += rpcCalls + 1 {
				if errs[k] = call(i); errs[k] == nil {
					n.Add(1)
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	after, err := cpuTime(child.pid())
	if err := errors.Join(err, firstError(ctx, errs)); err != nil {
		return sample{}, err
	}
	return sample{rate: float64(n.Load()) / took.Seconds(), cpu: (after - before) / time.Duration(n.Load())}, nil
}
