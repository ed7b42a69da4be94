# Two commands: `make demo` and `make test`. Each builds .venv when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Tiny models crawl when several threads share few cores.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: demo test test-slow check format screenshots clean

demo: $(VENV)/demo-installed
	$(BIN)/it-callbacks demo $(ARGS)

test: $(VENV)/dev-installed
	$(BIN)/python -m pytest $(ARGS)

test-slow: $(VENV)/dev-installed
	$(BIN)/python -m pytest -m slow $(ARGS)

check: $(VENV)/dev-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/dev-installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Needs a Chromium of the system.
screenshots: $(VENV)/dev-installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[e2e]"
	$(BIN)/python docs/screenshots.py $(ARGS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,plot]"
	touch $@

$(VENV)/dev-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache
