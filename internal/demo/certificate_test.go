package demo

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// read parses the one certificate of a file.
func read(t *testing.T, file string) *x509.Certificate {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(b)
	if block == nil || len(rest) != 0 {
		t.Fatalf("%s is not one PEM block", file)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestCertificateServesItsHosts(t *testing.T) {
	c, err := NewCertificate(t.TempDir(), time.Now(), "localhost", "exchange.localhost")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Host) })}
	go s.ServeTLS(l, c.CertFile, c.KeyFile)
	defer s.Close()

	for _, host := range []string{"localhost", "exchange.localhost"} {
		tr := c.Transport()
		tr.TLSClientConfig.ServerName = host
		res, err := (&http.Client{Transport: tr}).Get("https://" + l.Addr().String())
		if err != nil {
			t.Fatalf("%s: %v", host, err)
		}
		res.Body.Close()
	}
	if _, err := http.Get("https://" + l.Addr().String()); err == nil {
		t.Error("somebody who does not have the authority trusts it")
	}
}

func TestCertificateAuthorityIsWorthLittle(t *testing.T) {
	c, err := NewCertificate(t.TempDir(), time.Now(), "localhost")
	if err != nil {
		t.Fatal(err)
	}
	root := read(t, c.AuthorityFile)
	if got := root.PermittedDNSDomains; len(got) != 1 || got[0] != "localhost" || !root.PermittedDNSDomainsCritical {
		t.Errorf("it may speak for %v", got)
	}
	if life := time.Until(root.NotAfter); life > 8*24*time.Hour {
		t.Errorf("it lives %s", life)
	}
	for _, f := range []string{c.CertFile, c.KeyFile, c.AuthorityFile} {
		fi, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f, fi.Mode())
		}
	}
	// A name outside localhost does not verify, whoever signed it.
	pool := x509.NewCertPool()
	pool.AddCert(root)
	leaf := read(t, c.CertFile)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "bank.example"}); err == nil {
		t.Error("it verifies for another name")
	}
}
