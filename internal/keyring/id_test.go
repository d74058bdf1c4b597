package keyring_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"keyward/internal/keyring"
)

func TestIDsSortByTime(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var ids []string
	for range 200 {
		ids = append(ids, keyring.NewID("acc_", at))
		at = at.Add(time.Millisecond)
	}
	if !slices.IsSorted(ids) {
		t.Error("ids made one after the other do not sort so")
	}
	for _, far := range []time.Time{time.Unix(0, 0), time.Unix(-5, 0), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)} {
		if id := keyring.NewID("acc_", far); !keyring.ValidID("acc_", id) {
			t.Errorf("at %v the id is %q", far, id)
		}
	}
}

// The time part is that of a ULID: 1469918176385 ms is 01ARYZ6S41 in the ULID specification.
func TestIDTimeIsThatOfAULID(t *testing.T) {
	id := keyring.NewID("acc_", time.UnixMilli(1469918176385))
	if got := strings.ToUpper(id[4:14]); got != "01ARYZ6S41" {
		t.Errorf("time part is %s", got)
	}
}

func TestIDsOfOneMillisecondDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 10000 {
		seen[keyring.NewID("evt_", time.UnixMilli(1))] = true
	}
	if len(seen) != 10000 {
		t.Errorf("%d different ids of 10000", len(seen))
	}
}

func TestValidID(t *testing.T) {
	const digits = "01aryz6s41tsv4rrffq69g5fav"
	for _, c := range []struct {
		name, prefix, id string
		want             bool
	}{
		{"as it is made", "acc_", "acc_" + digits, true},
		{"asked for without the underscore", "acc", "acc_" + digits, true},
		{"the largest there is", "acc_", "acc_7" + strings.Repeat("z", 25), true},
		{"more than 128 bits", "acc_", "acc_8" + strings.Repeat("z", 25), false},
		{"of another kind", "ses_", "acc_" + digits, false},
		{"of a kind that only begins alike", "acc_", "account_" + digits, false},
		{"no prefix", "acc_", digits, false},
		{"no underscore", "acc_", "acc" + digits, false},
		{"upper case, the same bits in another spelling", "acc_", "acc_" + strings.ToUpper(digits), false},
		{"prefix in upper case", "acc_", "ACC_" + digits, false},
		{"a letter that Crockford leaves out", "acc_", "acc_" + digits[:25] + "u", false},
		{"l for 1", "acc_", "acc_" + digits[:25] + "l", false},
		{"a digit short", "acc_", "acc_" + digits[:25], false},
		{"a digit long", "acc_", "acc_" + digits + "0", false},
		{"a NUL at the end", "acc_", "acc_" + digits[:25] + "\x00", false},
		{"a letter of two bytes", "acc_", "acc_" + digits[:24] + "é", false},
		{"a line end behind it", "acc_", "acc_" + digits + "\n", false},
		{"empty", "acc_", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := keyring.ValidID(c.prefix, c.id); got != c.want {
				t.Errorf("ValidID(%q, %q) is %v", c.prefix, c.id, got)
			}
		})
	}
}

func FuzzValidID(f *testing.F) {
	for _, s := range []string{"acc_01aryz6s41tsv4rrffq69g5fav", "acc_", "", "acc_8zzzzzzzzzzzzzzzzzzzzzzzzz", "acc_01ARYZ6S41TSV4RRFFQ69G5FAV"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !keyring.ValidID("acc_", s) {
			return
		}
		if len(s) != 30 || s != strings.ToLower(s) || strings.ContainsAny(s[4:], "ilou") || strings.Trim(s, "0123456789abcdefghjkmnpqrstvwxyz_") != "" {
			t.Errorf("%q is valid", s)
		}
	})
}

func BenchmarkNewID(b *testing.B) {
	now := time.UnixMilli(1469918176385)
	b.ReportAllocs()
	for b.Loop() {
		keyring.NewID("evt_", now)
	}
}
