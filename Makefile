# Tuneloop. `make demo` and `make test` need Python 3.11, a C++ compiler and make; everything else goes into .venv.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.SILENT:

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
TORCH := 2.13.0
LLAMA := 0.3.36
DATA ?= .tuneloop/demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
# Where it is set, as in many images, every process would compile its modules anew: 20 s instead of 5 for a training.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## What you can make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-13s %s\n", $$1, $$2}'

.PHONY: install
install: $(VENV)/installed ## Everything into .venv: pinned, hash-checked dependencies and the llama.cpp bindings

# torch comes first and by itself: a later release, or a resolver with a free hand, brings gigabytes of CUDA packages.
# Packages arrive while llama.cpp is built, and only modules that our processes import are compiled to bytecode.
$(VENV)/installed: requirements.lock pyproject.toml .ci/build-llama.sh .ci/install-debian.sh $(wildcard .ci/llama/*)
	@command -v c++ >/dev/null || command -v g++ >/dev/null || { echo "A C++ compiler is needed (Debian: apt-get install g++ make)"; exit 1; }
	python=$$(command -v $(PYTHON) || command -v python3)
	$$python -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' || { echo "Python 3.11 or 3.12 is needed; run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $$python -m venv $(VENV)
	.ci/install-debian.sh
	echo "installing into $(VENV) …"
	$(PIP) --upgrade pip
	set -m
	.ci/build-llama.sh $(BIN)/python $(LLAMA) & build=$$!
	set +m
	trap 'kill -- -$$build 2>/dev/null || true' EXIT
	$(BIN)/python -c 'import torch, sys; sys.exit(not torch.__version__.startswith("$(TORCH)"))' 2>/dev/null || $(PIP) torch==$(TORCH)
	$(PIP) --no-deps --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	$(BIN)/python -c 'import tuneloop.web.process, tuneloop_local.demo.loop, tuneloop_workers.training.child, tuneloop_workers.novel_query_clustering'
	wait $$build
	trap - EXIT
	$(PIP) --no-deps --no-index --force-reinstall --find-links .wheels llama-cpp-python==$(LLAMA)
	touch $@

.PHONY: demo
demo: install ## One whole loop on a real model: train, serve, drift, alert, retrain, compare, promote, roll back
	$(BIN)/tuneloop --data-dir $(DATA) demo

.PHONY: demo-generate
demo-generate: install ## The same loop for short replies that must be grounded in a page of facts
	$(BIN)/tuneloop --data-dir $(DATA)-generate demo --task generate

.PHONY: up
up: install ## Start everything and stay; Ctrl-C stops it
	$(BIN)/tuneloop up

.PHONY: test
test: install ## The whole test suite, on real engines and a real browser
	.ci/install-debian.sh browser
	$(BIN)/python -m pytest -q -n auto --dist loadfile --no-loadscope-reorder --durations=10 $(ARGS)

.PHONY: coverage
coverage: install ## Branches that the tests take, the files that miss most last: ARGS=tests/stats for a part
	.ci/install-debian.sh browser
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n auto --dist loadfile --no-loadscope-reorder $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

.PHONY: lint
lint: install ## ruff, mypy, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: chart-test
chart-test: install ## The Helm chart: rendered, validated, and compared with what the product has
	.ci/chart-tools.sh $(BIN)/python .chart-tools
	TUNELOOP_CHART_TOOLS=$(CURDIR)/.chart-tools $(BIN)/python -m pytest -q -n 0 tests/chart $(ARGS)

.PHONY: test-failures
test-failures: install ## Kills, outages, floods and bombs against running processes, many times each (an hour)
	.ci/install-debian.sh browser
	TUNELOOP_FAILURES=1 $(BIN)/python -m pytest -q -n 0 -rs -m failure_case tests $(ARGS)

.PHONY: bench
bench: install ## Training and evaluation speed beside TRL and Hugging Face generate; the reports of a month's end
	$(BIN)/python workers/benches/run.py $(ARGS)
	$(BIN)/python reports/benches/month_end.py

.PHONY: bench-growth
bench-growth: install ## What many models cost gateway, pages and scheduler: ARGS="--models N --json FILE"
	$(BIN)/python platform/benches/growth.py $(ARGS)

.PHONY: bench-yield
bench-yield: install ## How many retrains help, and what the gate says of them: ARGS="--data FOLDER --retrains N"
	$(BIN)/python workers/benches/yield_rate.py $(ARGS)

.PHONY: lock
lock: ## Renew requirements.lock from pyproject.toml
	$(PIP) uv
	$(BIN)/uv pip compile --quiet pyproject.toml --all-extras --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --no-emit-package torch --no-emit-package llama-cpp-python \
	  -o requirements.lock
	! grep -E '^(nvidia|triton|cuda)' requirements.lock || { echo "remove the CUDA packages that torch brought"; exit 1; }

.PHONY: licenses
licenses: install ## Renew the table of packages in THIRD_PARTY_LICENSES.md, after `make lock`
	$(BIN)/python .ci/third_party_licenses.py

.PHONY: clean
clean: ## Remove what the demo and the tests left (data, caches); .venv stays
	rm -rf .tuneloop .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis
