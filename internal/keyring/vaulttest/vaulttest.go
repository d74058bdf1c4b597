package vaulttest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Vault is one that runs, unsealed, with the transit engine and the key "keyward" in it.
type Vault struct {
	Address string
	CAFile  string
	Root    string // token that may do everything

	tb     testing.TB
	unseal string
	client *http.Client
}

// Policy is what Keyward needs, as deploy/openbao-policy.hcl has it; a test compares the two.
const Policy = `path "transit/encrypt/keyward" { capabilities = ["update"] }
path "transit/decrypt/keyward" { capabilities = ["update"] }`

// bao finds the program: what scripts/setup.sh put beside the tests, or one of the system.
func bao(tb testing.TB) string {
	tb.Helper()
	dir, err := os.Getwd()
	for err == nil && dir != "/" {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			if path := filepath.Join(dir, "e2e", "openbao", "bin", "bao"); executable(path) {
				return path
			}
			break
		}
		dir = filepath.Dir(dir)
	}
	if path, err := exec.LookPath("bao"); err == nil {
		return path
	}
	if os.Getenv("KEYWARD_TEST_REQUIRE_ALL") == "1" {
		tb.Fatal("OpenBao is not installed: run scripts/setup.sh")
	}
	tb.Skip("skipped: OpenBao is not installed (scripts/setup.sh installs it)")
	return ""
}

func executable(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode()&0o111 != 0
}

// Start starts one, which ends with the test.
func Start(tb testing.TB) *Vault {
	tb.Helper()
	program := bao(tb)
	certs := tb.TempDir()
	for range 3 { // the port may be taken between the asking and the using
		v := &Vault{tb: tb, Root: "root-of-this-test", CAFile: filepath.Join(certs, "vault-ca.pem")}
		if v.start(program, certs) {
			v.fill()
			return v
		}
	}
	tb.Fatal("OpenBao does not start")
	return nil
}

func (v *Vault) start(program, certs string) bool {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		v.tb.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(program, "server", "-dev", "-dev-tls", "-dev-tls-cert-dir="+certs, "-dev-no-store-token",
		"-dev-root-token-id="+v.Root, "-dev-listen-address="+addr, "-log-level=error")
	cmd.Env = []string{"HOME=" + certs, "PATH=" + os.Getenv("PATH")}
	out, in, err := os.Pipe()
	if err != nil {
		v.tb.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = in, in
	if err := cmd.Start(); err != nil {
		v.tb.Fatal(err)
	}
	in.Close()
	v.tb.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); out.Close() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if key, ok := strings.CutPrefix(lines.Text(), "Unseal Key: "); ok {
			v.unseal = key
		}
		if v.unseal != "" && strings.HasPrefix(lines.Text(), "Root Token: ") {
			break
		}
	}
	go func() { // or it would stop at a full pipe
		for lines.Scan() {
		}
	}()
	if v.unseal == "" {
		return false
	}
	pem, err := os.ReadFile(v.CAFile)
	if err != nil {
		v.tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	v.Address = "https://" + addr
	v.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	for range 100 {
		if res, err := v.client.Get(v.Address + "/v1/sys/health"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return true
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	return false
}

func (v *Vault) fill() {
	v.Do("POST", "sys/mounts/transit", map[string]any{"type": "transit"})
	v.Do("POST", "transit/keys/keyward", map[string]any{"type": "aes256-gcm96"})
	v.Policy("keyward", Policy)
}

// Policy writes a policy anew.
func (v *Vault) Policy(name, hcl string) {
	v.Do("POST", "sys/policies/acl/"+name, map[string]any{"policy": hcl})
}

// Do asks as root, and fails the test when the answer is no.
func (v *Vault) Do(method, path string, body any) map[string]any {
	v.tb.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		v.tb.Fatal(err)
	}
	req, err := http.NewRequest(method, v.Address+"/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		v.tb.Fatal(err)
	}
	req.Header.Set("X-Vault-Token", v.Root)
	res, err := v.client.Do(req)
	if err != nil {
		v.tb.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		v.tb.Fatalf("%s %s: %d %s", method, path, res.StatusCode, answer)
	}
	var out map[string]any
	_ = json.Unmarshal(answer, &out) // many answers are empty
	return out
}

// Seal closes it as an operator would; Unseal is the way back.
func (v *Vault) Seal() { v.Do("POST", "sys/seal", nil) }

// Unseal waits until it answers again.
func (v *Vault) Unseal() {
	v.tb.Helper()
	v.Do("POST", "sys/unseal", map[string]any{"key": v.unseal})
	for range 100 {
		res, err := v.client.Get(v.Address + "/v1/sys/health")
		if err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	v.tb.Fatal("OpenBao stays sealed")
}

// Token is a new one under a policy.
func (v *Vault) Token(policy string, more map[string]any) string {
	v.tb.Helper()
	args := map[string]any{"policies": []string{policy}}
	for k, val := range more {
		args[k] = val
	}
	auth, _ := v.Do("POST", "auth/token/create", args)["auth"].(map[string]any)
	token, _ := auth["client_token"].(string)
	if token == "" {
		v.tb.Fatal("no token")
	}
	return token
}

// Write puts a secret into a file as an operator should, mode 0600, and gives its path.
func Write(tb testing.TB, text string) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// AppRole enables that way in and gives role id and secret id.
func (v *Vault) AppRole(more map[string]any) (roleID, secretID string) {
	v.tb.Helper()
	v.Do("POST", "sys/auth/approle", map[string]any{"type": "approle"})
	args := map[string]any{"token_policies": []string{"keyward"}}
	for k, val := range more {
		args[k] = val
	}
	v.Do("POST", "auth/approle/role/keyward", args)
	data := func(m map[string]any, key string) string {
		d, _ := m["data"].(map[string]any)
		return fmt.Sprint(d[key])
	}
	return data(v.Do("GET", "auth/approle/role/keyward/role-id", nil), "role_id"), data(v.Do("POST", "auth/approle/role/keyward/secret-id", nil), "secret_id")
}
