# Every target starts from a fresh clone: it first makes .venv, the model files and the speech libraries ready.
# ARGS="..." is handed to the command, PYTHON=/path/to/python3 names the interpreter.

.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# A PYTHONPATH meant for something else must not reach into .venv, nor may a setting meant for images have every start compile everything anew.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PYTHONDONTWRITEBYTECODE
export PYTHON

BIN := .venv/bin
UV_COMPILE := $(BIN)/python scripts/uv.py pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-header --no-emit-index-url --no-emit-find-links

# One process per core this is measured on; a file's tests stay together, so that they share their fixtures.
PYTEST := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ready-runtime ## a simulated caller talks to a support agent; recording and page in demo-out/
	@$(BIN)/vivavoce demo $(ARGS)

.PHONY: test
test: ready-dev ## every test, the proofs at reduced size
	@$(PYTEST) $(ARGS)

.PHONY: serve
serve: ready-runtime ## the server, on 127.0.0.1:8000 unless ARGS say otherwise
	@exec $(BIN)/vivavoce serve $(ARGS)

SESSION_TESTS := tests/session docs/behaviours
.PHONY: check
check: ready-dev ## lint, format, types, import law, documentation tests, tests; every branch of session/ must be reached
	@failed=; \
	echo "lint";   $(BIN)/ruff check --quiet . || failed="$$failed lint"; \
	echo "format"; $(BIN)/ruff format --check --quiet . || failed="$$failed format"; \
	echo "types";  $(BIN)/mypy || failed="$$failed types"; \
	echo "tests of session/, every branch"; $(PYTEST) $(SESSION_TESTS) --cov=vivavoce.session --cov-branch \
		--cov-report=term-missing:skip-covered --cov-fail-under=100 || failed="$$failed session"; \
	echo "tests";  $(PYTEST) $(or $(ARGS),tests --ignore=tests/session) || failed="$$failed tests"; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

.PHONY: clients
clients: ready-dev ready-clients ## unmodified clients, every case of each, over both engines, directly and through a relay: a live table
	@$(BIN)/python -m tests.clients $(ARGS)

.PHONY: client-programs
client-programs: ready-dev ready-clients ## the programs of README and docs/clients.md, other people's libraries included
	@VIVAVOCE_CLIENTS=all $(BIN)/python -m pytest tests/docs/test_programs.py $(ARGS)

.PHONY: bench
bench: ready-runtime ## the figures of bench/RESULTS.md, measured here
	@$(BIN)/python -m bench $(ARGS)

.PHONY: prove
prove: ready-dev ## the proofs at full size; date, seed and result go to docs/proofs.md
	@VIVAVOCE_PROOFS=full $(BIN)/python -m pytest -m proof --timeout 3600 $(ARGS)

.PHONY: setup
setup: ready-dev ## only the set-up, with the development packages

.PHONY: ready-runtime ready-dev
ready-runtime ready-dev: ready-%:
	@scripts/setup.sh $*

.PHONY: ready-clients
ready-clients: ready-dev
	@$(BIN)/python scripts/set_up_clients.py

.PHONY: libraries
libraries: ready-runtime ## look for the speech libraries (libflite1) once more
	@$(BIN)/python scripts/debian_libraries.py || true

.PHONY: fmt
fmt: ready-dev ## format and fix what can be fixed without asking
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format --quiet .

.PHONY: lock
lock: ready-dev ## resolve the packages anew (ARGS=--upgrade for the newest) and write requirements/*.txt
	@$(UV_COMPILE) $(ARGS) pyproject.toml requirements/build.in -o requirements/runtime.txt
	@$(UV_COMPILE) $(ARGS) pyproject.toml requirements/build.in --group dev \
		-c requirements/runtime.txt -o requirements/dev.txt
	@$(UV_COMPILE) $(ARGS) requirements/uv.in -o requirements/uv.txt
	@$(UV_COMPILE) $(ARGS) requirements/clients.in -o requirements/clients.txt

DIST := dist
.PHONY: dist
dist: ready-runtime ## an installable wheel with the model files and their licences in it, in dist/
	@$(BIN)/python scripts/build_wheel.py "$(DIST)"

.PHONY: clean
clean: ## remove everything that set-up and tests made, recordings excepted
	@rm -rf .venv .clients .deps .deps.unfinished .models .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist
	@find src tests scripts bench -name __pycache__ -type d -prune -exec rm -rf {} +
