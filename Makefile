# make demo: install and see what it does.   make test: install and prove it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2

.PHONY: demo setup check test bench gpu clean

demo: $(VENV)/.installed
	$(BIN)/monosome demo --out monosome-demo

setup: $(VENV)/.tested

check: $(VENV)/.tested
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q tests/architecture

# One torch thread per worker: two workers on two cores beat one worker on two threads.
test: $(VENV)/.tested
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -n $(JOBS) --dist worksteal --jaxtyping-packages=monosome,beartype.beartype

gpu: $(VENV)/.tested
	$(BIN)/pytest -q -m gpu tests/gpu

# make bench DATA=FOLDER runs those that need data, too.
bench: $(VENV)/.tested
	$(BIN)/monosome bench $(if $(DATA),--data $(DATA))

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q -c constraints.txt -e .
	touch $@

$(VENV)/.tested: pyproject.toml constraints.txt | $(VENV)/bin/pip
	$(BIN)/pip install -q -c constraints.txt -e ".[test]"
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis
