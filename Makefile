# Needs make, Python 3.11 to 3.13 and a network for the first call; uv is used when present. `make help` lists the commands.

PYTHON ?= $(shell command -v python3 || command -v python || echo python3)
VENV_PYTHON := .venv/bin/python

SANDBOX_PORT ?= 8765
SANDBOX_STATE ?= var/sandbox

# Handed on to the programs as environment variables (see `make help`).
export SANDBOX_PORT SANDBOX_STATE
# Airflow writes into its home as soon as it is imported: keep that inside the checkout, whatever the caller's shell says.
export AIRFLOW_HOME := $(CURDIR)/var/airflow
export GX_ANALYTICS_ENABLED := false
# Uncompiled modules double Airflow's start-up time.
unexport PYTHONDONTWRITEBYTECODE

# An interpreter that the caller names is taken literally, a found one is a suggestion.
SETUP := $(PYTHON) scripts/setup_env.py $(if $(filter command environment,$(firstword $(origin PYTHON))),--python "$(PYTHON)")

.DEFAULT_GOAL := help
.PHONY: help setup demo test accept-odoo sandbox up bench chaos backfills lint format lock clean distclean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '%s\n' '' \
	  'Variables: KEEP=1 (keep the last run'"'"'s state), MODE=apply|plan, SEED, SIZE=tiny|small|medium|large, SHARDS, ERP=tryton|odoo|batches (demo),' \
	  '           ALL=1 (chaos: each write), CHAOS_MINUTES, CHAOS_JOBS, CHAOS_SCHEDULES, CHAOS_ONLY="regular expression",' \
	  '           AGAINST=commit (bench), DAYS, ENTITIES, BACKFILLS_ONLY, BACKFILLS_PG (backfills),' \
	  '           SANDBOX_PORT, SANDBOX_STATE, SANDBOX_URL, TESTS="pytest arguments", PYTHON=/path/to/python3.12, INSTALLER=uv|pip'

setup: ## only the environment, in .venv
	@$(SETUP)

demo: setup ## sandbox, one real Airflow run, summary, var/demo/report.json; with ERP=tryton or odoo a real ERP, with ERP=batches one that posts the next day
	$(if $(filter-out tryton odoo batches,$(ERP)),$(error ERP is $(ERP); it is tryton, odoo or batches))
	@$(VENV_PYTHON) -m $(if $(ERP),sandbox.$(ERP).demo,sandbox.demo)

# Three processes on two cores: a part of its time a test waits for what runs beside it, and each more makes all of them dearer.
test: setup ## the whole test suite
	@$(VENV_PYTHON) -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(TESTS)

accept-odoo: setup ## the acceptance suite on a real Odoo 14, under var/odoo; needs Debian's apt, PostgreSQL, Python 3.9 or uv
	@$(VENV_PYTHON) -m sandbox.odoo.accept

sandbox: setup ## only the sandbox, until stopped
	@exec $(VENV_PYTHON) -m sandbox --port $(SANDBOX_PORT) --state $(SANDBOX_STATE) \
	  $(if $(KEEP),--keep) $(if $(SEED),--seed $(SEED)) $(if $(SIZE),--size $(SIZE))

up: setup ## Airflow with the sandbox; prints address and login
	@exec $(VENV_PYTHON) -m sandbox.local up

bench: setup ## benchmarks, results under var/bench/
	@$(VENV_PYTHON) -m sandbox.bench

chaos: setup ## every fault at every write, var/chaos/report.json; goes on where it was stopped
	@$(VENV_PYTHON) -m sandbox.chaos

backfills: setup ## backfills by date through a real Airflow, var/backfills/report.json; takes hours
	@$(VENV_PYTHON) -m sandbox.backfills

lint: setup ## format, lint, types, Dockerfile
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/hadolint Dockerfile

format: setup ## rewrite the sources as `make lint` wants them
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

lock: ## renew requirements.lock from requirements*.txt (needs uv; UPGRADE=1 takes newer versions)
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-annotate $(if $(UPGRADE),--upgrade) \
	  --custom-compile-command 'make lock' --output-file requirements.lock requirements-dev.txt

clean: ## remove what runs and tools have written
	rm -rf var .mypy_cache .pytest_cache .ruff_cache
	find dags include plugins sandbox tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## the same, and the environment
	rm -rf .venv .venv-incomplete
