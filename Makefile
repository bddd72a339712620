# The two main targets are `make demo` and `make test`. Windows without make: see README.md, "Start".
PYTHON ?= python3
ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif

.PHONY: install dev demo test check site bench clean

install: $(BIN)/sparring  ## .venv with the package and the demo's data

$(BIN)/sparring: constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo]"

dev: install  ## and the tools that check it
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"

demo: install  ## train on the embedded digits, under 3 minutes on 2 cores
	$(BIN)/sparring train digits --minutes 2

check: dev  ## lint, format, types, floors, glossary (CONTRIBUTING.md)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/check_glossary.py

test: export OMP_NUM_THREADS = 1
test: check  ## and the tests, one process a core
	$(BIN)/python -m pytest -n auto --dist loadfile

site: dev  ## the pages as a site, with an API reference: .site/html/index.html
	$(BIN)/python .ci/site.py

bench: dev  ## the short form of each benchmark: which figures moved since the recorded ones
	$(BIN)/python benchmarks/bench.py

clean:
	$(PYTHON) -c "import shutil; [shutil.rmtree(p, True) for p in ('.venv', '.site', 'runs', '.mypy_cache', '.ruff_cache', '.pytest_cache')]"
