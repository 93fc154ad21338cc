# Every habit of the project is one word. Each word does its own set-up in .venv.
#   make            lists the words
#   make test ARGS="tests/ext -x"     ARGS goes to the program behind demo, test, bench and gate
#   make setup PYTHON=/opt/python3.12/bin/python3

SHELL := /bin/sh
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# cython-lint calls pycodestyle; the engine starts wow-sim and wow-relay: all found on PATH.
export PATH := $(abspath $(BIN)):$(PATH)

# The first interpreter that really runs and is new enough; otherwise python3, for its message.
ifndef PYTHON
PYTHON := $(shell for candidate in python3.11 python3 python3.12 python3.13; do \
    $$candidate -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
    && { echo $$candidate; exit; }; done; echo python3)
endif

PACKAGES := bench control engine ext feeds gateways journal monitor sim tuning
CYTHON_SOURCES := $(shell find bench ext -name '*.pyx' -o -name '*.pxd')
COMPILED := $(subst /,.,$(basename $(shell find bench ext -name '*.pyx' | sort)))
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Set-up is a row of stamp files: a second call finds them newer than their sources and is instant.
VENV_STAMP := $(VENV)/.stamp-venv
RUN_STAMP := $(VENV)/.stamp-run
TEST_STAMP := $(VENV)/.stamp-test
CHECK_STAMP := $(VENV)/.stamp-check
PEERS_STAMP := $(VENV)/.stamp-peers
PEERS_VENV := .venv-peers
PEERS_VENV_STAMP := $(PEERS_VENV)/.stamp-peers
SCRIPTS_STAMP := $(VENV)/.stamp-scripts
BUILD_STAMP := $(VENV)/.stamp-ext

CHECKS := check-format check-lint check-cython check-types check-stubs check-layers check-spelling

.PHONY: help setup build demo test sim crash kill check
.PHONY: bench gate risk format hooks annotate peers clean
.PHONY: $(CHECKS)

help: ## list the words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

setup: $(TEST_STAMP) $(CHECK_STAMP) build ## everything below, ready to work: .venv, tools, build

build: $(BUILD_STAMP) $(SCRIPTS_STAMP) ## compile ext/ in place, put the commands into .venv/bin

demo: build ## the whole path on a simulated venue, under a minute
	$(BIN)/wow-engine --config configs/demo.toml $(ARGS)

test: build $(TEST_STAMP) ## the tests, in random order
	$(BIN)/python -m pytest $(ARGS)

sim: build ## engine against venue in worlds of one seed each, until stopped
	$(BIN)/python -m sim $(if $(ARGS),$(ARGS),--count 0)

check: build $(TEST_STAMP) $(CHECK_STAMP) ## format, lint, types, stubs, layers, spelling
	@$(MAKE) --keep-going --no-print-directory $(CHECKS)

bench: build $(TEST_STAMP) ## the benchmarks, real sizes
	$(BIN)/wow-bench run $(ARGS)

crash: build $(TEST_STAMP) ## kill a trading engine 200 times, 20 with stops, a long run once
	$(BIN)/python -m tests.integration.crash_trial --count 200 $(ARGS)
	$(BIN)/python -m tests.integration.crash_trial --count 20 --stops $(ARGS)
	$(BIN)/python -m tests.engine.long_run_trial --frames 1000000

risk: build $(TEST_STAMP) ## the risk gate against plain Python, a million random orders
	$(BIN)/python -m tests.ext.risk_trial $(ARGS)

kill: build $(TEST_STAMP) ## KILL from each source in each state of the engine, crashes in between
	$(BIN)/python -m tests.integration.kill_trial $(ARGS)

gate: build $(TEST_STAMP) ## allocations, instruction counts, times against the merge base
	$(BIN)/wow-bench gate $(ARGS)

format: $(CHECK_STAMP) ## rewrite the sources in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only .

hooks: $(CHECK_STAMP) ## install the pre-commit hooks
	$(BIN)/prek install

annotate: $(RUN_STAMP) ## Cython's HTML: which lines touch Python, under build/cython
	WOW_BUILD=annotate CYTHON_FORCE_REGEN=1 $(BIN)/python setup.py --quiet build_ext --inplace
	@find build/cython -name '*.html' | sort

peers: $(PEERS_STAMP) $(PEERS_VENV_STAMP) ## counterparts of tests and benchmarks (takes minutes)

