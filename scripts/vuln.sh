#!/usr/bin/env bash
# Known vulnerabilities in what we call. The database is a Go module itself and is
# fetched as every dependency is, sums checked; GOVULNDB names another one. Without
# a database this fails: a machine that cannot ask has not found anything out.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh
db=${GOVULNDB:-}
if [ -z "$db" ]; then
  at=$(mktemp -d)
  trap 'rm -rf "$at"' EXIT
  # In a folder of its own, so that our go.mod hears nothing of it.
  module=$(cd "$at" && GOFLAGS=-modcacherw go mod download -json golang.org/x/vulndb@latest) || {
    echo "vuln: golang.org/x/vulndb cannot be fetched, so nothing is known. Set GOVULNDB to a copy of the database." >&2
    exit 1
  }
  field() { sed -n "s/^\s*\"$1\": \"\(.*\)\",\?$/\1/p" <<<"$module"; }
  (cd "$at" && GOFLAGS= go run "golang.org/x/vulndb/cmd/indexdb@$(field Version)" -vulns "$(field Dir)/data/osv" -out "$at/db")
  echo "vuln: database of $(field Version)"
  db=file://$at/db
fi
"$(tool govulncheck)" -db "$db" ./...
