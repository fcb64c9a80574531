# The commands of the house. `make` alone lists them.
#
# Every target prepares what it needs: a clean clone and Python 3.11 or newer are enough for `make demo` and `make test`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

VENV ?= .venv
PY := $(VENV)/bin/python
# The peers of the benchmarks live apart: the environment for tests stays small.
BENCH_VENV ?= .venv-bench
MUTANTS_VENV ?= .venv-mutants
ARGS ?=
export VENV

.PHONY: help
help: ## list the targets
	@printf 'Lianmeng: the governance platform of an alliance. Targets:\n\n'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@printf '\nARGS="…" is handed on, e.g.  make demo ARGS=--once   make test ARGS="tests/unit -k roll"\n'

.PHONY: demo
demo: runtime ## found an embedded alliance, play the admission story, then serve it (ARGS=--once: end after the story)
	@exec $(PY) -m deploy.embedded demo $(ARGS)

.PHONY: test
test: setup ## run every test; starts PostgreSQL and RabbitMQ by itself (CI=true: a missing one is a failure)
	@exec $(PY) -m pytest -n auto $(ARGS)

.PHONY: lint
lint: setup ## style, types, and the import rules of the house
	@$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

.PHONY: browser
browser: setup ## the console in a real browser; pictures of every page in var/screenshots (`make test` has this too)
	@exec $(PY) -m pytest tests/browser $(ARGS)

.PHONY: faults
faults: setup ## strike every fault on real RabbitMQ and PostgreSQL, COUNT times each; the report is var/faults.md
	@LIANMENG_FAULTS=$(or $(COUNT),3) exec $(PY) -m pytest tests/faults $(ARGS)

.PHONY: format
format: setup ## let ruff write the style
	@$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

.PHONY: docs
docs: setup ## write the generated documents anew (events, settings, AsyncAPI)
	@$(PY) -m shared.runtime.documents

.PHONY: bench
bench: ## the bus beside Celery, Dramatiq, FastStream and plain pika, with targets (ARGS="--only drain,relay --passes 3")
	@VENV=$(BENCH_VENV) requirements/environment bench
	exec $(BENCH_VENV)/bin/python -m tests.benchmarks.bus $(ARGS)

.PHONY: bench-chain
bench-chain: setup ## from the deciding vote to the e-mail being handed over, in milliseconds
	@exec $(PY) -m tests.benchmarks.chain $(ARGS)

.PHONY: bench-pages
bench-pages: setup ## the console's pages: milliseconds and bytes of each, on a small roster and on 10,000 members
	@exec $(PY) -m tests.benchmarks.pages $(ARGS)

.PHONY: bugs
bugs: setup ## put each bug of the catalogue into a copy of the tree; a named test must notice (ARGS: words of their names)
	@exec $(PY) -m tests.catalogue $(ARGS)

.PHONY: coverage
coverage: setup ## the branches of the bus's code (shared/messaging) that no test takes; there must be none
	@exec $(PY) -m pytest tests/unit/messaging tests/integration tests/service/feed tests/service/shared tests/contracts \
	  --cov=shared/messaging --cov-branch --cov-report=term-missing --cov-fail-under=100 $(ARGS)

.PHONY: mutants
mutants: ## change the bus's code in small ways, one at a time; a test must notice (ARGS="'shared.messaging.inbox*'")
	@VENV=$(MUTANTS_VENV) requirements/environment mutants
	exec $(MUTANTS_VENV)/bin/python -m tests.mutants $(ARGS)

.PHONY: compose-up
compose-up: ## the same alliance on RabbitMQ and PostgreSQL behind nginx: http://127.0.0.1:8080
	@docker compose up -d --build --wait
	echo 'Lianmeng answers on http://127.0.0.1:8080'

.PHONY: compose-down
compose-down: ## stop it and throw its data away
	@docker compose down --volumes --remove-orphans

DATA ?=
OPERATOR ?= operator

.PHONY: rebuild
rebuild: ## SERVICE=…: make what it derives from others anew, compare, ARGS=--swap mends (DATA=folder: an embedded alliance's)
	@test -n "$(SERVICE)" || { echo 'Which one?  make rebuild SERVICE=finance' >&2; exit 2; }
	if [ -z "$(DATA)" ] && [ -n "$$(docker compose ps -q --status running $(SERVICE)-web 2>/dev/null)" ]; then
	  exec docker compose exec $(SERVICE)-web python -m shared.runtime $(SERVICE) rebuild --from http://gateway:8080 \
	    --services membership,meetings,finance,notifications --user $(OPERATOR) $(ARGS)
	fi
	requirements/environment runtime
	exec $(PY) -m deploy.embedded rebuild $(SERVICE) --data "$(or $(DATA),var/demo)" $(ARGS)

.PHONY: sim
sim: setup ## simulate SEEDS runs of the four services with every fault (FROM=first seed), or play one again: SEED=17
	@exec $(PY) -m tests.simulation $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),500) --first $(or $(FROM),0)) $(ARGS)

.PHONY: setup
setup: ## make .venv hold what the lock says, for tests and checks
	@requirements/environment dev

.PHONY: runtime
runtime:
	@requirements/environment runtime

.PHONY: lock
lock: setup ## choose versions anew and lock them with hashes, no index named (ARGS=--upgrade: the newest that fit)
	@command -v uv >/dev/null || $(PY) -m pip install -qq uv
	lock() { PATH="$$PATH:$(VENV)/bin" uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header $(ARGS) "$$@"; }
	lock requirements/dev.in -o requirements/dev.txt
	lock requirements/runtime.in -c requirements/dev.txt -o requirements/runtime.txt
	lock requirements/bench.in -c requirements/dev.txt -o requirements/bench.txt
	lock requirements/mutants.in -c requirements/dev.txt -o requirements/mutants.txt

.PHONY: clean
clean: ## remove the environment, caches and the embedded alliance's data
	@rm -rf $(VENV) $(BENCH_VENV) $(MUTANTS_VENV) var .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis htmlcov .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
