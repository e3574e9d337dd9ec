# make help lists the targets. Everything runs in .venv, made from uv.lock; uv itself is bootstrapped when missing.
SHELL := /bin/bash
export UV_PYTHON_DOWNLOADS ?= never
export UV_LINK_MODE ?= copy
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .venv-tools/bin/uv)
RUN := .venv/bin/python
STAMP := .venv/.synced
# Processes of the tests; each keeps to one thread. More than eight would wait for the longest file.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1); echo $$(( n > 8 ? 8 : n )))

.PHONY: help setup demo machine test lint audit proofs bench serve docs format clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.venv-tools/bin/uv:
	@PYTHON=$(PYTHON) .ci/machine run
	@$(PYTHON) -m venv .venv-tools && .venv-tools/bin/pip install --quiet 'uv>=0.9'

$(STAMP): pyproject.toml uv.lock | $(filter .venv-tools/bin/uv,$(UV))
	@PYTHON=$(PYTHON) .ci/machine run
	$(UV) sync --quiet --locked --extra all --python $(PYTHON)
	@touch $@

# Where no bytecode is written (PYTHONDONTWRITEBYTECODE), each of the many processes of the tests would compile pandas,
# scipy and SQLAlchemy anew: ten seconds each.
.venv/.compiled: $(STAMP)
	@$(UV) sync --quiet --locked --extra all --compile-bytecode --python $(PYTHON)
	@touch $@

setup: $(STAMP) ## all extras and development tools into .venv

demo: setup ## the main job end to end: real calls and a simulated portfolio
	$(RUN) -m pipelines demo

machine: setup
	@.ci/machine tests

test: machine .venv/.compiled ## the tests (quick subset of the statistical proofs included); REQUIRE_EVERY_TEST=1 lets none be skipped
	@$(RUN) -m compileall -q src api pipelines
	$(RUN) -m pytest -q -m "not proof" -n $(WORKERS) $(ARGS)

proofs: setup ## the long statistical proofs (an hour or more)
	$(RUN) -m pytest -q -m proof tests

lint: setup ## ruff, mypy, import rules, declared dependencies
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/deptry .

audit: setup ## known vulnerabilities of the lock; fails where there are some, says where nobody could be asked
	@.ci/audit

bench: setup ## side-by-side benchmarks, quick sizes
	@for script in $$(grep -lE "add_quick\(|\"--quick\"" benchmarks/*.py | grep -v /quick.py); do echo "== $$script"; $(RUN) $$script --quick || exit 1; done

serve: setup ## the managers' pages and the scoring API on http://127.0.0.1:8000; a demo portfolio where nothing is set
	@env | grep -q '^RECOMMENDER_' || $(RUN) -m pipelines demo-site
	$(RUN) -m api.serve

docs: setup ## the documentation site into site/, with the reference from docstrings
	NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

format: setup ## format the code
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .

clean: ## remove the environments and caches
	rm -rf .venv .venv-tools .pytest_cache .mypy_cache .ruff_cache .hypothesis
