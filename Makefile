# Needs Python 3.11+ with venv, make and git; everything else is installed into this folder.
# `make help` lists the commands. `uv run book --help` does all of it without make.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
UV_VERSION := 0.13.8
QUIET := $(if $(MAKE_TERMOUT),,--quiet)
BOOK := .venv/bin/book
PROJECT_FILES := pyproject.toml uv.lock $(wildcard */pyproject.toml chapters/*/pyproject.toml infrastructure/*/pyproject.toml)

# A task reaches the shell as a variable, so that no quote in it can break the command. A blank one
# is passed on, to be refused; only without one there is a prompt.
TASK_GIVEN := $(filter-out undefined,$(origin TASK))
export TASK

# Stamps are made by pattern rules; make would delete them as intermediate files.
.SECONDARY:

.PHONY: help
help: ## this list
	@echo "make chapter-02 [INCIDENT=name] [SEED=7 or SEEDS=0-19] [SET=NAME=VALUE] [DETAILS=1]   the failure, then the cure, measured"
	@echo "make chapter-01  a friendly day, a bad one, and how ready the baseline is [BY=usd] [REVENUE=12.50] [FRESH=1]"
	@echo "make test        every step and package, what changed since it passed; ALL=1 all; make test-02 one chapter"
	@echo "                 TIMES=1 lists CPU and wall seconds and the slowest tests, THOROUGH=1 tries more examples"
	@echo "make agent TASK=\"What is 23*19?\" [STEP=chapter-02/with-retries] [LIVE=1]"
	@echo "make scoreboard  all incidents on the baseline and on each chapter's last step [SEED=7] [ALL_STEPS=1] [FRESH=1]"
	@echo "make diff-02     the chapter's lessons in colour; make diff A=reference-agent B=chapter-02/with-retries"
	@echo "make check       maintainers: the rules of CONTRIBUTING.md; FAST=1 leaves out what runs code, EVERY=1 adds pairs,"
	@echo "                 FRESH=1 uses no kept result, SHARD=1/4 runs a share, DRAW=60 draws later steps for 60 s,"
	@echo "                 UNJUDGED=0.1 is content where a busy machine allows no verdict on up to a tenth of the pairs"
	@echo "make propagate   maintainers: carry an edit of a step down the chain [STEP=...]"
	@echo "make test-slow   what takes minutes: real servers and trials, left-overs, exports, the pages in Chromium"
	@echo "make bench-reliability   what each policy costs; make mutation: do the tests notice changes [MODULE=retries]"
	@echo "make sdk-suite   the SDK's own tests against the simulator; make bench-simulator: its speed as ratios"
	@echo "make list        chapters, steps, incidents"
	@echo "make clean       remove what was installed and cached in this folder"

.PHONY: list
list: .venv/.installed-book
	@$(BOOK) list

chapter-%: .venv/.installed-chapter-%
	@$(BOOK) run $* $(if $(INCIDENT),--incident "$(INCIDENT)") $(if $(SEED),--seed "$(SEED)") $(if $(SEEDS),--seeds "$(SEEDS)") $(if $(DETAILS),--details) $(foreach setting,$(SET),--set "$(setting)") $(if $(UNJUDGED),|| [ $$? -eq 3 ])

# Chapter 1 runs the incidents of all chapters.
.PHONY: chapter-01
chapter-01: .venv/.installed-all
	@$(BOOK) run 01 $(if $(SEED),--seed "$(SEED)") $(if $(BY),--by "$(BY)") $(if $(REVENUE),--revenue "$(REVENUE)") $(if $(FRESH),--fresh)

.PHONY: test
test: .venv/.installed-all
	@$(BOOK) test $(if $(THOROUGH),--thorough) $(if $(ALL),--all) $(if $(TIMES),--times)

# Its old name.
.PHONY: test-exports
test-exports: test-slow

test-%: .venv/.installed-all
	@$(BOOK) test $* $(if $(THOROUGH),--thorough) $(if $(ALL),--all) $(if $(TIMES),--times)

# A step in a chapter needs that chapter's packages, the reference agent its own; any other name, all.
AGENT_NEEDS := $(if $(STEP),$(if $(filter chapter-%,$(STEP)),$(shell echo "$(STEP)" | cut -c1-10),all),reference)

