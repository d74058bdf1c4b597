package main

import (
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"

	"keyward/internal/config"
	"keyward/internal/notify"
	"keyward/internal/place/placetest"
	"keyward/internal/store"
)

// What is configured must reach both who writes pages and who writes mails.
func TestThePlaceFileReachesPagesAndMails(t *testing.T) {
	dir := t.TempDir()
	cfg, err := config.Config{
		PublicURL: "http://localhost:7480", Database: config.Database{URL: "sqlite:" + filepath.Join(dir, "keyward.db")},
		KeyFile: filepath.Join(dir, "keyward.key"), AnchorFile: filepath.Join(dir, "keyward.anchor"),
		PlaceFile: placetest.Write(t, placetest.Records{"203.0.113.0/24": placetest.Named("Seoul", "", "South Korea", "")}),
	}.Complete()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Migrate(t.Context(), store.Options{URL: cfg.Database.URL}); err != nil {
		t.Fatal(err)
	}
	a, err := newApp(t.Context(), cfg, slog.New(slog.DiscardHandler), extras{mailer: notify.NewCatcher()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	addr := netip.MustParseAddr("203.0.113.7")
	if got, _ := a.web.Places.Locate(addr, "en"); got != "Seoul, South Korea" {
		t.Errorf("pages: %q", got)
	}
	if got, _ := a.notify.Places.Locate(addr, "en"); got != "Seoul, South Korea" {
		t.Errorf("mails: %q", got)
	}
}
