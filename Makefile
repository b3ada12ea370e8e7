# What people and CI run. "make demo" and "make test" start from a machine with git, curl, a C compiler
# and make; the rest they install (scripts/bootstrap.sh).
#
# Every cargo command takes the whole workspace with the same environment and the same profile: a
# single package ("-p") or another variable would make cargo compile dependencies a second time.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help tools library build demo test bench sim ordeal year mutants scale fuzz clean

ENV := source scripts/env.sh
# In CI the committed Cargo.lock must be the right one; a person who adds a dependency is about to change it.
LOCKED := $(if $(CI),--locked)

# For the test programs, after "--"; CI asks for the output of passing tests too.
TEST_ARGS ?=
SEED ?=
SEEDS ?= 500
BASE ?= 1
# How long "make ordeal" goes on, at least; SEED decides what happens in it.
MINUTES ?= 10
# How many invoices "make year" books.
INVOICES_A_YEAR ?= 160000
# How long "make fuzz" goes on.
FUZZ_SECONDS ?= 120
export INVOICES KEEP

help:
	@echo "make demo    build everything and show it: KEEP=1 leaves the files, INVOICES=dir uses yours"
	@echo "make test    format, lints, all tests, and the judges nobody here wrote"
	@echo "make sim     simulated worlds (500 seeds, minutes): SEED=n replays one, SEEDS=count BASE=first runs many"
	@echo "make ordeal  real validators under faults for MINUTES=10, then latency with one down: SEED=n chooses"
	@echo "make year    a year of a city, 160,000 invoices, through four validators, and its exports"
	@echo "make mutants bugs planted in the consensus core, the node and the ledger, which simulations must notice: MUTANT=name takes some"
	@echo "make scale   the consensus core with 4 to 400 simulated validators: VALIDATORS=100 stops there"
	@echo "make bench   benchmarks, in the release profile"
	@echo "make model   the protocol's model and every course of the core, for long: DEPTH=steps goes deeper"
	@echo "make fuzz    strangers' bytes into every decoder, for FUZZ_SECONDS=120"
	@echo "make clean   remove what cargo built (RocksDB's library stays in the cache)"

tools:
	@bash scripts/bootstrap.sh

library: tools
	@bash scripts/rocksdb.sh

build: library
	@echo "build: the whole workspace (about 3 min the first time, then what changed)"
	@$(ENV); cargo build --workspace $(LOCKED)

demo: build
	@bash scripts/demo.sh

test: library
	@echo "test: format (seconds)"
	@$(ENV); cargo fmt --all --check
	@echo "test: lints (about 2 min the first time, then what changed)"
	@$(ENV); cargo clippy --workspace --all-targets $(LOCKED) -- --deny warnings
	@echo "test: building the tests (about 3 min the first time, then what changed)"
	@$(ENV); cargo build --workspace $(LOCKED) && cargo test --workspace --no-run $(LOCKED)
	@echo "test: running the tests"
	@$(ENV); cargo test --workspace --no-fail-fast $(LOCKED) -- $(TEST_ARGS)
	@echo "test: judges"
	@bash scripts/judges.sh
	@echo "test: the protocol's model (about a minute)"
	@bash scripts/model.sh

sim: build
	@$(ENV); if [ -n "$(SEED)" ]; then \
	  "$$CARGO_TARGET_DIR/debug/sim" --seed $(SEED); \
	else \
	  "$$CARGO_TARGET_DIR/debug/sim" --seeds $(SEEDS) --base $(BASE); \
	fi

ordeal: build
	@echo "ordeal: faults for at least $(MINUTES) min and an audit, then about 6 min of measuring with one down"
	@$(ENV); "$$CARGO_TARGET_DIR/debug/ordeal" story --seconds $$(($(MINUTES) * 60)) $(if $(SEED),--seed $(SEED))
	@$(ENV); "$$CARGO_TARGET_DIR/debug/ordeal" one-down --seconds 40 $(if $(SEED),--seed $(SEED))

year: build
	@echo "year: $(INVOICES_A_YEAR) invoices of a city through four validators, and its exports (about 5 min)"
	@$(ENV); "$$CARGO_TARGET_DIR/debug/year" --invoices $(INVOICES_A_YEAR) $(if $(SEED),--seed $(SEED))

mutants: library
	@echo "mutants: planting bugs one after the other (about 20 min; 5 more the first time)"
	@$(ENV); cargo test --workspace --test mutants $(LOCKED) -- --ignored --nocapture

scale: library
	@echo "scale: simulated committees, in the dev profile (about 15 min)"
	@$(ENV); cargo test --workspace --test scale $(LOCKED) -- --ignored --nocapture

bench: library
	@echo "bench: building in the release profile (about 5 min the first time), then about 4 min of measuring"
	@$(ENV); cargo build --workspace --release --bins $(LOCKED) && cargo bench --workspace --bench throughput $(LOCKED)

fuzz: build
	@$(ENV); "$$CARGO_TARGET_DIR/debug/fuzz" --seconds $(FUZZ_SECONDS)

model: build
	@bash scripts/model.sh --long

clean:
	@$(ENV); cargo clean
