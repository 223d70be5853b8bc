# Needs Python 3.11+ with venv, make and git; everything else is installed into this folder.
# `make` lists the commands of readers, `make help` all. `uv run book --help` does it without make.

.DEFAULT_GOAL := learn
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

# What a person may give, exactly as typed: make would expand a `$`. First of all, because each
# $(shell) below gets it in its environment. Without a TASK there is a prompt; a blank one is passed
# on, to be refused.
NAMES := TASK STEP LIVE PORT INCIDENT SEED SEEDS SET DETAILS BY REVENUE A B ALL TIMES THOROUGH \
	ALL_STEPS PICTURE FAST EVERY FRESH SHARD DRAW UNJUDGED MODULE MINUTES
TASK_GIVEN := $(filter-out undefined,$(origin TASK))
$(foreach name,$(NAMES),$(if $(filter-out undefined,$(origin $(name))),$(eval override $(name) := $$(value $(name)))))
ifneq ($(TASK_GIVEN),)
export TASK
endif

# task="..." would set nothing, in silence.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
MEANT := $(if $(GIVEN),$(filter $(NAMES),$(shell echo '$(filter-out $(NAMES),$(GIVEN))' | tr '[:lower:]' '[:upper:]')))
$(if $(MEANT),$(error names are in capitals: write $(MEANT:%=%=...)))

# A word for the shell, whatever is in it; and a switch, which 0, no and false leave off.
sh = '$(subst ','\'',$(1))'
OFF := 0 n N no No NO off Off OFF false False FALSE
on = $(filter-out $(OFF),$(firstword $($(1))))

PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; done)
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
UV_VERSION := 0.13.8
QUIET := $(if $(MAKE_TERMOUT),,--quiet)
SYNC := "$(UV)" sync $(QUIET) --frozen
BOOK := .venv/bin/book
PROJECT_FILES := pyproject.toml uv.lock $(wildcard */pyproject.toml chapters/*/pyproject.toml infrastructure/*/pyproject.toml)

# A company's own certificate authority stands in the system's certificates, which uv else passes by.
CERTIFICATES := $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
	/etc/ssl/ca-bundle.pem /etc/ssl/cert.pem))
ifneq ($(CERTIFICATES),)
export UV_SYSTEM_CERTS ?= true
endif

