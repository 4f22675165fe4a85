# What a developer runs. `make test` needs Go and a C compiler; with python3 (venv, pip) it runs the tests against an AWS
# emulator too, which it installs in a cache folder; with Chromium it looks at the session report.
GO ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 10s

.PHONY: build plugin test short lint fuzz bench compare profile generate demo clean

build: ## the agent
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o trailcast ./cmd/trailcast

plugin: ## the Fluent Bit output plugin; needs a C compiler, and the glibc of the oldest system that it is for
	CGO_ENABLED=1 $(GO) build -pgo cmd/trailcast/default.pgo -buildmode=c-shared -tags netgo,osusergo -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o out_trailcast.so ./plugin

test: lint ## everything that CI runs but the fuzzing
	@$(GO) run ./internal/awstest/prepare
	$(GO) test -race -pgo=off ./...

short: ## a quick look
	$(GO) test -short -pgo=off ./...

lint:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "run gofmt on:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...

fuzz: ## every fuzz target for FUZZTIME; again after a failure, since go may take the end of that time for one, and an input that fails is kept
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			try() { $(GO) test $$pkg -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x; }; \
			try || try; \
		done; \
	done

bench: ## benchmarks of every package
	$(GO) test -run '^$$' -bench . -benchmem ./...

compare: ## trailcast beside other tools; ARGS="-only select-gzip -rounds 9"
	$(GO) run ./bench/compare $(ARGS)

PROFILED = select-gzip,select-ndjson,project-ndjson,tier2-ndjson,tier3-ndjson,run-file,many-whens,run-nats,run-jetstream
profile: ## anew what the Go compiler knows of where the time goes; after a change of what is hot
	$(GO) run ./bench/compare -only $(PROFILED) -profile cmd/trailcast/default.pgo

generate: ## schemas and reference pages that are made from the code
	$(GO) test ./internal/build ./filters/enrich -run 'Schema|Reference' -update

demo:
	$(GO) run ./cmd/trailcast demo

clean:
	rm -f trailcast out_trailcast.so out_trailcast.h
