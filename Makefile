# Every target sets up what it needs. `make` alone lists them.
SHELL := /bin/bash
GO ?= go
export GOFLAGS ?= -buildvcs=false
# The toolchain is a dependency, and the largest one: everybody builds with the one
# that go.mod names, also where GOTOOLCHAIN says to make do with an older one.
export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)+auto

.PHONY: help run test quick race fuzz vet vuln bench soak vectors build build-pkcs11 setup clean

help: ## list the targets
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 14

run: ## run the demo: pages, API, demo exchange, mail catcher, stage
	$(GO) run ./cmd/keyward demo

build: ## build bin/keyward, small and reproducible
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o bin/keyward ./cmd/keyward

build-pkcs11: ## build bin/keyward-pkcs11, for a root key in an HSM (needs a C compiler)
	CGO_ENABLED=1 $(GO) build -tags pkcs11 -trimpath -ldflags='-s -w' -o bin/keyward-pkcs11 ./cmd/keyward

setup: ## install what the tests need (Debian packages, analysis tools)
	scripts/setup.sh

test: setup ## everything, failing where a test would have to skip
	scripts/test.sh

quick: ## go test ./... with what is installed, under a minute; says what it skipped
	$(GO) test ./...

race: setup ## the race detector over all packages
	KEYWARD_STEPS=race scripts/test.sh

fuzz: ## each fuzz target for FUZZTIME (10s)
	scripts/fuzz.sh $${FUZZTIME:-10s}

vet: ## gofmt, go vet, staticcheck
	scripts/vet.sh

vuln: ## govulncheck, with today's database
	scripts/vuln.sh

bench: setup ## speed, each figure beside its limit in the same run
	$(GO) run ./bench

soak: setup ## the long figures
	$(GO) run ./bench -soak
	KEYWARD_GATE_REVOKES=10000 KEYWARD_TEST_REQUIRE_ALL=1 $(GO) test -count=1 -timeout 60m -v -run 'TestNoGateLetsAnEndedKeyIn' ./e2e

vectors: ## vectors nobody here wrote; KEYWARD_VECTORS names their folder
	@test -n "$$KEYWARD_VECTORS" || { echo "set KEYWARD_VECTORS to the folder with the vector files" >&2; exit 1; }
	$(GO) test -count=1 -run 'Vectors' $$(grep -rl --include='*_test.go' '^func Test[A-Za-z0-9]*Vectors' . | xargs -n1 dirname | sort -u)

clean: ## remove what was built
	rm -rf bin