# Where the home takes no files, the caches of uv and pip go into this folder.
CACHES := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)
TAKES_FILES = $(shell at=$(call sh,$(1)); while [ ! -e "$$at" ] && [ -n "$$at" ]; do at=$${at%/*}; done; \
	[ -d "$${at:-/}" ] && [ -w "$${at:-/}" ] && echo yes)
ifeq ($(call TAKES_FILES,$(CACHES)/uv),)
export UV_CACHE_DIR ?= $(CURDIR)/.cache/uv
export PIP_CACHE_DIR ?= $(CURDIR)/.cache/pip
endif

# Stamps are made by pattern rules; make would delete them as intermediate files.
.SECONDARY:

# Two groups, at most a dozen lines each: `make` shows the first, `make help` both.
.PHONY: learn
learn:
	@echo "To read and to learn:"
	@echo "  make chapter-02   the failure, then the cure, measured  [INCIDENT=name] [SEED=7 or SEEDS=0-19] [SET=NAME=VALUE] [DETAILS=1]"
	@echo "  make chapter-01   a friendly day, a bad one, and how ready the baseline is  [BY=usd] [REVENUE=12.50] [FRESH=1]"
	@echo "  make diff-02      what each step of a chapter changes, in colour; make diff A=reference-agent B=chapter-02/with-retries"
	@echo "  make agent        one task on any step, offline  TASK=\"What is 23*19?\" [STEP=chapter-02/with-retries] [LIVE=1]"
	@echo "  make service      an agent over HTTP, until Ctrl-C  [STEP=chapter-02/complete] [PORT=8000] [LIVE=1]"
	@echo "  make scoreboard   every incident on the baseline and on each chapter's last step  [SEED=7] [ALL_STEPS=1] [FRESH=1]"
	@echo "  make test         every step and package, what changed since it passed  [ALL=1] [TIMES=1] [THOROUGH=1]; make test-02"
	@echo "  make list         chapters, steps, incidents"
	@echo "  make report       versions and system, to paste where you report a problem"
	@echo "  make clean        remove what was installed and cached in this folder"
	@echo "  make help         these, and what maintainers use"

.PHONY: help
help: learn
	@echo "To maintain:"
	@echo "  make check            the rules of CONTRIBUTING.md; FAST=1 leaves out what runs code, EVERY=1 adds pairs, FRESH=1 keeps"
	@echo "                        no result, SHARD=1/4 is a share, DRAW=60 draws later steps for 60 s, UNJUDGED=0.1 is content"
	@echo "                        where a busy machine allows no verdict on up to a tenth of the pairs"
	@echo "  make propagate        carry an edit of a step down the chain  [STEP=...]"
	@echo "  make test-slow        what takes minutes: real servers and trials, left-overs, exports, pasted READMEs, the pages"
	@echo "  make mutation         do the tests notice changes  [MODULE=retries]"
	@echo "  make bench-reliability   what each policy costs; make bench-simulator: the simulator's speed; both as ratios"
	@echo "  make sdk-suite        the SDK's own tests against the simulator"
	@echo "  make fuzz-simulator   requests to the simulator that nobody wrote, for ten minutes  [MINUTES=10]"

.PHONY: list
list: .venv/.installed-book
	@$(BOOK) list

chapter-%: .venv/.installed-chapter-%
	@$(BOOK) run $* $(if $(INCIDENT),--incident $(call sh,$(INCIDENT))) $(if $(SEED),--seed $(call sh,$(SEED))) $(if $(SEEDS),--seeds $(call sh,$(SEEDS))) $(if $(call on,DETAILS),--details) $(foreach setting,$(SET),--set $(call sh,$(setting))) $(if $(UNJUDGED),|| [ $$? -eq 3 ])

# chapter-2 and chapter-02-reliability mean chapter-02.
$(addprefix chapter-,1 2 3 4 5 6 7 8 9): chapter-%: chapter-0%
	@:
$(foreach folder,$(notdir $(wildcard chapters/chapter-*)),$(eval $(folder): chapter-$(word 2,$(subst -, ,$(folder))); @:))

# Chapter 1 runs the incidents of all chapters.
.PHONY: chapter-01
chapter-01: .venv/.installed-all
	@$(BOOK) run 01 $(if $(SEED),--seed $(call sh,$(SEED))) $(if $(BY),--by $(call sh,$(BY))) $(if $(REVENUE),--revenue $(call sh,$(REVENUE))) $(if $(call on,FRESH),--fresh)

.PHONY: test
test: .venv/.installed-all
	@$(BOOK) test $(if $(call on,THOROUGH),--thorough) $(if $(call on,ALL),--all) $(if $(call on,TIMES),--times)

test-%: .venv/.installed-all
	@$(BOOK) test $* $(if $(call on,THOROUGH),--thorough) $(if $(call on,ALL),--all) $(if $(call on,TIMES),--times)

# A step in a chapter needs that chapter's packages, the reference agent its own, a wrong name none.
STEP_AT := $(firstword $(wildcard $(patsubst %,%/agent.py,$(STEP) chapters/$(STEP) chapters/*/$(STEP) chapters/$(subst /,-*/,$(STEP)))))
AGENT_NEEDS := $(if $(STEP),$(if $(STEP_AT),$(or $(patsubst chapters/%,chapter-$(word 2,$(subst -, ,$(STEP_AT))),$(filter chapters/%,$(STEP_AT))),$(if $(filter reference-agent/%,$(STEP_AT)),reference,all)),book),reference)

.PHONY: scoreboard
scoreboard: .venv/.installed-all
	@$(BOOK) scoreboard $(if $(SEED),--seed $(call sh,$(SEED))) $(if $(INCIDENT),--incident $(call sh,$(INCIDENT))) $(if $(call on,ALL_STEPS),--all-steps) $(if $(call on,FRESH),--fresh) $(if $(PICTURE),--picture $(call sh,$(PICTURE)))

.PHONY: bench-reliability
bench-reliability: .venv/.installed-all
	@$(SYNC) --inexact --all-packages --group bench --python $(PYTHON)
	@.venv/bin/python chapters/chapter-02-reliability/bench_reliability.py

# Slow: it runs the tests once for each of some thousand changes. MODULE=... for one module.
.PHONY: mutation
mutation: .venv/.installed-all
	@$(SYNC) --inexact --all-packages --group mutation --python $(PYTHON)
	@.venv/bin/python infrastructure/book/mutation.py chapter-02 $(if $(MODULE),--module $(call sh,$(MODULE)))

