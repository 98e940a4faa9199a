# make demo  - one job life cycle on this machine, no root, no system service
# make test  - installs what the suite needs and runs all of it
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: help demo test lint bench docs clean
help:
	@sed -n '1,2s/^# //p' Makefile; echo "make lint   - ruff, mypy, import rules"; echo "make bench  - rates and memory, printed"; echo "make docs   - renew the tables and diagrams in docs/ (Graphviz)"

$(VENV)/.demo: setup.cfg pyproject.toml
	@bash testbed/venv.sh $(PYTHON) $(VENV) demo
	@touch $@

$(VENV)/.dev: setup.cfg pyproject.toml testbed/debian-packages
	@bash testbed/packages.sh testbed/debian-packages
	@bash testbed/venv.sh $(PYTHON) $(VENV) demo,mysql,dev
	@touch $@ $(VENV)/.demo

demo: $(VENV)/.demo
	@$(BIN)/python -m testbed.demo $(if $(KEEP),--keep) $(DEMO_ARGS)

test: $(VENV)/.dev
	@$(BIN)/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check . && $(BIN)/mypy . && $(BIN)/lint-imports --no-cache

bench: $(VENV)/.dev
	@$(BIN)/python -m bench

docs: $(VENV)/.dev
	@$(BIN)/python -m docs.generate

clean:
	rm -rf $(VENV) demo .mypy_cache .ruff_cache .pytest_cache build *.egg-info
