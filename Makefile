# One environment for everything; CASES= names a folder with the large benchmark cases, DATA= a table of
# serving measurements (optimiser/accuracy/table.py has its columns), PERFORMANCE=silicon what `make accuracy` judges,
# ENGINES= one for the pace of engines that DATA lacks (`make fit DATA=` fits that alone, all else stays),
# TRAINING= a table of training runs (optimiser/costing/training/accuracy/table.py) that it judges in their place.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXTRAS_VENV := .venv-extras
EXTRAS := test,calibrate,silicon,dask
CONSTRAINTS := .ci/constraints.txt
CASES ?=
DATA ?= ../shared/data/serving_measurements.csv
ENGINES ?= tests/accuracy/sglang.csv
PERFORMANCE ?= roofline
TRAINING ?=

.PHONY: recommend test test-extras check bench accuracy fit live clean

recommend: $(VENV)/.installed
	@$(BIN)/optimiser recommend config/workloads/chat-llama-70b.yaml

test: $(VENV)/.installed-test
	$(BIN)/pytest -n 2 --dist worksteal

# What needs heavy extras has an environment of its own, so that `make test` proves that nothing else does.
test-extras: $(EXTRAS_VENV)/.installed
	$(EXTRAS_VENV)/bin/pytest tests/extras

check: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(VENV)/.installed-test
	$(BIN)/python tests/bench/run.py $(if $(CASES),--cases $(CASES))

accuracy: $(VENV)/.installed
	@$(BIN)/python -m $(if $(TRAINING),optimiser.costing.training.accuracy $(TRAINING),optimiser.accuracy $(DATA) --performance $(PERFORMANCE))

fit: $(VENV)/.installed
	@$(BIN)/python -m optimiser.accuracy.fit_command $(DATA) $(if $(ENGINES),--engines $(ENGINES))

live: $(VENV)/.installed-test
	$(BIN)/pytest -m live -v -rs --tb=short tests/live

clean:
	rm -rf $(VENV) $(EXTRAS_VENV) build dist

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[test,check]'
	@touch $@ $(VENV)/.installed

$(EXTRAS_VENV)/.installed: pyproject.toml $(CONSTRAINTS) | $(VENV)/bin/python
	@$(BIN)/python -m venv $(EXTRAS_VENV)
	@$(EXTRAS_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(CONSTRAINTS) --editable '.[$(EXTRAS)]'
	@touch $@
