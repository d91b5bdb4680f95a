# What people and CI do here. Needs only make, Python >= 3.10 and the package registries; `make` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
WORKERS ?= 2

export DAGSTER_HOME := $(CURDIR)/.dagster_home
export DAGSTER_DISABLE_TELEMETRY := yes
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

# What is installed: `run` is enough to run jobs and the UI, `dev` adds what tests and linters need.
.venv/.run: pyproject.toml constraints.txt scripts/install
	@scripts/install run
	@touch $@

.venv/.dev: pyproject.toml constraints.txt scripts/install
	@scripts/install dev
	@touch .venv/.run $@

$(DAGSTER_HOME)/.ready: .venv/.run dagster.yaml
	@mkdir -p $(@D) && cp dagster.yaml $(@D)/
	@$(BIN)/dagster instance info > $(@D)/instance.log 2>&1 || { cat $(@D)/instance.log; exit 1; }
	@touch $@

.PHONY: setup
setup: .venv/.dev  ## make the virtual environment .venv with all that development needs

.PHONY: demo
demo: $(DAGSTER_HOME)/.ready  ## run the main job through Dagster on this machine alone and show what it did
	@$(BIN)/python scripts/demo.py

.PHONY: ui
ui: $(DAGSTER_HOME)/.ready  ## open Dagster's UI on the jobs of this folder (PORT=3000)
	@$(BIN)/dagster dev -w workspace.yaml -h 127.0.0.1 -p $${PORT:-3000}

.PHONY: rust
rust:  ## build what is written in Rust into dativo_dagster/native/
	@scripts/rust build

.PHONY: rust-asan
rust-asan:  ## run the tests of the Rust SDK under the address sanitizer
	@scripts/rust asan

.PHONY: test
test: .venv/.dev  ## install what the tests need, servers, browser and Rust included, and run them all
	@scripts/system-packages
	@scripts/rust setup build lint test asan
	@$(BIN)/pytest -n $(WORKERS) --dist loadgroup $(ARGS)

.PHONY: test-reliability
test-reliability: .venv/.dev  ## kill, interrupt and repeat runs at every step, for every mode and target; some minutes
	@scripts/system-packages
	@DATIVO_RELIABILITY=full $(BIN)/pytest tests/reliability -n $(WORKERS) --dist loadgroup $(ARGS)

.PHONY: check
check: .venv/.dev  ## lint, check types, import rules and declared dependencies, and that generated files are up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python scripts/generate.py --check
	scripts/rust setup lint

.PHONY: format
format: .venv/.dev  ## format the code and make the generated files anew
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	scripts/rust format
	$(BIN)/python scripts/generate.py

.PHONY: bench
bench: .venv/.dev  ## measure what docs/performance.md states; some minutes on a quiet machine
	@for name in csv_to_iceberg validation definitions small_job rust_csv rust_parquet python_plugin json_abi isolation postgres mysql merge scale containers functions; do $(BIN)/python benchmarks/$$name.py; done

.PHONY: screenshot
screenshot: .venv/.dev  ## take the picture of the UI that README.md shows
	@scripts/system-packages
	@$(BIN)/python scripts/screenshot.py

.PHONY: constraints
constraints: .venv/.dev  ## pin the newest versions that fit together, for all Pythons from 3.10 on
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --group bench --universal --python-version 3.10 \
		--upgrade --no-header --no-annotate --quiet --output-file constraints.txt

.PHONY: clean
clean:  ## remove what the demo and the tools made; the virtual environment stays
	rm -rf .dativo .dagster_home .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
