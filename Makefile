# The environment lives in .venv, made from pyproject.toml and constraints.txt. Everything here is also plain pip and
# python: the README has the same commands.
# Any Python from 3.11 to 3.13 will do. Another version than that of .venv gets an environment of its own, .venv-3.12 say.
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3 python; do \
	$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$name && break; done)
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV := $(shell if [ ! -x .venv/bin/python ] || .venv/bin/python -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(VERSION)")'; \
	then echo .venv; else echo .venv-$(VERSION); fi)
BIN := $(VENV)/bin
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)

# tests run in a worker per core, each worker on its own core; those of a file stay in one, which makes their fixtures once
PYTEST := $(BIN)/python -m pytest -n logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

CHECK := $(MAKE) --no-print-directory check

.PHONY: bytecode demo test test-unit test-products test-jobs test-system test-portable check lint docs bench ui env system clean help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' $(MAKEFILE_LIST)

$(VENV)/ready: pyproject.toml constraints.txt
	@test -n "$(VERSION)" || { echo "error: no Python from 3.11 to 3.13 is found; install one, or run make PYTHON=path/to/python3.11."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@# a torch that is there and fits is kept: elsewhere the pinned one may bring gigabytes of CUDA packages
	$(BIN)/python -m pip show torch >/dev/null 2>&1 || $(BIN)/python -m pip install --quiet $(TORCH)
	if $(BIN)/python -m pip show torch | grep -q "^Version: $(TORCH:torch==%=%)"; then cp constraints.txt $(VENV)/constraints.txt; \
	else grep -v '^torch==' constraints.txt > $(VENV)/constraints.txt; fi
	$(BIN)/python -m pip install --quiet --constraint $(VENV)/constraints.txt --editable '.[test,dev,docs,fast,cluster,server,trax]'
	touch $@

env: $(VENV)/ready  ## make the environment in .venv

# hundreds of processes import this: compiled once, also where PYTHONDONTWRITEBYTECODE keeps each of them from doing so
bytecode: env
	@$(BIN)/python -m compileall -q harness tests/support

demo: env  ## the first sweep: the demo tracker on the demo data, three backends
	$(BIN)/python -m harness -m backend=torch,onnx,openvino

test: bytecode  ## lint, types, import rules and all tests
	@# the checks take what the tests leave of the processors, and say at the end what they found
	@mkdir -p build; nice -n 19 $(CHECK) >build/check.log 2>&1 & checks=$$!; \
	trap "kill $$checks" INT TERM; $(PYTEST); tests=$$?; wait $$checks; checked=$$?; \
	if test $$checked -eq 0; then echo "lint, types and import rules: passed (build/check.log)"; \
	else cat build/check.log; echo "error: make check failed, see above."; fi; exit $$((tests ? tests : checked))

test-unit: bytecode  ## the fast tests, which run in process: those to wait for at each edit
	$(PYTEST) tests/unit

test-products: bytecode  ## every product held to its interface (contracts), networks and scores to the published ones (parity)
	$(PYTEST) tests/contracts tests/parity

# of the other tiers what holds parts of harness/ rather than whole jobs
PORTABLE := $(addprefix tests/jobs/test_,$(addsuffix .py,backends_with_models benchmark_task damaged_cache demo_split doctor_trials mlflow_log mlflow_runs \
	native_devices native_process openvino_blobs openvino_cache openvino_models parallel_boxes profiles ray_worker sources_on_backends training))

test-portable: bytecode  ## the unit tests, and those of parts with models, with all calls removed that Windows lacks
	HARNESS_WITHOUT_POSIX=1 $(PYTEST) tests/unit $(PORTABLE) tests/system/test_children.py

docs: env  ## the documentation as a site in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --config-file tools/mkdocs.yml

test-jobs: bytecode  ## the tests that run jobs by the command line
	$(PYTEST) tests/jobs

test-system: bytecode  ## the tests that kill processes, start servers and clusters, or drive a browser
	$(PYTEST) tests/system

check: env  ## lint, types and import rules alone
	@$(MAKE) --no-print-directory --jobs 3 types-win32 types-darwin types-linux lint

lint:
	$(BIN)/ruff check .
	$(BIN)/lint-imports

# each system has a cache of its own: mypy throws away what was found for another one
types-%:
	$(BIN)/mypy --platform $* --cache-dir .mypy_cache/$*

bench: bytecode  ## the benchmarks: writes benchmarks/latest.json and prints a table
	$(BIN)/python -m benchmarks.run

ui: env  ## the MLflow UI on the store of this folder
	$(BIN)/python -m harness ui

system:  ## what some tests need besides Python (Debian: chromium, ffmpeg, postgresql); without it they skip
	bash tools/install_system.sh

clean:  ## remove the environment and caches; outputs/ and mlruns/ stay
	rm -rf .venv .venv-3.* .mypy_cache .ruff_cache .pytest_cache build *.egg-info