.PHONY: agent
agent: .venv/.installed-$(AGENT_NEEDS)
	$(ONLY_1)
	@$(BOOK) agent --step $(call sh,$(or $(STEP),reference-agent)) $(ASKED) $(if $(TASK_GIVEN),-- "$$TASK")

.PHONY: service
service: .venv/.installed-$(if $(STEP),$(AGENT_NEEDS),chapter-02)
	$(ONLY_1)
	@exec $(BOOK) service --step $(call sh,$(or $(STEP),chapter-02/complete)) $(ASKED) $(if $(PORT),--port $(call sh,$(PORT)))

# Only LIVE=1 costs money: what else it may be meant to say is no order.
ASKED = $(if $(filter 1,$(LIVE)),--live) $(if $(SEED),--seed $(call sh,$(SEED)))
ONLY_1 = $(if $(filter-out 1 $(OFF),$(LIVE)),@echo "offline: only LIVE=1 asks the real API" >&2)

.PHONY: diff
diff: .venv/.installed-book
	@$(BOOK) diff $(call sh,$(A)) $(call sh,$(B))

diff-%: .venv/.installed-book
	@$(BOOK) diff $*

.PHONY: check
check: .venv/.installed-$(if $(call on,FAST),book,all)
	@$(BOOK) check $(if $(call on,FAST),--fast) $(if $(call on,EVERY),--every) $(if $(call on,FRESH),--fresh) $(if $(SHARD),--shard $(call sh,$(SHARD))) $(if $(DRAW),--draw $(call sh,$(DRAW))) $(if $(UNJUDGED),--unjudged $(call sh,$(UNJUDGED)) || [ $$? -eq 3 ])

.PHONY: report
report: .venv/.installed-book
	@$(BOOK) report

.PHONY: propagate
propagate: .venv/.installed-all
	@$(BOOK) propagate $(if $(STEP),$(call sh,$(STEP)))

.PHONY: sdk-suite
sdk-suite: .venv/.installed-all
	@.venv/bin/python infrastructure/mock-claude/sdk_suite.py

.PHONY: fuzz-simulator
fuzz-simulator: .venv/.installed-all
	@.venv/bin/python infrastructure/mock-claude/fuzz_messages.py --minutes $(or $(MINUTES),10)

.PHONY: bench-simulator
bench-simulator: .venv/.installed-all
	@.venv/bin/python infrastructure/mock-claude/bench_simulator.py

.PHONY: clean
clean:
	rm -rf .venv .uv .cache

# --- setting up: each stamp says that the environment holds what a command needs ---

# Tests start dozens of Pythons: where none may write bytecode, each would compile the SDK anew.
.venv/.installed-all: $(PROJECT_FILES) | setup
	@$(SYNC) --all-packages --compile-bytecode --python $(PYTHON)
	@touch $@ .venv/.installed-book .venv/.installed-reference

.venv/.installed-reference: $(PROJECT_FILES) | setup
	@$(SYNC) --inexact --package reference-agent --python $(PYTHON)
	@touch $@

.venv/.installed-book: $(PROJECT_FILES) | setup
	@$(SYNC) --inexact --no-default-groups --package book --python $(PYTHON)
	@touch $@

.venv/.installed-chapter-%: $(PROJECT_FILES) | setup
	@folder=$$(ls -d chapters/chapter-$(call sh,$*)-* 2>/dev/null | head -n 1); \
	if [ -z "$$folder" ]; then \
		echo "there is no chapter "$(call sh,$*)". Valid: $$(ls chapters | cut -d- -f1,2 | tr '\n' ' ')" >&2; exit 2; \
	fi; \
	$(SYNC) --inexact --package "$$(basename "$$folder")" --python $(PYTHON)
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
		pip=".uv/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)"; \
		$(PYTHON) -m venv .uv && { $$pip || $(if $(CERTIFICATES),$$pip --cert $(CERTIFICATES) ||) { \
			rm -rf .uv; \
			echo "uv could not be installed. A company's own index: PIP_INDEX_URL=https://..." \
				"and UV_DEFAULT_INDEX; its certificates: PIP_CERT=FILE and SSL_CERT_FILE" >&2; \
			exit 2; }; } || exit 2; \
	fi
	@if [ ! -d .venv ]; then echo "Installing what this needs into .venv (once, up to a minute)"; fi
