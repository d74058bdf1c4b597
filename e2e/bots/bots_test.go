package bots

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const clients = "../../examples/clients/"

// tool finds a program, or skips aloud; it fails where nothing may skip.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "there is no "+name)
	}
	return path
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
		t.Fatalf("%s, and nothing may skip here: run make setup", what)
	}
	t.Skipf("skipped: %s; make test installs it", what)
}

// bot is how a client is started; ed says whether it can sign with Ed25519 here.
type bot struct {
	command []string
	ed      func(t *testing.T)
}

// languages give each client as a user would run it.
var languages = map[string]func(t *testing.T) bot{
	"go": func(t *testing.T) bot {
		program := filepath.Join(t.TempDir(), "keyward")
		must(t, exec.Command(tool(t, "go"), "build", "-o", program, clients+"go"))
		return bot{command: []string{program}}
	},
	"python": func(t *testing.T) bot {
		python, has := tool(t, "python3"), false
		// The one that is first in the path may be another than Debian's, which has the package.
		for _, p := range []string{python, "/usr/bin/python3"} {
			if has = exec.Command(p, "-c", "import cryptography").Run() == nil; has {
				python = p
				break
			}
		}
		return bot{[]string{python, clients + "python/keyward.py"}, func(t *testing.T) {
			if !has {
				missing(t, "python3 has no cryptography")
			}
		}}
	},
	"typescript": func(t *testing.T) bot {
		const modules, file = "../clients/node_modules/", clients + "typescript/keyward.mts"
		node := modules + "node-linux-" + map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH] + "/bin/node"
		for _, p := range []string{node, modules + "typescript/bin/tsc"} {
			if _, err := os.Stat(p); err != nil {
				missing(t, "there is no "+p)
			}
		}
		// Node takes the types out; the compiler says whether they are right.
		must(t, exec.Command(node, modules+"typescript/bin/tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--erasableSyntaxOnly",
			"--noUncheckedIndexedAccess", "--exactOptionalPropertyTypes", "--types", "node", "--typeRoots", modules+"@types", file))
		return bot{command: []string{node, file}}
	},
	"curl": func(t *testing.T) bot {
		tool(t, "curl")
		tool(t, "openssl")
		return bot{command: []string{tool(t, "bash"), clients + "curl/keyward.sh"}}
	},
	"java": func(t *testing.T) bot {
		classes := t.TempDir()
		must(t, exec.Command(tool(t, "javac"), "--release", "17", "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-d", classes, clients+"java/Keyward.java"))
		return bot{command: []string{tool(t, "java"), "-XX:TieredStopAtLevel=1", "-cp", classes, "Keyward"}}
	},
}

func must(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// exchange is a server that lets in what is signed, and keeps what it saw.
type exchange struct {
	*httptest.Server
	by credential

	mu        sync.Mutex // guards all below
	authority string     // "": the host of its address
	nonces    map[string]bool
	seen      []string // method and target
	bodies    []string
	why       []error // refusals
}

// expect forgets what was seen, and takes a public name.
func (x *exchange) expect(authority string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.authority, x.seen, x.bodies, x.why = authority, nil, nil, nil
}

func (x *exchange) saw() (seen, bodies []string, why []error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.seen, x.bodies, x.why
}

func newExchange(t *testing.T, by credential) *exchange {
	x := &exchange{by: by, nonces: map[string]bool{}}
	x.Server = httptest.NewServer(http.HandlerFunc(x.serve))
	t.Cleanup(x.Close)
	return x
}

func (x *exchange) serve(w http.ResponseWriter, r *http.Request) {
	x.mu.Lock()
	defer x.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	authority := x.authority
	if authority == "" {
		authority = strings.TrimPrefix(x.URL, "http://")
	}
	x.seen, x.bodies = append(x.seen, r.Method+" "+r.RequestURI), append(x.bodies, string(body))
	if r.URL.Path == "/v1/time" {
		if r.Header.Get("Signature") != "" {
			w.WriteHeader(http.StatusBadRequest)
		}
		io.WriteString(w, `{"time":1}`)
		return
	}
	nonce, err2 := check(r, r.RequestURI, body, authority, x.by, time.Now())
	switch {
	case err != nil || err2 != nil || x.nonces[nonce]:
		x.why = append(x.why, err, err2)
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, `{"code":"AUTH_FAILED"}`)
	case strings.HasSuffix(r.URL.Path, "/v1/orders/moved"):
		http.Redirect(w, r, "/v1/whoami", http.StatusTemporaryRedirect)
	case strings.HasSuffix(r.URL.Path, "/v1/orders/none"):
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, `{"code":"NO_SUCH_ORDER"}`)
	default:
		if r.Method == http.MethodPost {
			w.WriteHeader(http.StatusCreated)
		}
		io.WriteString(w, "{\"ok\":\n\""+r.Method+"\"}\n\n")
	}
	x.nonces[nonce] = true
}

