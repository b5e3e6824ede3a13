# `make night` and `make test` do everything on a fresh machine; `make help` lists the rest.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
SHOP ?= complete_journey
UV_VERSION := 0.13.9
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYSPARK_PYTHON := $(CURDIR)/$(BIN)/python
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
PYTEST := python -m pytest -n 2 --dist loadgroup --no-loadscope-reorder
SUBMIT := spark-submit --properties-file conf/spark/local.conf
# Spark asks for a module that the JVM warns of before anything is configured.
QUIET := 2> >(sed -u '/^WARNING: Using incubator modules/d' >&2)
COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

# Compiled once: where Python is told to keep no bytecode, each process would do it anew, and
# TensorFlow's takes eight seconds.
IMPORTED := ai_edge_litert.interpreter, delta.tables, duckdb, keras, lakeshop.pipeline, numba, \
  pyspark.daemon, pyspark.worker, scipy.sparse, tensorflow

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

# What `make night` runs of a demo shop: its history as one range, then the week after it.
NIGHTS_complete_journey := 2017-01-01:2017-12-03 2017-12-04:2017-12-10
NIGHTS_simulated := 2026-01-01:2026-04-23 2026-04-24:2026-04-30
NIGHTS := $(if $(DATE),$(DATE):$(DATE),$(NIGHTS_$(SHOP)))

# How a simulated shop's drops come to be, all days at once; the same again leaves them alone.
DELIVERY_simulated = $(SUBMIT) jobs/simulate.py --users 2000 --products 1500 --days 120 --seed 1 --dirt 0.02 $(QUIET)

.PHONY: night
night: $(READY) ## the main job: history and two nights of SHOP, or the night of DATE alone
	@test -n "$(NIGHTS)" || { echo "name a night: make night SHOP=$(SHOP) DATE=YYYY-MM-DD"; exit 2; }
	@$(DELIVERY_$(SHOP))
	@for days in $(NIGHTS); do \
	  python jobs/deliver.py --shop $(SHOP) --from $${days%:*} --to $${days#*:} && \
	  .ci/submit.sh jobs/nightly.py --shop $(SHOP) --from $${days%:*} --to $${days#*:} $(QUIET) || exit; \
	done

.PHONY: preview
preview: $(READY) ## what a night would make of the newest drops of SHOP, until DATE if given; writes nothing
	@$(SUBMIT) jobs/nightly.py --check --shop $(SHOP) $(if $(DATE),--date $(DATE)) $(QUIET)

.PHONY: test
test: $(READY) ## all tests, types and style
	@.ci/postgres.sh
	ruff check lib jobs tests
	ruff format --check lib jobs tests
	lint-imports --no-logo
	mypy
	$(PYTEST)

.PHONY: check
check: $(READY) ## lint, types, import rules and all tests without a JVM: for every save
	ruff check lib jobs tests
	ruff format --check lib jobs tests
	lint-imports --no-logo
	mypy
	$(PYTEST) -m "not jvm and not slow and not chaos"

.PHONY: test-slow
test-slow: $(READY) ## the tests that take minutes each
	$(PYTEST) -m slow

.PHONY: chaos
chaos: $(READY) ## kill, double and shuffle nights, or ONLY=<kind>; build/chaos.json, docs/survival.md
	@.ci/postgres.sh
	@$(if $(ONLY),,rm -f build/chaos.jsonl)
	@status=0; $(PYTEST) -m chaos $(if $(ONLY),tests/chaos/test_$(ONLY).py) || status=$$?; \
	  PYTHONPATH=tests python -m chaos.report --exit $$status $(if $(ONLY),--part)

# Peers that nothing but the benchmarks needs; in .venv, which a new requirements.lock makes anew.
BENCH_READY := $(VENV)/.bench-ready

.PHONY: bench
bench: $(BENCH_READY) ## benchmarks beside what people use, or ONLY=<name>; SCALE=0.05 for a try
	PYTHONPATH=tests python -m benchmarks $(ONLY) $(if $(SCALE),--scale $(SCALE)) \
	  $(if $(METHODS),--methods "$(METHODS)")

.PHONY: bench-plot
bench-plot: $(BENCH_READY) ## docs/similarity.svg, from what benchmarks wrote
	PYTHONPATH=tests python -m benchmarks.plot

$(BENCH_READY): $(READY) requirements-bench.lock
	uv pip install --quiet --require-hashes -r requirements-bench.lock
	@touch $@

.PHONY: format
format: $(READY) ## format the code
	ruff format lib jobs tests
	ruff check --fix lib jobs tests

.PHONY: zip
zip: $(READY) ## dist/lakeshop.zip for --py-files
	python -m lakeshop.packaging dist/lakeshop.zip

.PHONY: environment
environment: $(READY) ## dist/environment.tar.gz for --archives: the libraries, 0.8 GiB
	python -m lakeshop.packaging dist/environment.tar.gz

.PHONY: cluster
cluster: $(READY) ## a night on a standalone cluster on this machine, compared with a laptop's
	python -m pytest -m chaos tests/chaos/test_cluster.py

.PHONY: docs
docs: $(READY) ## the tables of docs/tables.md and docs/dictionary.md, from the contracts
	python .ci/dictionary.py

.PHONY: lock
lock: $(READY) ## requirements.lock and requirements-bench.lock, anew
	$(COMPILE) --all-extras --group dev pyproject.toml --output-file requirements.lock
	$(COMPILE) --constraint requirements.lock --group bench --output-file requirements-bench.lock

.PHONY: setup
setup: $(READY) ## the environment and the Delta jars, nothing else

$(READY): requirements.lock pyproject.toml .ci/jars.py
	@.ci/java.sh
	@.ci/venv.sh $(PYTHON) $(VENV)
	@python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	uv pip install --quiet --require-hashes -r requirements.lock
	@uv pip install --quiet --no-deps --no-build-isolation --editable .
	@PYTHONDONTWRITEBYTECODE= python -c "import $(IMPORTED)" >$(VENV)/bytecode.log 2>&1 \
	  || { cat $(VENV)/bytecode.log >&2; exit 1; }
	@echo "Fetching the Delta jars ..."
	@python .ci/jars.py >$(VENV)/jars.log 2>&1 || { cat $(VENV)/jars.log >&2; exit 1; }
	@touch $@

.PHONY: clean
clean: ## remove the environment, the lake and the landing folder
	rm -rf $(VENV) lake landing build dist
