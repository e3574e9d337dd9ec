# make help lists the targets. Everything runs in .venv, made from uv.lock; uv itself is bootstrapped when missing.
SHELL := /bin/bash
export UV_PYTHON_DOWNLOADS ?= never
export UV_LINK_MODE ?= copy
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .venv-tools/bin/uv)
RUN := .venv/bin/python
STAMP := .venv/.synced

.PHONY: help setup demo test lint proofs bench serve format clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

.venv-tools/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
	  || { echo "Python 3.11 to 3.13 is needed; '$(PYTHON)' is another. Run: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv .venv-tools 2>/dev/null \
	  || { echo "python3 has no venv module. Run: apt-get install -y python3 python3-venv git make libgomp1"; exit 1; }
	@.venv-tools/bin/pip install --quiet 'uv>=0.9'

$(STAMP): pyproject.toml uv.lock | $(filter .venv-tools/bin/uv,$(UV))
	@ldconfig -p 2>/dev/null | grep -q libgomp || [ "$$(uname)" != Linux ] \
	  || { echo "LightGBM needs libgomp. Run: apt-get install -y libgomp1"; exit 1; }
	$(UV) sync --quiet --locked --extra all --python $(PYTHON)
	@touch $@

setup: $(STAMP) ## all extras and development tools into .venv

demo: setup ## the main job end to end: real calls and a simulated portfolio
	$(RUN) -m pipelines demo

test: setup ## the tests (quick subset of the statistical proofs included)
	$(RUN) -m pytest -q -m "not proof"

proofs: setup ## the long statistical proofs (an hour or more)
	$(RUN) -m pytest -q -m proof tests

lint: setup ## ruff, mypy, import rules
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench: setup ## side-by-side benchmarks, quick sizes
	@for script in benchmarks/*.py; do echo "== $$script"; $(RUN) $$script --quick || exit 1; done

serve: setup ## the managers' pages and the scoring API on http://127.0.0.1:8000; a demo portfolio where nothing is set
	@env | grep -q '^RECOMMENDER_' || $(RUN) -m pipelines demo-site
	$(RUN) -m api.serve

format: setup ## format the code
	.venv/bin/ruff format . && .venv/bin/ruff check --fix .

clean: ## remove the environments and caches
	rm -rf .venv .venv-tools .pytest_cache .mypy_cache .ruff_cache .hypothesis
