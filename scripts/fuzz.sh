#!/usr/bin/env bash
# Runs each fuzz target of the module for a while. usage: fuzz.sh 10s
set -euo pipefail
time=${1:-10s}
while read -r pkg; do
  for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
    echo "== $pkg $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$pkg"
  done
done < <(grep -rl --include='*_test.go' '^func Fuzz' internal cmd | xargs -n1 dirname | sort -u | sed 's#^#./#')
