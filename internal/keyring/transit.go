package keyring

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

// TransitOptions say where a key of a vault's transit engine is, and how to come in. OpenBao and HashiCorp
// Vault speak the same words here.
type TransitOptions struct {
	Address   string // https://vault.internal:8200
	CAFile    string // PEM; "": what the system trusts
	Namespace string
	Mount     string // transit
	Key       string // of type aes256-gcm96
	Login     TransitLogin
	Now       func() time.Time
}

// Transit is a KEK that never leaves a vault.
type Transit struct {
	redacted
	o      TransitOptions
	name   string
	client *http.Client

	turn sync.Mutex // guards pass: one login at a time
	pass pass
}

var _ KEK = (*Transit)(nil)

// OpenTransit reads the CA file and asks nobody yet.
func OpenTransit(o TransitOptions) (*Transit, error) {
	roots, err := readCA(o.CAFile)
	if err != nil {
		return nil, err
	}
	t := &Transit{o: o, name: "transit:" + o.Mount + "/" + o.Key, client: &http.Client{
		Transport: &http.Transport{
			Proxy:           nil, // the environment has no say in who sees the root
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			MaxIdleConns:    2, IdleConnTimeout: time.Minute, TLSHandshakeTimeout: kekTimeout, ResponseHeaderTimeout: kekTimeout,
			MaxResponseHeaderBytes: 16 << 10, DisableCompression: true,
		},
		// A redirect would carry the token, and then the root, to wherever an answer says.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       kekTimeout,
	}}
	if o.Namespace != "" {
		t.name = "transit:" + o.Namespace + "/" + o.Mount + "/" + o.Key
	}
	return t, nil
}

func readCA(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: kek.transit.ca_file: %s cannot be read: put the certificate of the vault's CA there", ErrKEKSettings, path)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%w: kek.transit.ca_file: %s holds no certificate: it must be PEM", ErrKEKSettings, path)
	}
	return roots, nil
}

// Name is mount and key, without the address: a vault may move.
func (t *Transit) Name() string { return t.name }

func (t *Transit) Remote() bool { return true }

// Wrap is POST transit/encrypt/KEY. associated_data is bound by the AEAD keys only; wrapRoot proves that it
// was.
func (t *Transit) Wrap(ctx context.Context, plain, purpose []byte) ([]byte, error) {
	body, err := t.use(ctx, "encrypt", map[string][]byte{"plaintext": plain, "associated_data": purpose})
	if err != nil {
		return nil, err
	}
	defer clear(body)
	return readCiphertext(body)
}

// Unwrap is POST transit/decrypt/KEY.
func (t *Transit) Unwrap(ctx context.Context, wrapped, purpose []byte) ([]byte, error) {
	if !ciphertextShape.Match(wrapped) {
		return nil, errNotOpened
	}
	body, err := t.use(ctx, "decrypt", map[string]any{"ciphertext": string(wrapped), "associated_data": purpose})
	if err != nil {
		return nil, err
	}
	defer clear(body)
	return readPlaintext(body)
}

// errNotOpened: the vault said no to what it was given, and not to us.
var errNotOpened = errors.New("keyring: the vault does not open this")

// use asks for one operation with the key. A token that is refused is replaced once: it may have been
// revoked, or its vault restored, long before its end.
func (t *Transit) use(ctx context.Context, what string, arguments any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, kekTimeout)
	defer cancel()
	fresh := false
	for {
		token, err := t.token(ctx, fresh)
		if err != nil {
			return nil, err
		}
		status, body, err := t.call(ctx, http.MethodPost, t.o.Mount+"/"+what+"/"+t.o.Key, token, arguments)
		switch {
		case err != nil:
			return nil, err
		case status == http.StatusForbidden && !fresh:
			fresh = true
			continue
		case status == http.StatusBadRequest:
			return nil, errNotOpened
		case status != http.StatusOK:
			return nil, t.refusal(status, what)
		}
		return body, nil
	}
}

// refusal puts a status into words of ours.
func (t *Transit) refusal(status int, what string) error {
	switch {
	case status == http.StatusForbidden:
		return fmt.Errorf("%w: the vault does not let us %s with %s: make the key if there is none, and give the policy of this login `update` on %s/%s/%s (deploy/openbao-policy.hcl)", ErrKEKRefused, what, t.name, t.o.Mount, what, t.o.Key)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: the vault knows no %s/%s: enable the transit engine there, and make the key", ErrKEKRefused, t.o.Mount, what)
	case status >= 300 && status < 400:
		return fmt.Errorf("%w: the vault sends us elsewhere (status %d), and a redirect is not followed: name the address of the active node, or let standby nodes forward", ErrKEKRefused, status)
	case status == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: the vault is sealed or in maintenance (status 503): unseal it", ErrKEKUnavailable)
	}
	return fmt.Errorf("%w: the vault answers with status %d: look at its log", ErrKEKUnavailable, status)
}

// call sends one request and reads a bounded answer.
func (t *Transit) call(ctx context.Context, method, path, token string, arguments any) (int, []byte, error) {
	var body []byte
	if arguments != nil {
		var err error
		if body, err = json.Marshal(arguments); err != nil {
			return 0, nil, err
		}
		defer clear(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(t.o.Address, "/")+"/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: kek.transit.address does not parse", ErrKEKSettings)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Vault-Request", "true") // what a request that a page forged cannot say
	if token != "" {
		req.Header.Set("X-Vault-Token", token)
	}
	if t.o.Namespace != "" {
		req.Header.Set("X-Vault-Namespace", t.o.Namespace)
	}
	res, err := t.client.Do(req)
	if err != nil {
		return 0, nil, unreachable(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return 0, nil, unreachable(err)
	}
	if len(answer) > maxAnswer {
		clear(answer)
		return 0, nil, fmt.Errorf("%w: the vault answers with more than %d bytes: is this its address?", ErrKEKUnavailable, maxAnswer)
	}
	return res.StatusCode, answer, nil
}

// unreachable keeps what Go says of the network and of certificates, which helps, and drops what it quotes
// of an answer.
func unreachable(err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: the vault's certificate is of a CA that is not trusted here: name it in kek.transit.ca_file", ErrKEKUnavailable)
	case errors.As(err, &name):
		return fmt.Errorf("%w: the vault's certificate is for another name than kek.transit.address", ErrKEKUnavailable)
	case errors.As(err, &invalid):
		return fmt.Errorf("%w: the vault's certificate has ended or may not be used by a server", ErrKEKUnavailable)
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		return fmt.Errorf("%w: the vault did not answer in time", ErrKEKUnavailable)
	case errors.Is(err, context.Canceled):
		return err
	}
	return fmt.Errorf("%w: no connection to the vault: look at kek.transit.address, and at the network between", ErrKEKUnavailable)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// encoding of all bytes in what a vault is asked and answers.
var vaultBase64 = base64.StdEncoding.Strict()
