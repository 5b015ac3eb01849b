# `make` alone lists what there is to do.  Needs Python 3.11 or newer and nothing else.

ifndef PYTHON
PYTHON := $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && exit; done; echo python3)
endif
VENV   ?= .venv
JOBS   ?= 2
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo dev lint test test-full check accuracy bench bench-full clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.examples  ## compile a spiking network and classify real digits with it
	@$(BIN)/python examples/03_digits/demo.py

dev: $(VENV)/.dev  ## the environment for work on spikec itself, in $(VENV)

lint: $(VENV)/.dev  ## style, types and the one-way rule
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

test: $(VENV)/.dev  ## all tests, random ones in a tenth of their number
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q $(PYTEST_FLAGS)

test-full: $(VENV)/.dev  ## all tests with all random programs
	@SPIKEC_FULL=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal -q $(PYTEST_FLAGS)

check: lint test  ## lint, then test

accuracy: $(VENV)/.dev  ## what integer programs lose against float ones
	@$(BIN)/python benchmarks/accuracy.py

bench: $(VENV)/.dev  ## measure against peers (installs them into environments of their own), short form
	@$(BIN)/python benchmarks/run.py

bench-full: $(VENV)/.dev  ## the same with all cases, more rounds and full lengths
	@$(BIN)/python benchmarks/run.py --full

clean:  ## remove the environment and what builds leave behind
	@rm -rf $(VENV) build dist spikec.egg-info

# ---------------------------------------------------------------- environments

# The strict kind of editable installation is a tree of links, which type checkers can follow; a file
# that is added needs another installation, hence the list of sources.
SOURCES := $(shell find compiler dialects runtime backends -name '*.py' -o -name '*.lark' -o -name '*.snn' -o -name '*.mlir' -o -name '*.json')
LISTED  := $(VENV)/.sources

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "spikec needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make PYTHON=python3.12" >&2; exit 3; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "'$(PYTHON)' cannot make environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 3; }
	@echo "making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.examples: $(VENV)/.made pyproject.toml $(LISTED)
	@echo "installing spikec"
	@$(PIP) install -e '.[examples]' -C editable_mode=strict
	@touch $@

$(VENV)/.dev: $(VENV)/.made pyproject.toml $(LISTED)
	@echo "installing spikec and what its development needs"
	@$(PIP) install -e '.[dev,examples,fpga]' -C editable_mode=strict
	@touch $@ $(VENV)/.examples

# Rewritten only where a file came or went.
.PHONY: FORCE
$(LISTED): $(VENV)/.made FORCE
	@printf '%s\n' $(sort $(SOURCES)) | cmp -s - $@ || printf '%s\n' $(sort $(SOURCES)) > $@
