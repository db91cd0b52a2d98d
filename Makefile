# The commands of this repository. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help run stop up down status test check fmt clippy docs shell-check deny advisories \
        drop-day drill-autopilot drill-no-shows bench-poll bench-join bench-million bench-orders simulate clean

stack := deploy/local/stack
# The one on the PATH, else the one that we built.
cargo_deny := PATH="$$PATH:$(CURDIR)/.local/bin" cargo deny

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- the product

run: ## install what is missing, build, start everything, print where; Ctrl-C stops it
	@$(stack) run

stop: ## stop everything that was started here, from any terminal
	@$(stack) stop

up: ## only Redis, PostgreSQL and RabbitMQ: start them, or see that they run
	@$(stack) up

down: ## stop those again (the data stays)
	@$(stack) down

status: ## what runs, and where
	@$(stack) status

# --- the code

# Nothing may be printed after the tests: their count is the last word.
test: ## all tests, against real servers that are started for it
	@$(stack) with bash -c 'cargo build --workspace --bins && cargo test --workspace'

check: fmt clippy docs shell-check ## everything that can be said without running it

fmt: ## formatting
	cargo fmt --all -- --check

clippy: ## lints
	cargo clippy --workspace --all-targets -- -D warnings

docs: ## the documentation's own links and examples
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps

shell-check: ## the shell scripts, where shellcheck is installed
	@if command -v shellcheck >/dev/null; then shellcheck -x -P deploy/local $(stack) .ci/run; \
	else echo 'shellcheck is not installed: shell scripts not checked'; fi

deny: ## licences, bans and sources of the dependencies
	@$(stack) install deny
	$(cargo_deny) check bans licenses sources

advisories: ## known vulnerabilities of the dependencies (fetches the RustSec database from GitHub)
	@$(stack) install deny
	$(cargo_deny) check advisories

# --- the figures: each ends in one line of JSON

drop-day: ## ten thousand shoppers at one hundred units, and the proof that one hundred were sold
	@$(stack) measure drop-day

drill-autopilot: ## the worker stands still: fewer are let in, and as many as before afterwards
	@$(stack) measure drill-autopilot

drill-no-shows: ## 60 % of those called never come: rate, limits and changes on three edges, for six minutes
	@$(stack) measure drill-no-shows

bench-poll: ## a waiting shopper's poll, against nginx
	@$(stack) measure poll

bench-join: ## joins, against Redis
	@$(stack) measure join

bench-million: ## a million in line: what they cost Redis, and the polls that they are asked for
	@$(stack) measure million

bench-orders: ## orders until they are decided, against the naive transaction
	@$(stack) measure orders

simulate: ## ten million shoppers on twenty edges, in virtual time; minutes on two cores
	@cargo run --release -p waiting-room-simulation -- --shoppers 10000000 --edges 20

clean: ## stop everything; remove its data, secrets and logs, and what was built
	@$(stack) wipe
	cargo clean
