# Every target makes .venv when it is missing and brings it up to date when setup.py changed.
PYTHON := .venv/bin/python
INSTALLED := .venv/.installed
# One thread per test process: the two workers would otherwise fight for the cores.
PYTEST := OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 2

.PHONY: demo test test-all test-mixins lint format clean

demo: $(INSTALLED)
	.venv/bin/videomae demo

test: lint
	$(PYTEST) -m "not slow and not gpu"

test-all: lint test-mixins
	$(PYTEST) -m "not gpu"

# transformers' common tests on our classes; fetches its source distribution, which alone has them.
test-mixins: $(INSTALLED)
	$(PYTHON) tests/mixins/fetch.py .venv/transformers
	PYTHONPATH=.venv/transformers $(PYTEST) -o addopts= -W ignore::pytest.PytestUnknownMarkWarning tests/mixins

lint: $(INSTALLED)
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

format: $(INSTALLED)
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache

$(INSTALLED): setup.py pyproject.toml
	@test -x $(PYTHON) || { \
	  for python in python3.11 python3.12 python3.13 python3; do \
	    if $$python -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2> /dev/null; then \
	      exec $$python -m venv .venv; \
	    fi; \
	  done; \
	  echo "error: needs Python 3.11, 3.12 or 3.13 with venv on the PATH" >&2; exit 1; }
	$(PYTHON) -m pip install -e ".[test]"
	touch $@
