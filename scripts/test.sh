#!/usr/bin/env bash
# All tests. Nothing skips here: what cannot run fails. What tells most comes
# first, and what uses the real server and browser last.
#
# KEYWARD_STEPS names some of the steps (vet race plain tour fuzz e2e).
set -euo pipefail
cd "$(dirname "$0")/.."
export KEYWARD_TEST_REQUIRE_ALL=1

# step NAME TITLE COMMAND… runs it and says how long it took.
step() {
  local name=$1 title=$2 from=$SECONDS
  shift 2
  [[ " ${KEYWARD_STEPS:-$name} " == *" $name "* ]] || return 0
  printf '\n== %s\n' "$title"
  "$@"
  printf -- '-- %s: %d s\n' "$name" $((SECONDS - from))
}

units() { go list ./... | grep -v '/e2e'; }
race() { go test -race -count=1 -timeout 20m $(units); }

# Under the race detector allocations cannot be counted.
plain() { go test -count=1 -run 'Alloc|Footprint|CostsNoMemory' ./internal/... ; }

tour() { go run ./cmd/keyward demo --tour | tail -3 && go run ./cmd/keyward demo --tour --tls >/dev/null; }

step vet 'gofmt, go vet, staticcheck' scripts/vet.sh
step race 'every package, with the race detector' race
step plain 'what the race detector would distort' plain
step tour 'the tour, over http and https' tour
step fuzz "each fuzz target for ${FUZZTIME:-10s}" scripts/fuzz.sh "${FUZZTIME:-10s}"
# A race detector in a browser's server would only make it late.
[[ " ${KEYWARD_STEPS:-e2e} " == *" e2e "* ]] || exit 0
printf '\n== the real server, browser and proxy (after %d s)\n' "$SECONDS"
go test -count=1 -timeout 20m ./e2e/...
