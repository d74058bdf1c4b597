#!/usr/bin/env bash
# All tests. Nothing skips here: what cannot run fails.
set -euo pipefail
export KEYWARD_TEST_REQUIRE_ALL=1
began=$SECONDS
step() { printf '\n== %s (%d s so far)\n' "$*" $((SECONDS - began)); }

step 'format, vet, staticcheck'
scripts/vet.sh

# Two packages at a time: each starts servers, databases or browsers of its own,
# and a machine with two cores should test Keyward and not its own scheduler.
step 'tests with the race detector'
go test -race -count=1 -p 2 -timeout 30m $(go list ./... | grep -v -e '/e2e' -e '/bench')

# The browser stories drive the real binary; the race detector would only slow
# the browser's counterpart down.
step 'browser, kill and server stories'
go test -count=1 -p 1 -timeout 20m ./e2e/... ./bench/...

step 'tour'
go run ./cmd/keyward demo --tour

step 'fuzz'
scripts/fuzz.sh "${FUZZTIME:-10s}"

step 'done'
