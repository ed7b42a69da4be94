# `make demo`, `make test`, `make bench`. Each builds .venv when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Kernels other than the best of this processor, whose results differ in the last digit: no example
# and no test may hang on it. Any x86-64 runs them. A core type that is set already stays.
OTHER_BLAS := OPENBLAS_CORETYPE=$${OPENBLAS_CORETYPE:-Nehalem}

# Tiny models crawl when several threads share few cores.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

# Tests start many processes: what these import is compiled once, whatever the user's shell says.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-browser test-kernels test-lowest test-slow bench reproduce check format docs screenshots clean

demo: $(VENV)/demo-installed
	$(BIN)/it-callbacks demo $(ARGS)

# Two processes, one for each core of a small machine; a file stays in one of them.
# MLflow's own store is tested where MLflow is installed; -rs tells if not.
test: $(VENV)/dev-installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -rs $(ARGS)

# What is seen in a browser, where there is a Chromium of the system; -rs tells if not.
test-browser: $(VENV)/dev-installed
	$(BIN)/python -m pytest -n 2 --dist loadfile -rs -m "browser and not slow" $(ARGS)

# The examples in docstrings and on pages, by other kernels.
test-kernels: $(VENV)/dev-installed
	ATEN_CPU_CAPABILITY=default $(OTHER_BLAS) \
	  $(BIN)/python -m pytest -n 2 --dist loadfile tests/test_docs.py tests/test_docstrings.py $(ARGS)

# The fast tests with the lowest versions that pyproject.toml allows.
test-lowest: $(VENV)/lowest-installed
	$(VENV)/lowest/bin/python -m pytest -n 2 --dist loadfile -rs $(ARGS)

# What is slow, networks of others among it, then all fast tests by other kernels, twice.
test-slow: $(VENV)/dev-installed $(VENV)/zoo-installed
	$(BIN)/python -m pytest -m slow --ignore=tests/test_zoo.py $(ARGS)
	$(VENV)/zoo/bin/python -m pytest -m slow tests/test_zoo.py
	for capability in default avx2; do \
	  ATEN_CPU_CAPABILITY=$$capability $(OTHER_BLAS) \
	    $(BIN)/python -m pytest -n 2 --dist loadfile -rs $(ARGS) || exit 1; \
	done

# Ratios against their goals, ours beside other packages; fails if one is past what it must keep to.
# ARGS names subjects; `make -s bench > table.md` is what the docs show.
bench: $(VENV)/bench-installed
	$(BIN)/python -m tests.benchmarks $(ARGS)

# The literature's experiments, a quarter of an hour; fails if a signature is missed. ARGS: --fast.
reproduce: $(VENV)/demo-installed
	$(BIN)/python examples/reproduce $(ARGS)

check: $(VENV)/dev-installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/dev-installed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The site, in docs/_build; a warning is an error. Nothing is fetched but what pip installs.
docs: $(VENV)/docs-installed
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d docs/_build/.doctrees docs docs/_build $(ARGS)
	@echo "docs/_build/index.html"

# Needs a Chromium of the system.
screenshots: $(VENV)/dev-installed
	$(BIN)/python docs/screenshots.py $(ARGS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,plot]"
	touch $@

$(VENV)/dev-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

$(VENV)/bench-installed: pyproject.toml constraints.txt | $(VENV)/dev-installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	touch $@

# Beside the others and with all they have: torchmetrics imports torchvision where it is installed,
# and torchvision from PyPI cannot be imported beside a torch for the CPU (see tests/conftest.py).
$(VENV)/zoo-installed: pyproject.toml constraints.txt | $(VENV)/dev-installed
	$(BIN)/python -m venv $(VENV)/zoo
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" \
	  > $$($(VENV)/zoo/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/dev.pth
	$(VENV)/zoo/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[zoo]"
	touch $@

$(VENV)/lowest-installed: pyproject.toml constraints.txt tests/lowest.py
	$(PYTHON) -m venv $(VENV)/lowest
	$(VENV)/lowest/bin/python tests/lowest.py > $(VENV)/lowest.txt
	$(VENV)/lowest/bin/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/lowest.txt -e ".[test]"
	touch $@

$(VENV)/docs-installed: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@

clean:
	rm -rf $(VENV) runs docs/_build .pytest_cache .mypy_cache .ruff_cache
