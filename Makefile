# What can be done here; `make` alone lists it. Needs Python 3.11 or newer, git and make.
# All paths are relative, so that the directory's own name may hold spaces.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
# Most tests wait for processes of their own: more of them at once than there are cores.
WORKERS := 4
PYTEST := $(BIN)/python -m pytest
MANY := -n $(WORKERS) --dist worksteal

STORE_TESTS = $(wildcard tests/store)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help .venv demo check check-format check-lint check-types check-imports check-code \
	docs man test test-install test-store-redis7 test-real dist fuzz torture torture-short soak soak-short patterns \
	bench bench-short bench-compare bench-durability clean

help: ## This list
	@echo 'make TARGET, where TARGET is one of:'
	@sed -n 's/^\([a-z.0-9-]*\):.*## /  \1\t/p' Makefile | expand -t 22

# --- the virtual environment -----------------------------------------------------------------
# One for everything. `.runtime` and `.dev` are stamps that say what is installed in it;
# .dev stands for both, so that the demo installs nothing after the tests.
# pip first: one before 25.1 writes a `tt` that imports `re`, half as long again as Python's start.

.venv: $(VENV)/.dev ## The virtual environment, with the project and its development tools

$(BIN)/pip:
	@old=; bare=; \
	for python in python3 python3.13 python3.12 python3.11; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	        || { old=1; continue; }; \
	    "$$python" -c 'import venv, ensurepip' 2>/dev/null || { bare=1; continue; }; \
	    echo "$(VENV): $$("$$python" --version)"; \
	    exec "$$python" -m venv --clear $(VENV); \
	done; \
	if [ "$$bare" ]; then \
	    echo "Python's venv module is missing: install the package python3-venv" \
	        "(apt-get install python3-venv)" >&2; \
	else \
	    echo 'Python 3.11 or newer is needed: none of python3, python3.13, python3.12,' \
	        'python3.11 on PATH is' >&2; \
	fi; \
	exit 1

$(VENV)/.runtime: pyproject.toml constraints.txt | $(BIN)/pip
	@echo 'Installing tinytown and what it needs to run'
	@$(PIP) pip
	@$(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/pip
	@echo 'Installing tinytown and its development tools'
	@$(PIP) pip
	@$(PIP) -e '.[dev]'
	@touch $(VENV)/.runtime $@

# --- what it is all for ----------------------------------------------------------------------

demo: $(VENV)/.runtime ## The tutorial in a temporary town, by rehearsal agents; CLI=claude for real ones
	@CLI='$(CLI)' $(BIN)/python -m tests.demo

check: check-format check-lint check-types check-imports check-code ## Format, lint, types, import rules, sizes

check-format: $(VENV)/.dev
	$(BIN)/ruff format --check .

check-lint: $(VENV)/.dev
	$(BIN)/ruff check .

check-types: $(VENV)/.dev
	$(BIN)/mypy

check-imports: $(VENV)/.dev
	$(BIN)/lint-imports --no-logo

check-code: $(VENV)/.dev
	$(BIN)/python tests/check_code.py

docs: $(VENV)/.dev ## The documentation as a site, strictly: build/docs/index.html
	$(BIN)/sphinx-build -q -W --keep-going -E -d build/doctrees -c docs/site -b html docs build/docs

man: $(VENV)/.dev ## The manual pages, docs/man, from the same source as --help
	$(BIN)/python -m tests.manpages

test: $(VENV)/.dev ## The tests, against the embedded server
	$(PYTEST) $(MANY) tests $(addprefix --ignore=tests/,real install benchmarks kills)
	$(PYTEST) tests/kills  # it forks daemons: no threads beside them

test-install: $(VENV)/.dev ## The wheel, installed without an index: the tutorial, an upgrade at work; downloads what it needs
	$(PYTEST) tests/install

test-store-redis7: $(VENV)/.dev ## The store's tests against redis-server 7.0, the oldest supported one
	@server=$$(command -v redis-server) \
	    || { echo 'redis-server is missing: install the package redis-server' >&2; exit 1; }; \
	"$$server" --version | grep -F ' v=7.0.' \
	    || { echo "redis-server is not 7.0: $$("$$server" --version)" >&2; exit 1; }; \
	TINYTOWN_REDIS_SERVER="$$server" \
	    $(PYTEST) $(MANY) $(or $(STORE_TESTS),$(error the tests of the store are not where STORE_TESTS looks))

test-real: $(VENV)/.dev ## Real agent CLIs, from npm, against a loopback model server
	$(BIN)/python tests/real/install.py
	$(PYTEST) -n 2 tests/real

dist: $(VENV)/.dev ## The wheel and the sdist, in dist/
	rm -rf dist
	$(BIN)/python -m hatchling build --directory dist

patterns: $(VENV)/.dev ## Carries out every pattern of docs/patterns.md and writes down what its rounds are told
	$(BIN)/python -m tests.patterns

bench: $(VENV)/.dev ## Every figure of docs/performance.md; ROWS='wake rate' for some, OPTIONS=--record to keep them
	$(BIN)/python -m tests.benchmarks $(ROWS) $(OPTIONS)

bench-short: $(VENV)/.dev ## The same in a few minutes: fails where a ratio is off by a factor of two
	$(BIN)/python -m tests.benchmarks $(ROWS) --short $(OPTIONS)

bench-compare: $(VENV)/.dev ## The same on another revision, BASE=rev, and on this tree, side by side
	$(BIN)/python -m tests.benchmarks.compare \
	    $(or $(BASE),$(error which revision? make bench-compare BASE=main~10)) $(ROWS)

bench-durability: $(VENV)/.dev ## What redis.durability costs, as a table for docs/configuration.md
	$(BIN)/python -m tests.benchmarks.durability

soak: $(VENV)/.dev ## An hour's worth of rounds in fast motion: memory, descriptors, keys stay flat
	$(BIN)/python -m tests.soak $(if $(ROUNDS),--rounds $(ROUNDS))

soak-short: $(VENV)/.dev ## The same with two thirds of the rounds
	$(BIN)/python -m tests.soak --rounds 2400

fuzz: $(VENV)/.dev ## 100,000 hostile entries into a daemon's streams, SEED=n for a known run: is it unharmed?
	$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED))

torture: $(VENV)/.dev ## 200 kills over a town of 20 agents at work, SEED=n for a known one: is anything lost?
	$(BIN)/python -m tests.torture $(if $(SEED),--seed $(SEED))

torture-short: $(VENV)/.dev ## The same with 40 kills and 8 agents, in a minute
	$(BIN)/python -m tests.torture $(if $(SEED),--seed $(SEED)) \
	    --kills 40 --agents 8 --tasks 60 --messages 200

clean: ## Everything that make and the tools left, the virtual environment too
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name .git -prune -o -type d \( -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +
