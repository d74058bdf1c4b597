// Package deploy holds files for running Keyward on a machine; the tests hold
// them to what they claim, with the real tools where those are installed.
package deploy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"keyward/internal/edge"
)

// tool finds a program, or skips aloud.
func tool(t *testing.T, name string) string {
	t.Helper()
	for _, p := range []string{name, "/usr/sbin/" + name} {
		if found, err := exec.LookPath(p); err == nil {
			return found
		}
	}
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
		t.Fatalf("%s is not installed, and KEYWARD_TEST_REQUIRE_ALL is set", name)
	}
	t.Skipf("%s is not installed", name)
	return ""
}

func TestTheUnitLeavesLittleExposed(t *testing.T) {
	out, err := exec.Command(tool(t, "systemd-analyze"), "security", "--offline=true", "--no-pager", "--threshold=15", "./keyward.service").CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze finds more exposure than 1.5: %v\n%s", err, out)
	}
}

// A person behind nginx: their address arrives, what they made up does not.
func TestNginxInFrontTellsTheTruthAboutTheClient(t *testing.T) {
	nginx := tool(t, "nginx")
	if runtime.GOOS != "linux" {
		t.Skip("only Linux lets a test be a visitor from 127.0.0.2")
	}

	var log bytes.Buffer
	e, err := edge.New(edge.Options{Now: time.Now, PublicURL: "https://id.example.com", Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /whoami/{token}", func(w http.ResponseWriter, r *http.Request) {
		c := edge.CauseFrom(r.Context())
		io.WriteString(w, c.Addr.String()+" "+c.Request)
	})
	mux.HandleFunc("POST /body", func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })
	ours := httptest.NewServer(e.Handler(edge.Routes(mux)))
	defer ours.Close()

	dir, port := t.TempDir(), freePort(t)
	startNginx(t, nginx, dir, port, strings.TrimPrefix(ours.URL, "http://"))
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate of this test
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			// 127.0.0.2 is loopback as well, but not a proxy of ours: a visitor.
			d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
			return d.DialContext(ctx, "tcp4", "127.0.0.1:"+port)
		},
	}}

	req, _ := http.NewRequest("GET", "https://id.example.com/whoami/CANARY?code=CANARY", nil)
	req.Header.Set("X-Forwarded-For", "198.51.100.1, 127.0.0.1")
	req.Header.Set("X-Request-Id", "FORGED-0001")
	res, body := do(t, client, req)
	addr, id, _ := strings.Cut(body, " ")
	if addr != "127.0.0.2" {
		t.Errorf("the client address is %s, want 127.0.0.2", addr)
	}
	if id == "FORGED-0001" || id != res.Header.Get("X-Request-Id") {
		t.Errorf("the request id is %q, the header says %q", id, res.Header.Get("X-Request-Id"))
	}
	if res.Header.Get("Content-Security-Policy") == "" || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("nginx dropped a security header: %v", res.Header)
	}

	large, _ := http.NewRequest("POST", "https://id.example.com/body", strings.NewReader(strings.Repeat("x", 65<<10)))
	if res, _ := do(t, client, large); res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of 65 KiB gets %d", res.StatusCode)
	}

	var access []byte
	for range 50 { // nginx writes its line after the answer
		if access, err = os.ReadFile(filepath.Join(dir, "keyward.log")); strings.Count(string(access), "\n") >= 2 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil || !strings.Contains(string(access), id) || strings.Contains(string(access), "CANARY") {
		t.Errorf("nginx's log must hold the request id and no link: %v\n%s", err, access)
	}
	client.CloseIdleConnections()
	ours.Close() // now nobody writes to the log any more
	if strings.Contains(log.String(), "CANARY") {
		t.Errorf("our log holds a link: %s", &log)
	}
}

func do(t *testing.T, c *http.Client, req *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

// startNginx runs the shipped nginx.conf, with only ports and paths replaced.
func startNginx(t *testing.T, nginx, dir, port, upstream string) {
	t.Helper()
	site, err := os.ReadFile("nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	certificate(t, dir)
	edited := string(site)
	for _, r := range [][2]string{
		{"127.0.0.1:7480;", upstream + ";"},
		{"listen 80;", "listen 127.0.0.1:" + freePort(t) + ";"},
		{"listen 443 ssl;", "listen 127.0.0.1:" + port + " ssl;"},
		{"/etc/nginx/tls/id.example.com.", dir + "/tls."},
		{"/var/log/nginx/", dir + "/"},
	} {
		if !strings.Contains(edited, r[0]) {
			t.Fatalf("nginx.conf no longer has %q", r[0])
		}
		edited = strings.ReplaceAll(edited, r[0], r[1])
	}
	temp := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	conf := filepath.Join(dir, "main.conf")
	whole := "pid " + dir + "/nginx.pid;\nerror_log stderr;\ndaemon off;\nmaster_process off;\nevents {}\nhttp {\naccess_log off;\n" + temp + edited + "}\n"
	if err := os.WriteFile(conf, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(nginx, "-p", dir, "-c", conf)
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 100 {
		if c, err := net.Dial("tcp4", "127.0.0.1:"+port); err == nil {
			c.Close()
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	cmd.Process.Kill()
	cmd.Wait()
	t.Fatalf("nginx does not listen:\n%s", &stderr)
}

func certificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"id.example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"tls.pem": {Type: "CERTIFICATE", Bytes: der}, "tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
