#!/usr/bin/env bash
# Runs each fuzz target of the module for a while. usage: fuzz.sh 10s
set -euo pipefail
time=${1:-10s}
while read -r pkg; do
  # Minimising is for finding the cause later; it would eat the time of a target.
  for target in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
    echo "== $pkg $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x -parallel 2 "$pkg"
  done
done < <(grep -rl --include='*_test.go' '^func Fuzz' internal cmd | xargs -n1 dirname | sort -u | sed 's#^#./#')
