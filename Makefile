# Everything a developer does, one word each. Needs Python 3.11 or newer and nothing else.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --frozen
# Bytecode is kept wherever this runs: a stack is a dozen processes that import the same.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo up down test test-unit check bench bench-quick bench-sla faults fuzz train train-check clean

help:  ## this page
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.uv/bin/uv:
	@echo "uv is not installed: getting it through pip into .uv"
	@python3 -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv

setup: $(if $(filter .uv/bin/uv,$(UV)),.uv/bin/uv)  ## install what the lock file names
	@$(UV) sync --frozen --quiet

demo: setup  ## watch a year of one kabupaten's complaints go through every stage
	@$(RUN) lapor demo

up: setup  ## start Kafka, PostgreSQL and every stage on this machine
	@$(RUN) lapor up

down: setup  ## stop them; no process is left
	@$(RUN) lapor down

test: setup  ## every test, on a real Kafka and PostgreSQL that it starts itself
	@$(RUN) pytest -n 2 tests/unit tests/contract tests/pipeline tests/simulation tests/fuzz
	@$(RUN) pytest -n 2 --dist loadfile tests/integration

test-unit: setup  ## the tests that need neither
	@$(RUN) pytest -n 2 tests/unit tests/contract tests/pipeline tests/simulation tests/fuzz

check: setup  ## style, format, types, architecture
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) mypy
	@$(RUN) pytest tests/contract

bench: setup  ## throughput and latency beside their baselines, as ratios
	@$(RUN) python -m tests.load.bench

bench-quick: setup  ## the same with a thirtieth of the counts, in three minutes
	@$(RUN) python -m tests.load.bench --quick

bench-sla: setup  ## the cost of time: ticks, breaches at one second, recompute, compute
	@$(RUN) python -m tests.load.bench_sla

faults: setup  ## kill, pause, cut, fill and repeat, then count (SHORT=1 SEED=1; MINUTES=11 REPORTS=20000; BROKERS=3)
	@$(RUN) python -m tests.faults $(if $(SEED),--seed $(SEED)) $(if $(SHORT),--short) $(if $(MINUTES),--minutes $(MINUTES)) \
		$(if $(REPORTS),--reports $(REPORTS)) $(if $(BROKERS),--brokers $(BROKERS))

fuzz: setup  ## malformed inputs of every kind, in memory (SEEDS=1:5 COUNT=250000; CASE=1:42 for one again)
	@$(RUN) python -m tests.fuzz $(if $(SEEDS),--seeds $(SEEDS)) $(if $(COUNT),--count $(COUNT)) $(if $(CASE),--case $(CASE))

train: setup  ## train the screening model and print, honestly, how good it is
	@$(RUN) python -m deploy.tools.screening.train

train-check: setup  ## that the committed model is what training gives
	@$(RUN) python -m deploy.tools.screening.train --check

clean:  ## remove what was installed and cached in this folder (not the stack's data)
	@rm -rf .venv .uv .mypy_cache .ruff_cache .pytest_cache .hypothesis
