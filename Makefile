# The two that matter: `make demo` and `make test`, as root on Debian. `make help` lists the rest.
SHELL := /bin/sh
PYTHON ?= python3
HOSTS ?= 1
HOST ?= 1
INVENTORY ?= inventories/prod.py
BIN := .venv/bin
# Four workers with a lab each, on two cores, since each also waits. They take the files in their order: the long ones
# come first, the short ones fill the end.
LABS := --tx '4*popen//python=tests/worker.sh' --dist loadfile --no-loadscope-reorder
export PYINFRA_PROGRESS ?= off

.PHONY: help venv demo test faults check rollout docs bench bundle pins lab-up lab-down lab-reset lab-ssh lab-tools

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do printf '  make %-10s %s\n' "$$name" "$$what"; done

venv: .venv/.made ## what everything here runs with, into .venv; from bundle/wheels where there is one

demo: lab-up ## a throwaway host, deployed to, verified, and where to look
	$(BIN)/pyinfra -y inventories/lab.py deploy.py
	$(BIN)/pyinfra -y inventories/lab.py verify.py --data patience=90
	@echo
	@echo "It runs; what it has proved stands above. To look around:"
	@echo "  make lab-ssh                                                  # the host; its services are lgtm-*"
	@echo "  ssh -F .lab/ssh_config -L 9090:127.0.0.1:9090 lab1            # then http://127.0.0.1:9090, Prometheus"
	@echo "  $(PYTHON) -m lab scenario down --env production               # GatewayZ dies: in 5 minutes a mail in .lab/mail"
	@echo "  $(BIN)/pyinfra inventories/lab.py deploy.py --dry --diff      # what another deploy would change"
	@echo "  make lab-down                                                 # when you are done"

test: .venv/.dev lab-tools ## everything the project promises, on real hosts
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/unit tests/config  # most of it is promtool's, which uses one core
	$(BIN)/python -m pytest $(LABS) tests/faults tests/lab tests/lab_machines --durations=25

faults: .venv/.dev lab-tools ## what breaks during a deploy, at every step and 30 random moments
	LGTM_FAULTS=full $(BIN)/python -m pytest $(LABS) tests/faults -rs

check: .venv/.dev ## lint, types, shell, dead code, stale pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@! $(BIN)/vulture | grep -v 'unused variable'  # settings and fields are read by templates and reports
	$(BIN)/python -m lgtm.tools.reference --check
	$(BIN)/python tests/promises.py --check
	$(BIN)/shellcheck -x lgtm/host/scripts/activate.sh lgtm/host/scripts/services.sh
	$(BIN)/shellcheck --shell=sh --severity=warning lgtm/host/scripts/*.sh templates/*/*.sh tests/worker.sh

rollout: .venv/.made ## staging, then production host by host
	$(BIN)/python -m lgtm.tools.rollout $(ROLLOUT)

bench: .venv/.dev lab-tools ## speed on a lab host, as ratios in one run
	$(BIN)/python -m bench
	$(BIN)/python -m bench.verify

docs: .venv/.dev ## write anew the pages that are made of the code
	$(BIN)/python -m lgtm.tools.reference
	$(BIN)/python tests/promises.py

bundle: .venv/.made ## one archive for a site without internet, for INVENTORY=inventories/prod.py
	$(BIN)/python -m lgtm.tools.bundle $(INVENTORY)

pins: .venv/.made ## record in artifacts.lock the checksums that upstream publishes and it lacks
	$(BIN)/python -m lgtm.tools.pins

lab-up: .venv/.dev ## boot HOSTS=1 throwaway hosts, and what they talk to
	$(BIN)/python -m lab up --hosts $(HOSTS)

lab-down: ## stop the lab and leave nothing behind
	$(PYTHON) -m lab down

lab-reset: ## return the lab's hosts to bare
	$(PYTHON) -m lab reset

lab-ssh: ## log in to HOST=1
	$(PYTHON) -m lab ssh $(HOST)

lab-tools: .venv/.dev
	@if [ "$$(id -u)" != 0 ]; then echo "note: not root, so what needs lab hosts is skipped"; \
	else $(PYTHON) -m lab prerequisites --tests && $(BIN)/python -m lab prepare; fi

.venv/.made: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one with make PYTHON=python3.11 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && apt-get install -y -q python3-venv; } || \
		{ echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv .venv
	@if [ -d bundle/wheels ]; then $(BIN)/pip install -q --disable-pip-version-check --no-index bundle/wheels/*.whl; \
	else $(BIN)/pip install -q --disable-pip-version-check -e .; fi
	@touch $@

# What tests, checks and the lab want beside: not in the way of whoever only deploys.
.venv/.dev: .venv/.made
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@
