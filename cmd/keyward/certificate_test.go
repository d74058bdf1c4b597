package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyward/internal/config"
)

// certify writes a certificate for localhost that signs itself.
func certify(t *testing.T, files config.TLS, serial int64, until time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{"localhost"}, NotBefore: until.Add(-48 * time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{files.CertFile: {Type: "CERTIFICATE", Bytes: der}, files.KeyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		// As if time had passed: two writes can fall into one tick of the file system.
		at := time.Now().Add(time.Duration(serial) * time.Second)
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

func TestARenewedCertificateIsTakenAndABrokenOneIsNot(t *testing.T) {
	dir := t.TempDir()
	files := config.TLS{CertFile: filepath.Join(dir, "tls.pem"), KeyFile: filepath.Join(dir, "tls.key")}
	day := time.Now().Add(24 * time.Hour)
	certify(t, files, 1, day)
	c, err := openCertificate(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	shows := func(what string, serial int64) {
		t.Helper()
		c.looked = time.Time{} // a minute passes
		pair, err := c.get(nil)
		if err != nil || pair.Leaf.SerialNumber.Int64() != serial {
			t.Errorf("%s: certificate %v, %v; want number %d", what, pair.Leaf.SerialNumber, err, serial)
		}
	}
	shows("at the start", 1)
	certify(t, files, 2, day)
	shows("after it was renewed", 2)
	if err := os.WriteFile(files.CertFile, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	shows("after the robot broke a file", 2)
	certify(t, files, 4, time.Now().Add(-time.Hour))
	shows("after one that has ended was put there", 2)
	certify(t, files, 5, day)
	shows("after it was mended", 5)
	if err := os.Remove(files.KeyFile); err != nil {
		t.Fatal(err)
	}
	shows("after the key was taken away", 5)
}

func TestACertificateThatCannotBeUsedIsTheConfigurationsFault(t *testing.T) {
	dir := t.TempDir()
	files := config.TLS{CertFile: filepath.Join(dir, "tls.pem"), KeyFile: filepath.Join(dir, "tls.key")}
	for _, row := range []struct {
		name string
		make func()
		says string
	}{
		{"it is not there", func() {}, "no such file"},
		{"it has ended", func() { certify(t, files, 1, time.Now().Add(-time.Minute)) }, "ended at"},
		{"the key is another's", func() {
			certify(t, files, 2, time.Now().Add(time.Hour))
			other := config.TLS{CertFile: filepath.Join(dir, "other.pem"), KeyFile: files.KeyFile}
			certify(t, other, 3, time.Now().Add(time.Hour))
		}, "private key does not match"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.make()
			_, err := openCertificate(files, slog.New(slog.DiscardHandler))
			if !errors.Is(err, errCertificate) || exitCode(err) != exitConfig || !strings.Contains(err.Error(), row.says) || !strings.Contains(err.Error(), "tls.cert_file") {
				t.Errorf("%v", err)
			}
		})
	}
	if c, err := openCertificate(config.TLS{}, nil); c != nil || err != nil {
		t.Errorf("without TLS: %v, %v", c, err)
	}
}

func TestTheDoctorReadsCertificates(t *testing.T) {
	dir := t.TempDir()
	files := config.TLS{CertFile: filepath.Join(dir, "tls.pem"), KeyFile: filepath.Join(dir, "tls.key")}
	certify(t, files, 1, time.Now().Add(30*24*time.Hour))
	if err := lookAtCertificate(files, "localhost", time.Now()); err != nil {
		t.Errorf("a good one: %v", err)
	}
	if err := lookAtCertificate(files, "id.example.com", time.Now()); err == nil {
		t.Error("one for another name passes")
	}
	if err := lookAtCertificate(files, "localhost", time.Now().Add(25*24*time.Hour)); err == nil || !strings.Contains(err.Error(), "it ends at") {
		t.Errorf("one that ends in five days: %v", err)
	}
}
