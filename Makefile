PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

SITE := docs/_build/html

.PHONY: demo test fuzz check format docs browser-test clean

demo: $(READY)  ## run the main job on embedded data
	$(BIN)/python -m studies heirs

test: check  ## lint, types and the whole test suite
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

fuzz: $(READY)  ## property tests on fresh examples and more of them
	HYPOTHESIS_PROFILE=fuzz OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

check: $(READY)  ## lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/ready-docs  ## the documentation's site: tutorials run, studies are drawn from the archive
	OMP_NUM_THREADS=1 MPLBACKEND=agg $(BIN)/sphinx-build --fail-on-warning --keep-going --quiet docs $(SITE)
	@echo "site: $(SITE)/index.html"

browser-test: docs  ## that site, and a report, in a headless Chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests_browser

.venv/ready-docs: $(READY)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Python 3.11 or newer is needed; make PYTHON=python3.12"'
	@echo 'setting up .venv: torch and others are installed, quietly; a minute, or several'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[test,dask,bench,baselines,evolution]'
	touch $(READY)

clean:
	rm -rf .venv build dist docs/_build docs/api docs/learn docs/studies *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