.PHONY: scoreboard
scoreboard: .venv/.installed-all
	@$(BOOK) scoreboard $(if $(SEED),--seed "$(SEED)") $(if $(INCIDENT),--incident "$(INCIDENT)") $(if $(ALL_STEPS),--all-steps) $(if $(FRESH),--fresh) $(if $(PICTURE),--picture "$(PICTURE)")

.PHONY: bench-reliability
bench-reliability: .venv/.installed-all
	@$(UV) sync $(QUIET) --frozen --inexact --all-packages --group bench --python $(PYTHON)
	@.venv/bin/python chapters/chapter-02-reliability/bench_reliability.py

# Slow: it runs the tests once for each of some thousand changes. MODULE=... for one module.
.PHONY: mutation
mutation: .venv/.installed-all
	@$(UV) sync $(QUIET) --frozen --inexact --all-packages --group mutation --python $(PYTHON)
	@.venv/bin/python infrastructure/book/mutation.py chapter-02 $(if $(MODULE),--module "$(MODULE)")

.PHONY: agent
agent: .venv/.installed-$(AGENT_NEEDS)
	@$(BOOK) agent --step "$(or $(STEP),reference-agent)" $(if $(LIVE),--live) $(if $(TASK_GIVEN),-- "$$TASK")

.PHONY: diff
diff: .venv/.installed-book ## the lesson between any two steps: A=... B=...
	@$(BOOK) diff "$(A)" "$(B)"

diff-%: .venv/.installed-book
	@$(BOOK) diff $*

.PHONY: check
check: .venv/.installed-$(if $(FAST),book,all)
	@$(BOOK) check $(if $(FAST),--fast) $(if $(EVERY),--every) $(if $(FRESH),--fresh) $(if $(SHARD),--shard "$(SHARD)") $(if $(DRAW),--draw "$(DRAW)") $(if $(UNJUDGED),--unjudged "$(UNJUDGED)" || [ $$? -eq 3 ])

.PHONY: propagate
propagate: .venv/.installed-all
	@$(BOOK) propagate $(STEP)

.PHONY: sdk-suite
sdk-suite: .venv/.installed-all
	@.venv/bin/python infrastructure/mock-claude/sdk_suite.py

.PHONY: bench-simulator
bench-simulator: .venv/.installed-all
	@.venv/bin/python infrastructure/mock-claude/bench_simulator.py

.PHONY: clean
clean:
	rm -rf .venv .uv .cache

# --- setting up: each stamp says that the environment holds what a command needs ---

# Tests start dozens of Pythons: where none may write bytecode, each would compile the SDK anew.
.venv/.installed-all: $(PROJECT_FILES) | setup
	@$(UV) sync $(QUIET) --frozen --all-packages --compile-bytecode --python $(PYTHON)
	@touch $@ .venv/.installed-book .venv/.installed-reference

.venv/.installed-reference: $(PROJECT_FILES) | setup
	@$(UV) sync $(QUIET) --frozen --inexact --package reference-agent --python $(PYTHON)
	@touch $@

.venv/.installed-book: $(PROJECT_FILES) | setup
	@$(UV) sync $(QUIET) --frozen --inexact --no-default-groups --package book --python $(PYTHON)
	@touch $@

.venv/.installed-chapter-%: $(PROJECT_FILES) | setup
	@folder=$$(ls -d chapters/chapter-$*-* 2>/dev/null | head -n 1); \
	if [ -z "$$folder" ]; then \
		echo "there is no chapter $*. Valid: $$(ls chapters | cut -d- -f1,2 | tr '\n' ' ')" >&2; exit 2; \
	fi; \
	$(UV) sync $(QUIET) --frozen --inexact --package "$$(basename "$$folder")" --python $(PYTHON)
	@touch $@

.PHONY: setup
setup:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Python 3.11 or newer is needed and none is on the PATH: https://www.python.org/downloads/" >&2; exit 2; \
	fi
	@if [ ! -x "$(UV)" ] && ! command -v "$(UV)" >/dev/null 2>&1; then \
		if ! $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then \
			version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
			echo "$(PYTHON) has no venv module. On Debian or Ubuntu: sudo apt-get install python$$version-venv" >&2; exit 2; \
		fi; \
		echo "Installing uv $(UV_VERSION) into .uv (once)"; \
		$(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)" || { rm -rf .uv; exit 2; }; \
	fi
	@if [ ! -d .venv ]; then echo "Installing what this needs into .venv (once, up to a minute)"; fi