// run starts a client and gives what it prints and its exit status.
func (x *exchange) run(t *testing.T, b bot, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.command[0], append(b.command[1:len(b.command):len(b.command)], args...)...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "KEYWARD_") && !strings.Contains(strings.ToLower(v), "_proxy=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	// Java 17 reads its arguments in the locale's letters, and a machine without one has
	// ASCII alone.
	cmd.Env = append(cmd.Env, "LC_ALL=C.UTF-8")
	cmd.Env = append(append(cmd.Env, "KEYWARD_API="+x.URL, "KEYWARD_KEY_ID="+x.by.id), env...)
	var out, diag bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diag
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return out.String(), diag.String(), cmd.ProcessState.ExitCode()
}

func TestBotsSignAsTheProfileSays(t *testing.T) {
	for name, start := range languages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			t.Run("hmac-sha256", func(t *testing.T) {
				secret := "kws_live_rnNNoCLpbTHYEYpc3oIfTXVa5aWFO0xrYISVQCdkKpJ0wyxvq"
				story(t, b, credential{id: "kwk_live_1wD3RuqwSn9cwZf2vyyyfG0qGKDv", alg: "hmac-sha256", secret: secret}, "KEYWARD_SECRET="+secret)
			})
			t.Run("ed25519", func(t *testing.T) {
				if b.ed != nil {
					b.ed(t)
				}
				public, file := newKeyFile(t)
				story(t, b, credential{id: "kwk_live_7VNtooFuLquAFfZsFABgc33SPTxJ", alg: "ed25519", public: public}, "KEYWARD_PRIVATE_KEY_FILE="+file)
			})
			t.Run("without a good key nothing is sent", func(t *testing.T) { keyless(t, b) })
		})
	}
}

func newKeyFile(t *testing.T) (ed25519.PublicKey, string) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "bot key.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return public, file
}

