#!/usr/bin/env bash
# Formatting, vet, staticcheck.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
bad=$(gofmt -l $(git ls-files '*.go' 2>/dev/null || find . -name '*.go'))
[ -z "$bad" ] || { printf 'not as gofmt writes it:\n%s\n' "$bad" >&2; exit 1; }
go vet ./...
"$(tool staticcheck)" ./...
