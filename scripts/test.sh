#!/usr/bin/env bash
# All tests. Nothing skips here: what cannot run fails. What tells most comes
# first, and what uses the real server and browser last.
#
# KEYWARD_STEPS names some of the steps (vet vuln race plain hsm tour fuzz e2e).
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

# tests runs go test. A package that fails is run once more, alone: what fails
# twice fails. One that passes then is named, because a test that depends on how
# busy the machine is must be mended too.
tests() {
  local out again
  out=$(mktemp)
  if go test "$@" 2>&1 | tee "$out"; then rm -f "$out"; return 0; fi
  again=$(awk '$1 == "FAIL" && $2 ~ /^keyward/ {print $2}' "$out" | sort -u)
  rm -f "$out"
  [ -n "$again" ] || return 1
  printf '\n!! failed, once more alone: %s\n' "$(echo $again)"
  local flags=()
  for a in "$@"; do if [[ $a == -* ]]; then flags+=("$a"); fi; done
  go test -p 1 "${flags[@]}" $again
  printf '!! passed the second time: %s\n' "$(echo $again)"
}

units() { go list ./... | grep -v '/e2e'; }
race() { tests -race -count=1 -timeout=30m $(units); }

# Under the race detector allocations cannot be counted.
plain() { tests -count=1 -run='Alloc|Footprint|CostsNoMemory' ./internal/... ; }

# PKCS#11 is a C interface, so it is built and tested apart: the package that has it, in a
# process of its own, because SoftHSM reads its configuration once.
hsm() {
  CGO_ENABLED=1 go vet -tags pkcs11 ./internal/keyring ./cmd/keyward
  CGO_ENABLED=1 tests -tags pkcs11 -count=1 -run='HSM|PKCS11' ./internal/keyring
  CGO_ENABLED=1 go build -tags pkcs11 -o /dev/null ./cmd/keyward
}

tour() { go run ./cmd/keyward demo --tour | tail -3 && go run ./cmd/keyward demo --tour --tls >/dev/null; }

step vet 'gofmt, go vet, staticcheck' scripts/vet.sh
step vuln 'govulncheck' scripts/vuln.sh
step race 'every package, with the race detector' race
step plain 'what the race detector would distort' plain
step hsm 'a key of an HSM wraps the root' hsm
step tour 'the tour, over http and https' tour
step fuzz "each fuzz target for ${FUZZTIME:-10s}" scripts/fuzz.sh "${FUZZTIME:-10s}"
# A race detector in a browser's server would only make it late.
[[ " ${KEYWARD_STEPS:-e2e} " == *" e2e "* ]] || exit 0
printf '\n== the real server, browser and proxy (after %d s)\n' "$SECONDS"
tests -count=1 -timeout=30m ./e2e/...
