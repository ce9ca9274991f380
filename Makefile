# Kessetsu. `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
MEASURING := $(VENV)/.measuring
PROJECTS := pyproject.toml $(wildcard clients/pyproject.toml)
PYTEST_ARGS ?=
PROCESSES ?= 2
COMPILE := $(BIN)/uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)
# Without isolation, so that what builds a package is locked too.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --use-pep517

.PHONY: help install demo test lint format bench soak lock clean

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED) ## Set up .venv from the locked requirements (every other command does it first)

demo: $(INSTALLED) ## Show the whole way of a report on a hub of its own (KEEP=1: leave it running)
	@$(BIN)/python -m hub.demo $(if $(KEEP),--keep)

test: lint ## Check everything: style, types, direction of imports, tests
	@$(BIN)/python -m pytest -q -n $(PROCESSES) --dist loadfile $(PYTEST_ARGS)

lint: $(INSTALLED) ## Check style, types and direction of imports
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

format: $(INSTALLED) ## Format the code and mend what can be mended mechanically
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

bench: $(INSTALLED) $(MEASURING) ## Measure speed and memory against the baselines (needs a C compiler)
	@$(BIN)/python -m tests.benchmarks

soak: $(INSTALLED) ## Kill the programs at random for a long time
	@$(BIN)/python -m pytest tests/faults -m soak $(PYTEST_ARGS)

lock: $(INSTALLED) ## Write the locked requirements anew (UPGRADE=1: take newer versions)
	@$(COMPILE) pyproject.toml -o requirements.lock
	@$(COMPILE) $(PROJECTS) --group dev -c requirements.lock -o requirements-dev.lock
	@$(COMPILE) --group build -o requirements-build.lock
	@$(COMPILE) --group bench -c requirements-dev.lock -o requirements-bench.lock

clean: ## Remove what set-up, demo and tests made
	@rm -rf $(VENV) .demo .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
		echo "$(PYTHON) is not here. Install Python 3.11 (Debian: apt-get install python3.11 python3.11-venv)" >&2; \
		echo "or name another one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			echo "Installing Debian's python3.11-venv, which $(PYTHON) needs to make .venv"; \
			{ apt-get install -y -qq python3.11-venv || { apt-get update -qq && apt-get install -y -qq python3.11-venv; }; } >/dev/null; \
		else \
			echo "$(PYTHON) cannot make virtual environments. As root: apt-get install python3.11-venv" >&2; exit 1; \
		fi; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): requirements-build.lock requirements-dev.lock $(PROJECTS) | $(BIN)/python
	@echo "Installing the locked requirements; this takes about a minute the first time"
	@$(PIP_INSTALL) --require-hashes -r requirements-build.lock
	@$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	@$(PIP_INSTALL) --no-deps $(foreach project,$(PROJECTS),-e $(dir $(project)))
	@touch $@

$(MEASURING): requirements-bench.lock $(INSTALLED)
	@$(PIP_INSTALL) --require-hashes -r requirements-bench.lock
	@touch $@
