package main

import (
	"crypto/x509"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyward/internal/config"
	"keyward/internal/notify"
	"keyward/internal/softkey"
	"keyward/internal/store"
)

// One operator's months: lists arrive, break, are put back, and nothing restarts.
func TestListsAreTakenWithoutARestartAndNeverGoBack(t *testing.T) {
	dir := t.TempDir()
	mds, status := filepath.Join(dir, "mds.jwt"), filepath.Join(dir, "status.json")
	fido, clock := softkey.NewMaker(), time.Now()
	write := func(path string, b []byte) {
		t.Helper()
		clock = clock.Add(time.Second)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, clock, clock); err != nil { // a file system may count in seconds
			t.Fatal(err)
		}
	}
	blob := func(no int) []byte {
		return fido.Metadata("mds.fidoalliance.org", time.Now(), map[string]any{"no": no, "nextUpdate": "2099-01-01", "entries": []any{}})
	}
	write(mds, blob(20))
	write(status, []byte(`{"entries":{}}`))
	cfg, err := config.Config{
		PublicURL: "http://localhost:7480", Database: config.Database{URL: "sqlite:" + filepath.Join(dir, "keyward.db")},
		KeyFile: filepath.Join(dir, "keyward.key"), AnchorFile: filepath.Join(dir, "keyward.anchor"),
		Attestation: config.Attestation{MDSFile: mds, AndroidStatusFile: status},
	}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), store.Options{URL: cfg.Database.URL}); err != nil {
		t.Fatal(err)
	}
	var log strings.Builder
	a, err := newApp(t.Context(), cfg, slog.New(slog.NewTextHandler(&log, nil)), extras{mailer: notify.NewCatcher()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	l := a.lists
	if l.use.MDS != nil || !strings.Contains(log.String(), "unknown authority") {
		t.Errorf("a list that FIDO did not sign: %+v\n%s", l.use, log.String())
	}
	if l.use.Revoked == nil {
		t.Error("Google's list was not read at the start")
	}
	l.roots = []*x509.Certificate{fido.Root} // from here on it speaks for FIDO
	number := func() int64 {
		l.look(t.Context())
		if l.use.MDS == nil {
			return 0
		}
		return l.use.MDS.Number
	}
	for _, step := range []struct {
		name string
		file []byte
		want int64
	}{
		{"the first list", blob(20), 20},
		{"a newer one", blob(22), 22},
		{"an old one put back", blob(21), 22},
		{"bytes that are no list", []byte("none"), 22},
		{"a newer one after that", blob(23), 23},
	} {
		write(mds, step.file)
		if got := number(); got != step.want {
			t.Errorf("%s: number %d, want %d", step.name, got, step.want)
		}
	}
	// After a restart nothing is in memory, and the database remembers.
	l.use.MDS, l.mds = nil, stamp{}
	write(mds, blob(22))
	if got := number(); got != 0 {
		t.Errorf("after a restart the old list number %d is taken", got)
	}
	write(mds, blob(23))
	if got := number(); got != 23 {
		t.Errorf("after a restart the same list again: %d", got)
	}
	before := l.use.Revoked
	write(status, []byte(`{"entries":{"zz":{}}}`))
	if l.look(t.Context()); l.use.Revoked != before {
		t.Error("half a list took the place of a whole one")
	}
	write(status, []byte(`{"entries":{"cc66":{"status":"REVOKED"}}}`))
	if l.look(t.Context()); l.use.Revoked == before || l.use.Revoked.Len() != 1 {
		t.Error("the new list is not in use")
	}
}

func TestAListThatIsConfiguredAndNotThereStopsTheStart(t *testing.T) {
	err := listsThere(config.Attestation{MDSFile: filepath.Join(t.TempDir(), "none"), AndroidStatusFile: ""})
	if err == nil || !strings.Contains(err.Error(), "attestation.mds_file") {
		t.Error(err)
	}
	if err := listsThere(config.Attestation{}); err != nil {
		t.Error(err)
	}
	stale := lookAtLists(config.Attestation{MDSFile: filepath.Join(t.TempDir(), "none")}, time.Now())
	if len(stale) != 1 || stale[0].err == nil {
		t.Errorf("%+v", stale)
	}
}
