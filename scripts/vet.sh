#!/usr/bin/env bash
# Formatting, vet, staticcheck.
set -euo pipefail
bin=$(go env GOPATH)/bin
bad=$(gofmt -l cmd internal examples e2e bench 2>/dev/null || true)
[ -z "$bad" ] || { echo "gofmt:" $bad >&2; exit 1; }
go vet ./...
"$bin/staticcheck" ./...
