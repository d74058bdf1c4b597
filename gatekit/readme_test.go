package gatekit_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The two files of the README, beside a checkout, as somebody who starts with them would have it: no network, no
// other module.
func TestTheREADMEBuilds(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	mod := regexp.MustCompile("(?s)```\n(module .*?)```").FindSubmatch(page)
	program := regexp.MustCompile("(?s)```go\n(package main.*?)```").FindSubmatch(page)
	if mod == nil || program == nil {
		t.Fatal("the README has no go.mod or no program")
	}
	dir := t.TempDir()
	text := strings.Replace(string(mod[1]), "=> ../keyward", "=> "+root, 1)
	if text == string(mod[1]) {
		t.Fatal("the README replaces nothing")
	}
	for name, text := range map[string]string{"go.mod": text, "main.go": string(program[1])} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "api"), ".")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOPROXY=off", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
