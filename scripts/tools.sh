# Sourced. The analysis tools, each at one version: another one finds other things.

declare -A tools=(
  [staticcheck]=honnef.co/go/tools/cmd/staticcheck@v0.8.2
  [govulncheck]=golang.org/x/vuln/cmd/govulncheck@v1.9.0
)

# tool NAME prints where it is, and installs it first if it is not there.
tool() {
  local module=${tools[$1]} bin
  bin=$(go env GOBIN)
  bin=${bin:-$(go env GOPATH)/bin}
  if ! grep -q "^\smod\s.*\s${module##*@}\s" <<<"$(go version -m "$bin/$1" 2>/dev/null)"; then
    echo "setup: installing $module" >&2
    GOFLAGS= go install "$module" >&2 || { echo "setup: $module cannot be fetched" >&2; return 1; }
  fi
  echo "$bin/$1"
}
