#!/usr/bin/env bash
# Installs what the tests need on a Debian machine: PostgreSQL, nginx, Chromium
# with Korean fonts, and the two analysis tools. Does nothing where it is there.
set -euo pipefail
need=()
have() { command -v "$1" >/dev/null 2>&1; }
pg() { [ -n "${TEST_POSTGRES_URL:-}" ] || have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
pg || need+=(postgresql)
have chromium || need+=(chromium)
have nginx || [ -x /usr/sbin/nginx ] || need+=(nginx-light)
fc-list 2>/dev/null | grep -qi 'noto.*cjk' || need+=(fonts-noto-cjk)
fc-list 2>/dev/null | grep -qi 'roboto' || need+=(fonts-roboto)
if [ ${#need[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ]; then sudo=(); else sudo=(sudo); fi
  have apt-get || { echo "setup: please install: ${need[*]}" >&2; exit 1; }
  export DEBIAN_FRONTEND=noninteractive
  "${sudo[@]}" apt-get update -qq </dev/null
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${need[@]}" </dev/null >/dev/null
fi
bin=$(go env GOPATH)/bin
[ -x "$bin/staticcheck" ] || GOFLAGS= go install honnef.co/go/tools/cmd/staticcheck@v0.8.1 2>/dev/null || GOFLAGS= go install honnef.co/go/tools/cmd/staticcheck@latest
[ -x "$bin/govulncheck" ] || GOFLAGS= go install golang.org/x/vuln/cmd/govulncheck@latest