clean: ## remove what was built; .venv stays
	rm -rf $(BUILD_STAMP) build *.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(PACKAGES) -name '*.so' -delete
	find $(PACKAGES) tests -name __pycache__ -prune -exec rm -rf {} +

# --- the parts of check; each is also a pre-commit hook ---------------------------------------

check-format: $(CHECK_STAMP)
	$(BIN)/ruff format --check --quiet --output-format concise .

check-lint: $(CHECK_STAMP)
	$(BIN)/ruff check --quiet --output-format concise .

check-cython: $(CHECK_STAMP)
	$(BIN)/cython-lint bench ext

check-types: $(CHECK_STAMP) $(TEST_STAMP)
	$(BIN)/mypy $(PACKAGES) tests

check-stubs: $(CHECK_STAMP) build
	$(BIN)/python -m mypy.stubtest --concise --mypy-config-file pyproject.toml \
	    --allowlist .ci/stubtest-allowlist --ignore-unused-allowlist $(COMPILED)

check-layers: $(CHECK_STAMP)
	$(BIN)/lint-imports --no-cache --no-logo

check-spelling: $(CHECK_STAMP)
	$(BIN)/codespell

# --- set-up -----------------------------------------------------------------------------------

define PREFLIGHT
import os, shutil, sys, sysconfig

problems = []
if sys.version_info < (3, 11):
    problems.append(
        "%s is Python %d.%d; use 3.11 or newer: make PYTHON=/path/to/python3.11 ..."
        % ((sys.executable,) + sys.version_info[:2])
    )
try:
    import ensurepip, venv
except ImportError:
    problems.append("this Python has no venv module: apt-get install python3-venv")
header = os.path.join(sysconfig.get_paths()["include"], "Python.h")
if not os.path.exists(header):
    problems.append("%s is missing: apt-get install python3-dev" % header)
compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
if not shutil.which(compiler):
    problems.append("no C compiler: %r was not found: apt-get install gcc libc6-dev" % compiler)
sys.exit("".join("make: %s\n" % problem for problem in problems).rstrip() if problems else 0)
endef
export PREFLIGHT

$(VENV_STAMP):
	@command -v $(PYTHON) >/dev/null 2>&1 \
	    || { echo "make: no Python found: $(PYTHON); install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c "$$PREFLIGHT"
	@test -x $(BIN)/python || { echo "set-up: $(VENV) with $(PYTHON)"; $(PYTHON) -m venv $(VENV); }
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

# One call resolves run time and build together, so that both see the same picows and numpy.
$(RUN_STAMP): pyproject.toml | $(VENV_STAMP)
	@echo "set-up: dependencies"
	@$(BIN)/python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb')); \
	    print(*project['project']['dependencies'], sep='\n')" > $(VENV)/requirements.txt
	@$(PIP) install --requirement $(VENV)/requirements.txt --group build
	@touch $@

$(TEST_STAMP): $(RUN_STAMP)
	@echo "set-up: test tools"
	@$(PIP) install --requirement $(VENV)/requirements.txt --group test
	@touch $@

$(CHECK_STAMP): $(RUN_STAMP)
	@echo "set-up: check tools"
	@$(PIP) install --requirement $(VENV)/requirements.txt --group check
	@touch $@

$(PEERS_STAMP): $(RUN_STAMP)
	@echo "set-up: peers"
	@$(PIP) install --group peers
	@touch $@

# They want other versions of NumPy and uvloop than we do: an environment of their own.
$(PEERS_VENV_STAMP): pyproject.toml | $(VENV_STAMP)
	@echo "set-up: peers beside the engine, in $(PEERS_VENV)"
	@test -x $(PEERS_VENV)/bin/python || $(BIN)/python -m venv $(PEERS_VENV)
	@$(BIN)/python -m pip --disable-pip-version-check --quiet \
	    --python $(PEERS_VENV)/bin/python install --group peers-beside
	@touch $@

$(BUILD_STAMP): $(CYTHON_SOURCES) setup.py $(RUN_STAMP)
	@echo "build: ext, bench"
	@$(BIN)/python setup.py --quiet build_ext --inplace --parallel "$$(nproc)"
	@touch $@

# Editable: .venv/bin gets the commands, and the checkout's own folders are what they import.
$(SCRIPTS_STAMP): pyproject.toml $(RUN_STAMP) | $(BUILD_STAMP)
	@echo "build: commands"
	@$(PIP) --quiet install --no-deps --no-build-isolation --editable .
	@touch $@
