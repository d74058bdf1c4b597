package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

// What the unit in deploy and its drop-ins run are commands that exist, with the
// configuration where deploy/README.md says it is.
func TestTheUnitRunsWhatThereIs(t *testing.T) {
	found := 0
	for _, name := range []string{"keyward.service", "keyward.service.d/migrate.conf", "keyward.service.d/credentials.conf"} {
		body, err := os.ReadFile("../../deploy/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(body)) {
			_, command, is := strings.Cut(strings.TrimSpace(line), "=/usr/local/bin/keyward ")
			if !is || !strings.HasPrefix(line, "Exec") {
				continue
			}
			found++
			var said bytes.Buffer
			if code := run(append(strings.Fields(command), "--help"), &said, &said); code != exitOK || !strings.HasSuffix(command, "-c /etc/keyward/keyward.yaml") {
				t.Errorf("%s: keyward %s: exit %d\n%s", name, command, code, said.String())
			}
		}
	}
	if found != 3 {
		t.Errorf("%d commands were found", found)
	}
}
