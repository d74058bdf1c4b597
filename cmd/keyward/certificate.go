package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"keyward/internal/config"
)

// errCertificate: the files of tls: cannot be used.
var errCertificate = errors.New("the TLS certificate cannot be used")

// renewEvery: how often the files are looked at. Robots renew a certificate weeks
// before the old one ends.
const renewEvery = time.Minute

// certificate is what a listener shows. It is read again when its files change,
// so that a renewed one needs no restart, and a broken one is not taken.
type certificate struct {
	files  config.TLS
	logger *slog.Logger

	mu     sync.Mutex // guards the rest
	pair   *tls.Certificate
	stamp  [2]time.Time // of the files, when pair was read
	looked time.Time
}

// openCertificate is nil where nothing is configured.
func openCertificate(files config.TLS, logger *slog.Logger) (*certificate, error) {
	if files.CertFile == "" {
		return nil, nil
	}
	c := &certificate{files: files, logger: logger, looked: time.Now()}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("%w: %w; check tls.cert_file and tls.key_file", errCertificate, err)
	}
	return c, nil
}

// read is called with mu held, or before anybody else knows c.
func (c *certificate) read() error {
	stamp, err := c.stamps()
	if err != nil || stamp == c.stamp {
		return err
	}
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return err // also while the robot has replaced one file of two
	}
	if !time.Now().Before(pair.Leaf.NotAfter) {
		return fmt.Errorf("%s ended at %s", c.files.CertFile, pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	c.pair, c.stamp = &pair, stamp
	return nil
}

func (c *certificate) stamps() (at [2]time.Time, err error) {
	for i, name := range []string{c.files.CertFile, c.files.KeyFile} {
		st, err := os.Stat(name)
		if err != nil {
			return at, err
		}
		at[i] = st.ModTime()
	}
	return at, nil
}

// get is for tls.Config.GetCertificate.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= renewEvery {
		c.looked = now
		was := c.pair
		if err := c.read(); err != nil {
			c.logger.Warn("the renewed certificate cannot be used; the old one stays", "cause", err)
		} else if c.pair != was {
			c.logger.Info("took the renewed certificate", "until", c.pair.Leaf.NotAfter)
		}
	}
	return c.pair, nil
}
