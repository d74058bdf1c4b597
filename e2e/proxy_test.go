package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// certificateFor writes tls.pem and tls.key for a name and returns who trusts them.
func certificateFor(t *testing.T, dir, name string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{"tls.pem": {Type: "CERTIFICATE", Bytes: der}, "tls.key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// from dials as a visitor whose address is not the proxy's: all of 127/8 is this
// machine.
func from(visitor, door string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(visitor)}}
		return d.DialContext(ctx, "tcp4", door)
	}
}

// The whole server behind the nginx.conf that we ship. What the log says about
// where somebody came from is true, whatever they claim.
func TestBehindNginxTheLogKnowsTheRealAddress(t *testing.T) {
	nginx := nginxPath(t)
	s := newKillable(t, sqliteIn(t.TempDir()))
	dir, front := t.TempDir(), freePort(t)
	roots := certificateFor(t, dir, "id.example.com")
	direct := strings.TrimPrefix(s.origin, "http://localhost")
	s.configure("public_url: "+s.origin, "public_url: https://id.example.com\nmail: {host: localhost, port: 1, tls: none, from: security@example.com}")
	s.origin = "https://id.example.com"
	s.start()
	runNginx(t, nginx, dir, front, "127.0.0.1"+direct)

	transport := s.client.Transport.(*http.Transport)
	transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	transport.DialContext = from("127.0.0.2", "127.0.0.1:"+front)
	visitor := s.app(1) // claims 198.51.0.2 in X-Forwarded-For
	visitor.must(visitor.signUp())
	visitor.must(visitor.refresh())
	if made := s.events("account.created"); len(made) != 1 || made[0].Addr != "127.0.0.2" {
		t.Errorf("through nginx the log says %+v, want 127.0.0.2", made)
	}
	var home struct {
		Items []struct{ Address string }
	}
	visitor.must(visitor.call("GET", "/sessions", visitor.have.Access, visitor.bind, nil, &home))
	if len(home.Items) != 1 || home.Items[0].Address != "127.0.0.2" {
		t.Errorf("the owner's list of sessions says %+v", home.Items)
	}

	// Past nginx, straight to our port: the peer is no proxy of ours, so what it
	// says about others is not heard.
	transport.CloseIdleConnections()
	s.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DialTLSContext: from("127.0.0.3", "127.0.0.1"+direct)}}
	around := s.app(2)
	around.must(around.signUp())
	made := s.events("account.created")
	if len(made) != 2 || made[1].Addr != "127.0.0.3" {
		t.Errorf("around nginx the log says %+v, want 127.0.0.3", made)
	}
	s.stop()
}

func nginxPath(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if p, err := exec.LookPath(name); err == nil {
			return p
		}
	}
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
		t.Fatal("no nginx found, and nothing may skip here: run make setup")
	}
	t.Skip("skipped: no nginx found; make test installs it")
	return ""
}

// runNginx runs the shipped nginx.conf, with only ports and paths replaced.
func runNginx(t *testing.T, nginx, dir, front, upstream string) {
	t.Helper()
	site, err := os.ReadFile("../deploy/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.NewReplacer(
		"127.0.0.1:7480;", upstream+";", "listen 80;", "listen 127.0.0.1:"+freePort(t)+";", "listen 443 ssl;", "listen 127.0.0.1:"+front+" ssl;",
		"/etc/nginx/tls/id.example.com.", dir+"/tls.", "/var/log/nginx/", dir+"/",
	).Replace(string(site))
	temp := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += fmt.Sprintf("%s_temp_path %s/%s;\n", kind, dir, kind)
	}
	conf := filepath.Join(dir, "main.conf")
	whole := "pid " + dir + "/nginx.pid;\nerror_log stderr;\ndaemon off;\nmaster_process off;\nevents {}\nhttp {\naccess_log off;\n" + temp + edited + "}\n"
	if err := os.WriteFile(conf, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.Command(nginx, "-p", dir, "-c", conf)
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("nginx said:\n%s", said.String())
		}
	})
	soon(t, "nginx listens", func() bool {
		c, err := net.Dial("tcp4", "127.0.0.1:"+front)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}
