#!/usr/bin/env bash
# Runs each fuzz target of the module for a while, two at a time, one core each.
# usage: fuzz.sh [10s [import path…]]
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}
shift || true
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache=$(go env GOCACHE)/fuzz

packages=("$@")
[ ${#packages[@]} -gt 0 ] || mapfile -t packages < <(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u)

# One program per package, built for fuzzing, and then one line per target.
for pkg in "${packages[@]}"; do
  dir=$(go list -f '{{.Dir}}' "$pkg")
  path=$(go list -f '{{.ImportPath}}' "$pkg")
  program=$work/${path//\//_}.test
  go test -c -fuzz='^Fuzz' -o "$program" "$pkg"
  (cd "$dir" && "$program" -test.list '^Fuzz') | while read -r target; do
    echo "$dir $program $cache/$path $target"
  done
done >"$work/targets"

# one DIR PROGRAM CACHE TARGET runs a target and keeps quiet unless it finds something.
one() {
  cd "$1"
  local said try
  for try in 1 2; do
    if said=$("$2" -test.run '^$' -test.fuzz "^$4\$" -test.fuzztime "$time" -test.fuzzcachedir "$3" -test.fuzzminimizetime 10x -test.parallel 1 2>&1); then
      echo "ok    $4  $(grep -o 'execs: [0-9]*' <<<"$said" | tail -1)"
      return 0
    fi
    # Go's own worker sometimes misses the end of its time on a busy machine and says
    # so as a failure. A finding names an input, and is never tried away.
    if grep -q 'Failing input' <<<"$said" || ! grep -q 'context deadline exceeded' <<<"$said"; then break; fi
  done
  printf 'FAIL  %s\n%s\n' "$4" "$said"
  return 1
}
export -f one
export time
xargs -P 2 -L 1 bash -c 'one "$@"' _ <"$work/targets"
echo "$(wc -l <"$work/targets") targets, $time each"
