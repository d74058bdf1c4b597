package apikey

import (
	"encoding/hex"
	"testing"
)

func TestTokensAreSpelledAsTheVectorsSay(t *testing.T) {
	raw := func(s string) []byte { b, _ := hex.DecodeString(s); return b }
	for _, row := range []struct {
		name, prefix, raw, want string
		digits                  int
	}{
		{"an id", liveID, "c63e082dd70f83c72efe6d52dbc055cc", "kwk_live_624pQIqInkHVHkCi2Zzf8m1OGkRF", idDigits},
		{"a secret", liveSecret, "c63e082dd70f83c72efe6d52dbc055cc68fe8fe597ca035ecc6c23a363a231b2", "kws_live_l0ZyHPqp0qxWB76ZXBb6GRkbhKK0zG0Bl5J6unPx0Co1L0Wxk", secretDigits},
	} {
		got := token(row.prefix, raw(row.raw), row.digits)
		if got != row.want || !wellFormed(got, row.prefix, row.digits) {
			t.Errorf("%s is %s, want %s", row.name, got, row.want)
		}
	}
}

func TestOneWrongCharacterIsSeenBeforeAnyLookup(t *testing.T) {
	for range 200 {
		id := string(newID(false))
		if !ourID(id) {
			t.Fatalf("%s is not well formed", id)
		}
		for i := range id {
			wrong := []byte(id)
			wrong[i] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(int(wrong[i])+7)%62]
			if string(wrong) != id && ourID(string(wrong)) {
				t.Fatalf("%s passes for an id", wrong)
			}
		}
	}
	if s := newSecret(true); !IsSecret(s) || ourID(s) {
		t.Errorf("%s", s)
	}
}
