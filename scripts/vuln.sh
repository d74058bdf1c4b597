#!/usr/bin/env bash
# Known vulnerabilities in what we call. It asks a database on the network (or
# the copy that GOVULNDB names), and fails when there is none: a machine that
# cannot ask has not found anything out.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
db=()
[ -z "${GOVULNDB:-}" ] || db=(-db "$GOVULNDB")
check=$(tool govulncheck)
if ! said=$("$check" "${db[@]}" ./... 2>&1); then
  printf '%s\n' "$said"
  if grep -qiE 'fetching|dial|no such host|connection|timeout|vuln\.go\.dev' <<<"$said" && ! grep -q 'Vulnerability #' <<<"$said"; then
    echo "vuln: the vulnerability database cannot be reached, so nothing is known. Set GOVULNDB to a copy of it." >&2
  fi
  exit 1
fi
printf '%s\n' "$said"
