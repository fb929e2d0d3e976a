# Everything made here stays in this folder: .venv, .venv-3.2, .airflow*, dist, docs/_build and the tools' caches.

.DEFAULT_GOAL := help
.PHONY: help demo test test-3.2 check docs bench faults clean

# The first Python that is new enough; another one: make demo PYTHON=/path/to/python
PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)

BIN := .venv/bin
# Whoever works with Airflow may have settings of another one in the environment: none of them reaches the commands below.
unexport $(filter AIRFLOW%,$(.VARIABLES))
# Airflow writes its settings where it is first imported; not into the home folder.
export AIRFLOW_HOME := $(CURDIR)/.airflow

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9.-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/installed ## Run a real Airflow against the emulated vendors, check the numbers (KEEP=1 keeps its UI up)
	@$(BIN)/python tests/system/demo.py $(if $(KEEP),--keep,)

test: .venv/installed ## Run all tests on Airflow 3.3
	@$(BIN)/python -m pytest

test-3.2: .venv-3.2/installed ## Run all tests on Airflow 3.2
	@.venv-3.2/bin/python -m pytest

check: .venv/installed ## Style, types, import rules, metadata and the built wheel, in under two minutes
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "== mypy"
	@$(BIN)/mypy
	@echo "== import rules"
	@$(BIN)/lint-imports
	@echo "== metadata, imports and wheel"
	@$(BIN)/python -m pytest tests/packaging

docs: .venv/installed ## Build the documentation into docs/_build/html
	@echo "== sphinx"
	@$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: .venv/installed ## Measure against the targets, ten minutes or so (ONLY=sending runs one module)
	@$(BIN)/python -m tests.benchmarks $(ONLY)

faults: .venv/installed ## Kill and strike bulk writes of a real Airflow, judge every row, under ten minutes (SEED=… repeats a run)
	@$(BIN)/python -m tests.faults $(if $(SEED),--seed $(SEED),)

clean: ## Remove everything the other targets made, the virtual environments too
	rm -rf .venv .venv-3.2 .airflow* dist build docs/_build docs/reference/_generated
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find airflow_provider example_dags tests docs -name __pycache__ -prune -exec rm -rf {} +

# --- environments ----------------------------------------------------------------------------------------------------

.venv/installed: pyproject.toml constraints-3.3.txt
	$(call install,.venv,constraints-3.3.txt,test$(comma)check$(comma)docs$(comma)bench)

.venv-3.2/installed: pyproject.toml constraints-3.2.txt
	$(call install,.venv-3.2,constraints-3.2.txt,test)

comma := ,

# $(call install,folder,constraints,extras): the pinned packages, then this checkout in editable form.
define install
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with its venv module is needed and was not found" \
		"(Debian, Ubuntu: apt install python3 python3-venv); or say which: make PYTHON=/path/to/python" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; $(PYTHON) is $$("$(PYTHON)" --version 2>&1). Say which: make PYTHON=/path/to/python" >&2; exit 1; }
	@echo "== $(1): $$("$(PYTHON)" --version) and the packages of $(2); the first time this takes a few minutes"
	@test -x $(1)/bin/pip || "$(PYTHON)" -m venv $(1)
	@$(1)/bin/pip install --quiet --disable-pip-version-check -c $(2) hatchling
	@$(1)/bin/pip install --quiet --disable-pip-version-check -c $(2) --no-build-isolation -e '.[$(3)]'
	@touch $@
endef
