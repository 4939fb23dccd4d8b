# wattbook: every command there is. `make` lists them.
# Works with GNU make 3.81 (macOS) and later.

SHELL := /bin/sh
# A process that finds byte code starts in three quarters of the time; tests start hundreds.
unexport PYTHONDONTWRITEBYTECODE
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# A release must be a week old before it enters the lock: time enough for others to find a bad one.
COOLING_OFF := 7 days
# Found by running them: a pyenv shim can exist and still fail.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; \
	then echo $$p; break; fi; done)

INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --override requirements-unused.txt
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --exclude-newer "$(COOLING_OFF)" --custom-compile-command "make lock"

.DEFAULT_GOAL := help
.PHONY: help demo test cover check fast lock bench clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-6s  %s\n", $$1, $$2}' Makefile

demo: $(VENV)/.runtime ## load the sample sites and serve them (ARGS=--no-serve: load only)
	@$(BIN)/wattbook demo $(ARGS)

# Three, also on two cores: many a test waits for a process or a server.
test: $(VENV)/.dev ## run every test (ARGS go to pytest)
	@$(BIN)/pytest -n 3 $(ARGS)

cover: $(VENV)/.dev ## run every test and say which lines and branches none reaches
	@$(BIN)/pytest -n 3 --cov $(ARGS)

check: $(VENV)/.dev ## lint, format, types, layers, spelling
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/codespell

fast: $(VENV)/.dev ## run the quick tests, which need no server, browser or process (ARGS go to pytest)
	@$(BIN)/pytest -n 2 --hypothesis-profile fast -m "not services and not browser and not slow and not process" $(ARGS)

lock: $(VENV)/.uv ## renew requirements*.txt after a change (ARGS=--upgrade: newest of everything)
	@$(COMPILE) $(ARGS) --output-file requirements.txt
	@$(COMPILE) $(ARGS) --output-file requirements-dev.txt --extra dev --constraint requirements.txt

bench: $(VENV)/.dev ## measure the hot paths, one file of bench/ after the other
	@set -e; for file in bench/[a-z]*.py; do \
		test -f "$$file" || { echo "bench/ is empty"; break; }; \
		echo "== $$file"; $(BIN)/python "$$file" $(ARGS); \
	done

clean: ## remove the environment, caches and builds (never wattbook-data)
	@rm -rf $(VENV) dist build htmlcov .coverage .coverage.* coverage.xml \
		.mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .benchmarks
	@find src tests bench examples .ci -name __pycache__ -type d -prune \
		-exec rm -rf {} + 2>/dev/null || true

# --- the environment: each stamp is newer than what it was made from ---------------------------

$(VENV)/.uv:
	@test -n "$(PYTHON)" || { \
		echo "wattbook needs Python 3.11 or newer; none runs here (or say make PYTHON=/path/to/python)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "wattbook needs Python 3.11 or newer; $(PYTHON) is not"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make an environment; on Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "setting up $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv --clear $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

$(VENV)/.runtime: $(VENV)/.uv requirements.txt requirements-unused.txt pyproject.toml
	@echo "installing what wattbook runs on"
	@$(INSTALL) --require-hashes -r requirements.txt
	@$(INSTALL) --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.txt
	@echo "installing what the tests and checks need"
	@$(INSTALL) --require-hashes -r requirements-dev.txt
	@touch $@
