# The environment lives in .venv, made from pyproject.toml and constraints.txt. Everything here is also plain pip and
# python: the README has the same commands.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)

# tests run in a worker per core, each worker on its own core
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadgroup --no-loadscope-reorder

.PHONY: demo test test-unit test-jobs test-system check bench ui env system clean help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST)

$(VENV)/ready: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) is not found; install Python 3.11, or run make PYTHON=path/to/python3.11."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@# a torch that is there and fits is kept: elsewhere the pinned one may bring gigabytes of CUDA packages
	$(BIN)/python -m pip show torch >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet $(TORCH)
	if $(BIN)/python -m pip show torch | grep -q "^Version: $(TORCH:torch==%=%)"; then cp constraints.txt $(VENV)/constraints.txt; \
	else grep -v '^torch==' constraints.txt > $(VENV)/constraints.txt; fi
	$(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt --editable '.[test,dev,fast,cluster,server]'
	touch $@

env: $(VENV)/ready  ## make the environment in .venv

demo: env  ## the first sweep: the demo tracker on the demo data, three backends
	$(BIN)/python -m harness -m backend=torch,onnx,openvino

test: env check  ## lint, types, import rules and all tests
	$(PYTEST)

test-unit: env  ## the tests that run in process, with contracts and parity
	$(PYTEST) tests/unit tests/contracts tests/parity

test-jobs: env  ## the tests that run jobs by the command line
	$(PYTEST) tests/jobs

test-system: env  ## the tests that kill processes, start servers and clusters, or drive a browser
	$(PYTEST) tests/system

check: env  ## lint, types and import rules alone
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: env  ## the benchmarks: writes benchmarks/latest.json and prints a table
	$(BIN)/python -m benchmarks.run

ui: env  ## the MLflow UI on the store of this folder
	$(BIN)/python -m harness ui

system:  ## what some tests need besides Python (Debian: chromium, ffmpeg, postgresql); without it they skip
	bash tools/install_system.sh

clean:  ## remove the environment and caches; outputs/ and mlruns/ stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build *.egg-info
