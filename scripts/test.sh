#!/usr/bin/env bash
# All tests. Nothing skips here: what cannot run fails.
set -euo pipefail
export KEYWARD_TEST_REQUIRE_ALL=1
step() { printf '\n== %s\n' "$*"; }
step vet && scripts/vet.sh
step 'tests with the race detector' && go test -race -count=1 -timeout 25m ./...
step 'tour' && go run ./cmd/keyward demo --tour
step 'fuzz' && scripts/fuzz.sh "${FUZZTIME:-10s}"
