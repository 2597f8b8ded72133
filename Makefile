# Everything sets itself up: a Python environment in .venv, the Pulumi engine in .engine.
# Needed: Python >= 3.11 and make; and Go >= 1.21, or a pulumi >= 3.220 on PATH, or the way to
# get.pulumi.com, from where Pulumi is downloaded otherwise.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
READY := .venv/ready
# pulumi-azure-native is 400 MB of source, of which a program imports two modules.
NOT_COMPILED := 'pulumi_azure_native/(?!dbforpostgresql|monitor|[^/]+\.py)'
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help setup engine demo test test-full lint format docs docs-pages lock clean

help:
	@sed -n 's/^## //p' Makefile

## make demo       rehearse the stack `local` and prove that every change is captured
demo: setup
	@$(BIN)/azure-postgres-rehearsal demo $(ARGS)

## make test       the tests, in under 20 minutes
test: setup
	@$(BIN)/pytest -n 2 --dist loadscope -m "not full" $(ARGS)

## make test-full  and the long ones: other versions of PostgreSQL, whole stacks
test-full: setup
	@$(BIN)/pytest -n 2 --dist loadscope $(ARGS)

## make lint       formatting, lint rules, types
lint: $(READY)
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy

## make format     bring the code into shape
format: $(READY)
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

## make docs       build the pages of docs/ into site/; any warning is an error
docs: docs-pages
	@# The variable turns off what the theme says of its successor.
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

## make docs-pages write those that are made: configuration, components, policies
docs-pages: $(READY)
	@$(BIN)/python tools/configuration_page.py
	@$(BIN)/python tools/components_page.py
	@$(BIN)/python tools/policies_page.py

## make setup      only set up
setup:
	@$(MAKE) --no-print-directory --jobs 2 $(READY) engine

# Without Go, the SDK in .venv has the engine downloaded.
engine: $(if $(shell command -v go || true),,$(READY))
	@$(PYTHON) tools/engine/install.py >/dev/null

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python >= 3.11 is needed; make PYTHON=... chooses another one")'
	@echo "setting up .venv (once)" >&2
	@$(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m compileall -q -j 2 -x $(NOT_COMPILED) .venv/lib
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(READY)

## make lock       pin the newest versions, with hashes
lock: $(READY)
	@$(BIN)/pip install --quiet uv
	@$(LOCK) pyproject.toml -o requirements/base.txt
	@$(LOCK) --extra rehearsal --extra policies --extra dev pyproject.toml -o requirements/dev.txt

## make clean      remove what was set up
clean:
	rm -rf .venv .engine build dist site *.egg-info
