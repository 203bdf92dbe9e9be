# The two commands that matter: `make book` and `make test`. `make help` lists the rest.

PYTHON  ?= python3
VENV    ?= .venv
WORKERS ?= 2

BIN       := $(VENV)/bin
INSTALLED := $(VENV)/.installed
NOTEBOOKS := $(wildcard book/*.ipynb)

# One thread per test worker: numpy, numba and torch would each start one per core otherwise.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1

export PYDEVD_DISABLE_FILE_VALIDATION := 1

.DEFAULT_GOAL := help
.PHONY: help venv book test bench lint strip refs clean distclean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(INSTALLED) ## make .venv with the package and all that book and tests need

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e ".[book,test,pythia,hep,ml]"
	@touch $@

# What the chapters' results depend on besides their own cells.
FINGERPRINT = find hadtutor data constraints.txt -type f ! -name '*.pyc' ! -name '.*' | LC_ALL=C sort | xargs cksum | cksum | cut -d' ' -f1

book: $(INSTALLED) ## execute every chapter and build _build/html
	@stamp=_build/.package-$$($(FINGERPRINT)); \
	if [ ! -e $$stamp ]; then \
	  echo "package or data changed: every chapter is executed anew"; \
	  rm -rf _build/.jupyter_cache _build/.doctrees _build/html _build/.package-*; \
	  mkdir -p _build; touch $$stamp; \
	fi
	@rm -rf _build/html/reports
	@$(ONE_THREAD) $(BIN)/python tools/execute_pages.py --workers $(WORKERS)
	@$(ONE_THREAD) $(BIN)/jupyter-book build . -W --keep-going -n || { \
	  find _build/html/reports -name '*.log' -exec sh -c 'echo; echo "==== $$1"; cat "$$1"' _ {} \; 2>/dev/null; \
	  rm -rf _build/.doctrees; \
	  echo "make book: failed; the warnings and tracebacks above say why" >&2; exit 1; }
	@$(BIN)/python tools/check_pages.py || { echo "make book: built, but the pages above jar" >&2; exit 1; }

test: $(INSTALLED) lint ## check notebooks and style, run unit tests, doctests and every notebook
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

bench: $(INSTALLED) ## run the benchmark suites
	$(BIN)/python -m pytest benchmarks -q --benchmark-only --benchmark-sort=name --benchmark-columns=min,median,rounds

lint: $(INSTALLED) ## check that notebooks are clean, and that ruff and the type checker are content
	$(BIN)/python tools/nbclean.py --check $(NOTEBOOKS)
	$(BIN)/ruff check .
	$(BIN)/mypy

strip: $(INSTALLED) ## remove notebook outputs, except those of checked cells
	$(BIN)/python tools/nbclean.py $(NOTEBOOKS)

refs: $(INSTALLED) ## execute the notebooks in place to renew the outputs of checked cells
	$(BIN)/jupyter-execute --inplace $(NOTEBOOKS)
	$(BIN)/python tools/nbclean.py $(NOTEBOOKS)

clean: ## remove what book and tests built, keep .venv
	rm -rf _build build dist .pytest_cache .ruff_cache .hypothesis .benchmarks htmlcov .coverage

distclean: clean ## remove .venv too
	rm -rf $(VENV)
