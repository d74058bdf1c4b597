package demo

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"keyward/gatekit"
	"keyward/internal/config"
	"keyward/internal/keyring"
)

// UpstreamKey is the key that the gate and the demo exchange share, made in the
// demo's folder at its first start.
func UpstreamKey(dir string) (key gatekit.Key, path string, err error) {
	path = filepath.Join(dir, "upstream.key")
	key, err = gatekit.ReadKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, path, err
	}
	text := base64.StdEncoding.EncodeToString(keyring.Random(32)) + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return key, path, err
	}
	key, err = gatekit.ReadKeyFile(path)
	return key, path, err
}

// BotRoutes are what the demo exchange offers to programs, and what each takes.
func BotRoutes() []config.GateRoute {
	return []config.GateRoute{
		{Method: "GET", Path: "/v1/balance", Scope: "read.account", Takes: []string{"key", "token"}},
		{Method: "GET", Path: "/v1/orders", Scope: "read.orders"},
		{Method: "GET", Path: "/v1/stream", Scope: "read.orders", Stream: true},
		{Method: "POST", Path: "/v1/orders", Scope: "trade.spot", Symbol: "body:symbol"},
		{Method: "DELETE", Path: "/v1/orders/{id}", Scope: "trade.cancel"},
		{Method: "POST", Path: "/v1/withdrawals", Scope: "withdraw"},
	}
}
