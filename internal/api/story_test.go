package api_test

import (
	"testing"

	"keyward/internal/api"
)

func TestSmoke(t *testing.T) {
	w := newWorld(t)
	a := w.app().signUp("alice@example.org")
	var me api.WhoAmI
	a.get("/api/v1/session", &me)
	t.Logf("%+v", me)
}
