# The verbs of this project. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
ARGS ?=

.PHONY: help
help: ## List the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## Install what the build and the tests need (says what)
	@scripts/setup.sh build test

.PHONY: ui
ui: ## Build the dashboard
	@scripts/setup.sh build
	@scripts/ui.sh build

.PHONY: build
build: ui ## Build the release binary with the dashboard in it
	@cargo build --release --package sentinel

.PHONY: demo
demo: build ## Watch a simulated cluster: set up, build, start, print the URL
	@target/release/sentinel demo $(ARGS)

.PHONY: demo-cluster
demo-cluster: build ## Watch a real one-node Kubernetes made on this machine, with faults
	@scripts/cluster/demo.sh $(ARGS)

.PHONY: test
test: ## Set up and run the whole fast suite
	@scripts/test.sh

.PHONY: e2e
e2e: ## Drive the dashboard in Chromium over the real binary
	@scripts/setup.sh build test
	@scripts/ui.sh e2e

.PHONY: check
check: ## Formatting, lints and tidiness
	@scripts/check.sh

.PHONY: crash
crash: ## Kill the pipeline 200 times under load and recount
	@SENTINEL_CRASH_ROUNDS=200 scripts/crash.sh

.PHONY: bench
bench: ## Run the benchmarks and print their figures
	@scripts/bench.sh

.PHONY: bench-stack
bench-stack: ui ## Measure the pipeline on real servers, beside bare writers and Telegraf; ARGS="path latency" for parts
	@scripts/setup.sh build stack
	@scripts/bench-stack.sh $(ARGS)

.PHONY: stack
stack: ## Start the real servers: kafka influxdb elasticsearch redis, or ARGS="--brokers 3 kafka opensearch2"
	@scripts/setup.sh stack
	@scripts/stack/up.sh $(ARGS)

.PHONY: stack-status
stack-status: ## Say which of the real servers answer, and what they take
	@scripts/stack/status.sh

.PHONY: stack-down
stack-down: ## Stop the real servers; ARGS=--wipe removes their data too
	@scripts/stack/down.sh $(ARGS)

.PHONY: demo-stack
demo-stack: build ## Watch 2,000 simulated pods over the real servers: two collectors, two processors, the API
	@scripts/setup.sh stack
	@scripts/stack/demo.sh

.PHONY: test-stack
test-stack: ui ## Run the contract suites, the end-to-end suite and a round of faults on the real servers
	@scripts/stack/test.sh

.PHONY: chaos
chaos: ui ## Play every fault on roles and servers over a million samples, and recount (about half an hour)
	@SENTINEL_CHAOS=full scripts/stack/test.sh chaos

.PHONY: gen
gen: ## Regenerate what is generated: OpenAPI, the dashboard's types
	@scripts/gen.sh
