# One command for each thing a developer does here; `make help` lists them.
# A target installs what it needs: Debian packages (as root, only missing ones) and virtual environments
# in build/. Whatever a target needs is made anew when its requirements change, and only then.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup setup-run setup-test setup-hosts lint sanity unit integration molecule molecule-fleet molecule-gates bench chaos chaos-sample \
	demo format compat build test clean

PYTHON ?= $(firstword $(wildcard /usr/bin/python3.11) python3)
VENV := $(CURDIR)/build/venv
TEST_VENV := $(CURDIR)/build/venv-test
PROVIDE := $(PYTHON) tests/tools/provide.py
CLEAN_PATH := $(shell echo "$$PATH" | tr : '\n' | grep -v '/shims$$' | paste -sd :):/usr/sbin:/sbin
RUN := PATH="$(VENV)/bin:$(CLEAN_PATH)"
TEST := PATH="$(TEST_VENV)/bin:$(CLEAN_PATH)"
PYTEST = $(TEST) $(TEST_VENV)/bin/pytest --junit-xml=build/results/$@/$@.xml $(A)

S ?= default
N ?= 40
PARTS ?= lint sanity unit integration molecule molecule-fleet molecule-gates compat chaos-sample

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

setup: setup-run setup-test setup-hosts ## install all that any target needs

setup-run: ## install what the playbooks and the demo need
	@$(PROVIDE) commands haproxy openssl
	@$(PROVIDE) venv $(VENV) tests/requirements-run.txt

setup-test: ## install what lint, sanity, unit and integration tests need
	@$(PROVIDE) commands faketime git haproxy nginx openssl prometheus redis-server shellcheck ssh sshd
	@$(PROVIDE) venv $(TEST_VENV) tests/requirements.txt

setup-hosts: ## install podman and build the image of the test hosts
	@$(PROVIDE) commands podman runc iptables nft mmdebstrap ssh
	@$(PYTHON) tests/hosts/hosts.py image

lint: setup-test ## ruff, mypy, yamllint, ansible-lint, changelog, Python 3.9 on managed hosts
	@$(TEST) python tests/tools/lint.py

format: setup-test ## let ruff put the Python code into shape
	@$(TEST) ruff check --fix --quiet || true
	@$(TEST) ruff format

sanity: setup-test ## ansible-test sanity, nothing ignored
	@$(TEST) python tests/tools/sanity.py $(A)

unit: setup-test ## unit tests; A='-k word' passes arguments on to pytest
	@$(PYTEST) tests/unit

integration: setup-test ## tests against a real HAProxy, a file at a time in each of two processes
	@$(PYTEST) --numprocesses 2 --dist loadfile --no-loadscope-reorder tests/integration

molecule: setup-test setup-hosts ## a molecule scenario on real hosts; S=default
	@mkdir -p build/home-molecule
	@HOME=$(CURDIR)/build/home-molecule $(if $(MAKE_TERMOUT),,NO_COLOR=1) $(TEST) molecule test --scenario-name $(S)

molecule-fleet: ## the scenario with two HAProxy and two nginx routers
	@$(MAKE) --no-print-directory molecule S=fleet

molecule-gates: ## the scenario with good and bad releases, a Prometheus and a Redis
	@$(MAKE) --no-print-directory molecule S=gates

bench: setup-test ## every benchmark; the numbers are in build/bench.json
	@$(PROVIDE) commands h2load
	@$(TEST) python tests/tools/bench.py

chaos: setup-test setup-hosts ## N faults in the middle of releases, under load, on one router and on a fleet; N=40
	@$(TEST) python tests/chaos --faults $(N) $(A)

chaos-sample: ## the same for about three minutes, for `make test`
	@$(MAKE) --no-print-directory chaos N=24 A='--seconds 180'

demo: setup-run ## releases, rollbacks and failures under load, on this machine
	@$(RUN) python demo/run.py

compat: setup-run ## the playbooks on the oldest and the newest ansible-core
	@$(PROVIDE) commands nginx
	@$(PYTHON) tests/tools/compat.py

build: setup-run ## build the collection's tarball into build/
	@$(RUN) ansible-galaxy collection build --force --output-path build

test: ## everything; ends with `N passed, N failed`
	@$(PYTHON) tests/tools/run_parts.py $(PARTS)

clean: ## remove build/ and the test hosts' image
	@if [ -d build/hosts ]; then $(PYTHON) tests/hosts/hosts.py clean; fi
	rm -rf build .mypy_cache .ruff_cache .pytest_cache .hypothesis .ansible
