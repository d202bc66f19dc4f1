# Needs Python 3.11+ and make, nothing else: `make PYTHON=python3.13 demo` picks another Python.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.from-lock
JOBS   ?= 4

export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Keep compiled modules, whatever the environment says: every process and every run of the tests would compile them anew.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help setup demo up where quick test screenshots docs bench bench-growth bench-sandbox rehearse chaos lint fuzz format lock audit sbom clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv from requirements.lock (done by every other target)

# editable_mode=compat puts the folder itself on the path, so a package made later is found too.
# The stamp is as old as the last install, so nothing is done until the lock or the metadata change.
$(STAMP): requirements.lock setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	@echo "Setting up $(VENV) from requirements.lock; the first time it takes a minute or two"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python bin/install_locked.py requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	@touch $@

demo: $(STAMP) ## run the whole service once on real processes and check its promises
	@$(BIN)/python -m standalone demo

up: $(STAMP) ## run the whole service until Ctrl-C; its data stay in .data/
	@$(BIN)/python -m standalone up

where: $(STAMP) ## show the addresses and keys of the service that is up
	@$(BIN)/python -m standalone where

lint: $(STAMP) ## format, lint, types, imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

quick: lint ## every check, and the tests that take seconds: under a minute
	$(BIN)/pytest -n $(JOBS) -m "not slow"

test: lint ## every check and every test, and the branches of the core that no test takes
	$(BIN)/pytest -n $(JOBS) --dist loadscope --cov

screenshots: $(STAMP) ## check every state of the person's page, and every page of the console, and picture them
	SCREENSHOTS=1 $(BIN)/pytest tests/webhook_app/browser/test_screens.py tests/console/pages/test_screens.py
	@echo "Look through build/screenshots/index.html, and build/screenshots/console for the console"

# Material prints with each build when its support ends; decision 31 says what follows.
docs: $(STAMP) ## build the documents as a site: build/site/index.html; a link that leads nowhere is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Open build/site/index.html"

fuzz: $(STAMP) ## deliver a million odd webhooks, and send odd requests to the local Pluggy; FUZZ_SEED=n repeats a run
	FUZZ_BODIES=$${FUZZ_BODIES:-1000000} SANDBOX_FUZZ_REQUESTS=$${SANDBOX_FUZZ_REQUESTS:-100000} \
		$(BIN)/pytest -n 2 -rP tests/webhook_app/test_fuzz.py tests/pluggy_sandbox/server/test_app.py

format: $(STAMP) ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## measure the service
	@$(BIN)/python -m bench

bench-growth: $(STAMP) ## measure whether operations cost the same with a long history: ITEMS=20000 for a smaller one
	@$(BIN)/python -m bench.growth --items $(or $(ITEMS),100000)

rehearse: $(STAMP) ## migrate a large database while it is used, and look at every lock: make rehearse ROWS=100000
	@$(BIN)/python -m bench.rehearse --rows $(or $(ROWS),1000000)

chaos: $(STAMP) ## kill, stop and freeze every process while it works: make chaos SECONDS=60 SEED=1
	@$(BIN)/python -m chaos --seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))

bench-sandbox: $(STAMP) ## measure the sandbox alone
	@$(BIN)/python -m bench.sandbox

# --no-emit-* and --no-config keep the addresses of whatever index was asked out of the files.
LOCK := $(BIN)/uv pip compile setup.cfg --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-header

lock: ## choose the newest versions and write the two lock files (one for .venv, one for the image)
	@test -x $(BIN)/uv || ($(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet uv)
	$(LOCK) --upgrade --extra build --extra standalone --extra sandbox --extra tracing --extra dev --output-file requirements.lock
	$(LOCK) --extra build --constraint requirements.lock --output-file requirements-production.lock

# Both fetch their tool, which no other target needs; audit asks for what is known to be vulnerable.
audit: $(STAMP) ## look for known faults in what the image holds
	$(BIN)/uv tool run --quiet pip-audit@2.10.1 --requirement requirements-production.lock --require-hashes --disable-pip

sbom: $(STAMP) ## write what the image holds, as CycloneDX: build/sbom.json
	@mkdir -p build
	$(BIN)/uv tool run --quiet --from cyclonedx-bom==7.5.0 cyclonedx-py requirements requirements-production.lock --output-file build/sbom.json
	@echo "Wrote build/sbom.json"

clean: ## remove .venv and everything that was made, .data/ too
	rm -rf $(VENV) .data build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
