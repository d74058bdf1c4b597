package gatekit_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Whoever uses this package gets the standard library and nothing else: no part of the server, no database
// driver, no library with a life of its own.
func TestNothingButTheStandardLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		if path != "keyward/gatekit" {
			t.Errorf("gatekit depends on %s", path)
		}
	}
	all, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil || strings.Contains(string(all), "database/sql") || !strings.Contains(string(all), "keyward/gatekit") {
		t.Errorf("database/sql is among what gatekit depends on (%v)", err)
	}
}
