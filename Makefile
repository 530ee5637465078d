# Start with `make demo` and `make test`, as root on Debian. `make help` lists all targets.
SHELL := /bin/sh
PYTHON ?= python3
HOSTS ?= 1
HOST ?= 1
INVENTORY ?= inventories/prod.py
BIN := .venv/bin
# Four workers with a lab each, on two cores, because tests also wait. Files are taken in order: long ones first, short
# ones at the end.
LABS := --tx '4*popen//python=tests/worker.sh' --dist loadfile --no-loadscope-reorder
export PYINFRA_PROGRESS ?= off

.PHONY: help venv demo test faults check rollout docs bench bundle pins lab-up lab-down lab-reset lab-ssh lab-tools

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | while IFS='|' read -r name what; do printf '  make %-10s %s\n' "$$name" "$$what"; done

venv: .venv/.made ## install the tools into .venv, from bundle/wheels if that exists

demo: lab-up ## boot a throwaway host, deploy to it, verify it, say where to look
	$(BIN)/pyinfra -y inventories/lab.py deploy.py
	$(BIN)/pyinfra -y inventories/lab.py verify.py --data patience=90
	@echo
	@echo "The stack runs; the table above shows what is proved. To look around:"
	@echo "  make lab-ssh                                                  # log in to the host; its services are lgtm-*"
	@echo "  ssh -F .lab/ssh_config -L 9090:127.0.0.1:9090 lab1            # then open http://127.0.0.1:9090 (Prometheus)"
	@echo "  $(PYTHON) -m lab scenario down --env production               # stop GatewayZ: after 5 minutes a mail is in .lab/mail"
	@echo "  $(BIN)/pyinfra inventories/lab.py deploy.py --dry --diff      # show what a deploy would change"
	@echo "  make lab-down                                                 # stop the lab"

test: .venv/.dev lab-tools ## test every promise of the project, on real hosts
	$(BIN)/python -m pytest -n 2 --dist worksteal tests/unit tests/config  # most time goes to promtool, which uses one core
	$(BIN)/python -m pytest $(LABS) tests/faults tests/lab tests/lab_machines --durations=25

faults: .venv/.dev lab-tools ## break deploys at every step and at 30 random moments
	LGTM_FAULTS=full $(BIN)/python -m pytest $(LABS) tests/faults -rs

check: .venv/.dev ## check style, types, shell, dead code, generated pages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@! $(BIN)/vulture | grep -v 'unused variable'  # templates and reports read settings and fields
	$(BIN)/python -m lgtm.tools.reference --check
	$(BIN)/python tests/promises.py --check
	$(BIN)/shellcheck -x lgtm/host/scripts/activate.sh lgtm/host/scripts/services.sh
	$(BIN)/shellcheck --shell=sh --severity=warning lgtm/host/scripts/*.sh templates/*/*.sh tests/worker.sh

rollout: .venv/.made ## deploy to staging, then to production host by host
	$(BIN)/python -m lgtm.tools.rollout $(ROLLOUT)

bench: .venv/.dev lab-tools ## measure the speed on a lab host, as ratios of one run
	$(BIN)/python -m bench
	$(BIN)/python -m bench.verify

docs: .venv/.dev ## write the generated pages
	$(BIN)/python -m lgtm.tools.reference
	$(BIN)/python tests/promises.py

bundle: .venv/.made ## make an archive for a site without internet (INVENTORY=inventories/prod.py)
	$(BIN)/python -m lgtm.tools.bundle $(INVENTORY)

pins: .venv/.made ## record the checksums that artifacts.lock lacks
	$(BIN)/python -m lgtm.tools.pins

lab-up: .venv/.dev ## boot HOSTS=1 throwaway hosts, and the services they talk to
	$(BIN)/python -m lab up --hosts $(HOSTS)

lab-down: ## stop the lab and remove it
	$(PYTHON) -m lab down

lab-reset: ## reset the lab's hosts to bare ones
	$(PYTHON) -m lab reset

lab-ssh: ## log in to HOST=1
	$(PYTHON) -m lab ssh $(HOST)

lab-tools: .venv/.dev
	@if [ "$$(id -u)" != 0 ]; then echo "note: not root, so tests that need lab hosts are skipped"; \
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

# Tests, checks and the lab need more packages than a deploy does.
.venv/.dev: .venv/.made
	$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@