func story(t *testing.T, b bot, by credential, key string) {
	x := newExchange(t, by)
	for _, row := range []struct {
		name   string
		args   string
		env    string // one more
		server string // its public name
		want   string // on the wire
		prints string
		status int
		either bool // one algorithm is enough
	}{
		{name: "who it is", args: "whoami", want: "GET /v1/whoami", prints: "{\"ok\":\n\"GET\"}\n\n", either: true},
		{name: "the balance", args: "balance", want: "GET /v1/balance", prints: "{\"ok\":\n\"GET\"}\n\n", either: true},
		{name: "the balance of one asset, with a query", args: "balance BTC", want: "GET /v1/balance?asset=BTC", prints: "{\"ok\":\n\"GET\"}\n\n"},
		{name: "a query of letters that must be encoded", args: "balance B/T&C=ü%+", want: "GET /v1/balance?asset=B%2FT%26C%3D%C3%BC%25%2B", prints: "{\"ok\":\n\"GET\"}\n\n"},
		{name: "an order, with a body", args: "order BTC-USD buy 0.1 100", want: "POST /v1/orders", prints: "{\"ok\":\n\"POST\"}\n\n"},
		{name: "a cancellation", args: "cancel ord_9", want: "DELETE /v1/orders/ord_9", prints: "{\"ok\":\n\"DELETE\"}\n\n"},
		{name: "a cancellation of an id that is no path", args: "cancel a/../b?c", want: "DELETE /v1/orders/a%2F..%2Fb%3Fc", prints: "{\"ok\":\n\"DELETE\"}\n\n", either: true},
		{name: "an order that is not there", args: "cancel none", want: "DELETE /v1/orders/none", prints: `{"code":"NO_SUCH_ORDER"}`, status: 1, either: true},
		{name: "a redirect, which is not followed", args: "cancel moved", want: "DELETE /v1/orders/moved", status: 1, either: true},
		{name: "an API under a name that is not its address", args: "balance BTC", env: "KEYWARD_AUTHORITY=api.example.com", server: "api.example.com", want: "GET /v1/balance?asset=BTC", prints: "{\"ok\":\n\"GET\"}\n\n"},
		{name: "an API that goes by another name", args: "whoami", server: "api.example.org", want: "GET /v1/whoami", prints: `{"code":"AUTH_FAILED"}`, status: 1, either: true},
		{name: "an API below a path", args: "balance BTC", env: "KEYWARD_API=" + x.URL + "/spot/", want: "GET /spot/v1/balance?asset=BTC", prints: "{\"ok\":\n\"GET\"}\n\n", either: true},
		{name: "the time, unsigned", args: "time", want: "GET /v1/time", prints: `{"time":1}`, either: true},
	} {
		if row.either && by.alg != "hmac-sha256" {
			continue
		}
		t.Run(row.name, func(t *testing.T) {
			x.expect(row.server)
			env := []string{key}
			if row.env != "" {
				env = append(env, row.env)
			}
			stdout, stderr, status := x.run(t, b, env, strings.Fields(row.args)...)
			seen, bodies, why := x.saw()
			if status != row.status || row.prints != "" && stdout != row.prints || (status != 0) != (stderr != "") {
				t.Errorf("exit %d, prints %q and %q; the server: %v", status, stdout, stderr, why)
			}
			if !sameRequest(seen, row.want) {
				t.Fatalf("the server saw %q, want %s", seen, row.want)
			}
			if strings.HasPrefix(row.args, "order ") {
				var order map[string]any
				want := map[string]any{"symbol": "BTC-USD", "side": "buy", "quantity": "0.1", "price": "100"}
				if err := json.Unmarshal([]byte(bodies[0]), &order); err != nil || !reflect.DeepEqual(order, want) {
					t.Errorf("the order is %s", bodies[0])
				}
			}
			if _, secret, _ := strings.Cut(key, "="); strings.Contains(stdout+stderr, secret) && by.secret != "" {
				t.Error("the secret is in what it prints")
			}
		})
	}
}

// sameRequest allows for the letters that one language encodes and another need not.
func sameRequest(seen []string, want string) bool {
	if len(seen) != 1 {
		return false
	}
	a, err1 := url.PathUnescape(seen[0])
	b, err2 := url.PathUnescape(want)
	return err1 == nil && err2 == nil && a == b && strings.Count(seen[0], "/") == strings.Count(want, "/")
}

func keyless(t *testing.T, b bot) {
	x := newExchange(t, credential{id: "kwk_live_1"})
	_, file := newKeyFile(t)
	wrong := filepath.Join(t.TempDir(), "wrong.pem")
	if err := os.WriteFile(wrong, []byte("-----BEGIN PRIVATE KEY-----\nMC4C\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		env    []string
		args   string
		status int
	}{
		{"no key", nil, "whoami", 1},
		{"two keys", []string{"KEYWARD_SECRET=s", "KEYWARD_PRIVATE_KEY_FILE=" + file}, "whoami", 1},
		{"no key id", []string{"KEYWARD_SECRET=s", "KEYWARD_KEY_ID="}, "whoami", 1},
		{"a key file that is none", []string{"KEYWARD_PRIVATE_KEY_FILE=" + wrong}, "whoami", 1},
		{"a key file that is not there", []string{"KEYWARD_PRIVATE_KEY_FILE=" + wrong + "x"}, "whoami", 1},
		{"no address", []string{"KEYWARD_SECRET=s", "KEYWARD_API="}, "whoami", 1},
		{"no command", []string{"KEYWARD_SECRET=s"}, "", 2},
		{"an unknown command", []string{"KEYWARD_SECRET=s"}, "withdraw BTC 1", 2},
		{"an order without a price", []string{"KEYWARD_SECRET=s"}, "order BTC-USD buy 0.1", 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			if strings.Contains(row.name, "file") && b.ed != nil {
				b.ed(t)
			}
			stdout, stderr, status := x.run(t, b, row.env, strings.Fields(row.args)...)
			if status != row.status || stdout != "" || stderr == "" || strings.Contains(stderr, "Traceback") || strings.Contains(stderr, "\tat ") {
				t.Errorf("exit %d, prints %q and %q", status, stdout, stderr)
			}
			if seen, _, _ := x.saw(); len(seen) != 0 {
				t.Errorf("the server saw %q", seen)
			}
		})
	}
}
