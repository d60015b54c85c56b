# Public users without torch's small CPU build on their index: make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH_INDEX ?=
INDEX := $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX),)
JOBS ?= 2
# The workers are the parallelism; torch's own threads beside them make everything slower.
TEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS)
INSTALLED := $(VENV)/.installed

.PHONY: help demo test check fuzz lint bench bench-diff clean
help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

# torch in the same call as the project and pinned: a plain range would pull gigabytes of GPU packages.
$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "cpcc needs Python 3.11 or newer; name one: make PYTHON=python3.11"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check $(INDEX) -c constraints.txt torch==2.13.0 -e '.[dev]'
	touch $@

demo: $(INSTALLED) ## prune, compile and verify a detector on real medical data
	$(BIN)/cpcc doctor --fix
	$(BIN)/cpcc demo

test: $(INSTALLED) ## everything CI runs
	$(BIN)/cpcc doctor --fix
	$(TEST)

check: $(INSTALLED) lint ## lint, types and the quick tests
	$(TEST) -m 'not slow and not fuzz'

fuzz: $(INSTALLED) ## the long random tests
	$(BIN)/cpcc doctor --fix
	$(TEST) -m fuzz

lint: $(INSTALLED) ## ruff and mypy
	$(BIN)/ruff check compiler firmware tests examples bench
	$(BIN)/mypy

bench: $(INSTALLED) ## models, kernels and peers: the tables of docs/performance.md
	$(BIN)/python bench/run.py
	$(BIN)/python bench/verify_speed.py

bench-diff: $(INSTALLED) ## what moved by more than 2 % in bench/results since the last commit
	$(BIN)/python bench/compare.py

clean: ## remove what the targets above made
	rm -rf $(VENV) build .pytest_cache .mypy_cache .ruff_cache .hypothesis
