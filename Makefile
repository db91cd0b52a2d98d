# The commands of this repository. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
drills := drill-redis-kill drill-redis-flushall drill-redis-older drill-redis-freeze drill-redis-failover \
          drill-edge-kill drill-edges-kill drill-edge-clock drill-edge-pause drill-origin
.PHONY: help run stop up down status test check fmt clippy docs shell-check deny advisories \
        fuzz api-fuzz drop-day drill-autopilot drill-no-shows drill-kills drill-broker-nodes drill-disk-full \
        drills $(drills) bench-poll bench-join bench-proxy bench-idle bench-million \
        bench-sign-in bench-stock bench-catalog bench-orders bench-expiry bench-draw simulate simulate-orders clean

stack := deploy/local/stack
# The one on the PATH, else the one that we built.
cargo_deny := PATH="$$PATH:$(CURDIR)/.local/bin" cargo deny
cargo_fuzz := PATH="$$PATH:$(CURDIR)/.local/bin" cargo +nightly fuzz

# What `make fuzz` tries, and for how many seconds each.
FUZZ_TARGETS := head request direct answer ticket pass proof config invitation cookies path
SECONDS := 60

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

# It has the versions of the workspace, finds a corpus of its own (not under version control) and goes on from it. What it
# finds lies in waiting-room/fuzz/artifacts; once mended it is kept in fuzz/regressions, which `make test` tries again.
fuzz: ## what strangers may send, made up by the million: SECONDS=60 for each target; nightly compiler
	@$(stack) install fuzz
	cp Cargo.lock waiting-room/fuzz/Cargo.lock
	cd waiting-room && for target in $(FUZZ_TARGETS); do mkdir -p fuzz/corpus/$$target && \
	    $(cargo_fuzz) run --sanitizer none $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
	    -max_total_time=$(SECONDS) -max_len=4096 -timeout=10 -print_final_stats=1 || exit 1; done

api-fuzz: ## made-up requests to the shop by its OpenAPI document: no 500, nothing undocumented; EXAMPLES=60 an operation
	@test -x .local/venv/bin/schemathesis || { python3 -m venv .local/venv && .local/venv/bin/pip install -q 'schemathesis==4.*'; }
	@SCHEMATHESIS=$(CURDIR)/.local/venv/bin/schemathesis $(stack) with bash -c \
	    'cargo build -p order-worker && cargo test -p catalog-api --test fuzz -- --ignored --nocapture'

# --- the figures: each ends in one line of JSON

drop-day: ## ten thousand shoppers at one hundred units, and the proof that one hundred were sold
	@$(stack) measure drop-day

drill-autopilot: ## the worker stands still: fewer are let in, and as many as before afterwards
	@$(stack) measure drill-autopilot

drill-no-shows: ## 60 % of those called never come: rate, limits and changes on three edges, for six minutes
	@$(stack) measure drill-no-shows

drill-kills: ## a hundred kills of worker, shop, RabbitMQ and PostgreSQL while people order; about six minutes
	@$(stack) measure $@

drill-broker-nodes: ## a cluster of three RabbitMQ nodes loses one after the other while people order
	@$(stack) measure $@

drill-disk-full: ## the disk of PostgreSQL is full, then that of RabbitMQ, while people order; as root
	@$(stack) measure $@

drills: ## all drills of what can break, one after the other; about fifteen minutes
	@$(stack) measure drills

drill-redis-kill: ## Redis is killed with 100,000 in line: nobody may lose by it
	@$(stack) measure $@

drill-redis-flushall: ## Redis is wiped
	@$(stack) measure $@

drill-redis-older: ## Redis is started with its file of some seconds ago
	@$(stack) measure $@

drill-redis-freeze: ## Redis stands still for five seconds
	@$(stack) measure $@

drill-redis-failover: ## a replica takes over that has not heard the last second
	@$(stack) measure $@

drill-edge-kill: ## the edge that decides is killed
	@$(stack) measure $@

drill-edges-kill: ## all edges are killed
	@$(stack) measure $@

drill-edge-clock: ## an edge whose clock is an hour fast has to decide alone
	@$(stack) measure $@

drill-edge-pause: ## the edge that decides stands still beyond its lease, and wakes
	@$(stack) measure $@

drill-origin: ## the origin is down, slow, flapping, and talks nonsense
	@$(stack) measure $@

bench-poll: ## a waiting shopper's poll, against nginx
	@$(stack) measure poll

bench-proxy: ## a request with a pass to what stands behind the edge, against nginx in front of the same
	@$(stack) measure proxy

bench-idle: ## what idle connections and listeners cost, and how soon 50,000 listeners are told
	@$(stack) measure idle

bench-join: ## joins, against Redis
	@$(stack) measure join

bench-million: ## a million in line: what they cost Redis, and the polls that they are asked for
	@$(stack) measure million

bench-draw: ## a million entries drawn, against ORDER BY random() over the same table
	@$(stack) measure draw

bench-stock: ## reads of what is left, against nginx, and 270,000 of them in a minute
	@$(stack) measure stock

bench-catalog: ## the product list and one product of 100,000, with the edge's cache and without
	@$(stack) measure catalog

bench-sign-in: ## polls while very many sign in, against polls while nobody does
	@$(stack) measure sign-in

bench-orders: ## orders until they are decided, against the naive transaction
	@$(stack) measure orders

bench-expiry: ## 100,000 holds that expire in the same moment, while people order
	@$(stack) measure expiry

# `make simulate-orders ARGS='--seed 7 --runs 1'` is one of the runs again.
simulate: ## ten million shoppers on twenty edges, in virtual time; minutes on two cores
	@cargo run --release -p waiting-room-simulation -- $(or $(ARGS),--shoppers 10000000 --edges 20)

simulate-orders: ## orders, payments, returns and crashes in virtual time, against a naive ledger; a minute
	@cargo run --release -p order-simulation -- $(or $(ARGS),--runs 20000)

clean: ## stop everything; remove its data, secrets and logs, and what was built
	@$(stack) wipe
	cargo clean
