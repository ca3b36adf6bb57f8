.DEFAULT_GOAL := help
.PHONY: help setup demo dev test check generate lock bench kills torture clean

# How many processes run the tests, and further pytest arguments: make test JOBS=8 ARGS="-k hold"
# Four keep two cores busy: most tests wait for PostgreSQL, for a program, or for a clock now and then.
JOBS ?= 4
ARGS ?=
BIN := .venv/bin
# Set for another Python, they would mislead ours, or keep it from starting.
unexport PYTHONHOME PYTHONPATH

help: ## Show this list
	@echo "maitred: decides which party sits at which table. Needs Python 3.11+ and make; nothing else."
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)$$/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'
	@echo
	@echo "Start with 'make demo'. PYTHON=/path/to/python3 chooses the interpreter."

setup: ## Build .venv from the lock (does nothing when it is current)
	@sh ops/build/setup.sh

demo: setup ## Start everything from nothing, seat a sample service day, show the result, stop everything
	@$(BIN)/maitred demo

dev: setup ## Run database and server with a sample restaurant until Ctrl-C
	@$(BIN)/maitred dev

test: setup ## Run the whole test suite (JOBS=4 processes; ARGS="-k hold" chooses)
# A file's tests stay in one process, which has one PostgreSQL per form and starts it once; files begin in the order
# of tests/conftest.py. The programs that tests start compile nothing twice, even where Python is told to leave no
# bytecode behind.
	@PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE= exec $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: setup ## Run format, lint, types, imports, contract, generated files, wheel and migration checks
	@$(BIN)/python -m ops.build.check

generate: setup ## Write gen/ and docs/errors.md from proto/
	@$(BIN)/python -m ops.build.generate

lock: setup ## Pin all dependencies anew, with hashes, into requirements.lock
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/python -m uv pip compile pyproject.toml --extra server --group dev --universal \
		--python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate \
		--quiet --output-file requirements.lock
	@sh ops/build/setup.sh

bench: setup ## Measure everything that has to be fast beside what stands next to it, 20 min (ARGS="--quick" under one)
	@$(BIN)/maitred bench $(ARGS)

kills: setup ## Kill workers, server, PostgreSQL and watchers during 20,000 changes; account for every event (10 to 20 min)
	@$(BIN)/python -m tests.races.outbox_chaos $(ARGS)

torture: setup ## Two minutes of load with kills, cuts and lost answers; ARGS="--operations 100000 --seed 7" chooses
	@$(BIN)/maitred torture $(ARGS)

clean: ## Remove .venv, caches and build output (the development database is elsewhere and stays)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist out
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
