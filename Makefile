# `make serve` and `make test` set up everything that they need. `make help` lists all targets.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
SERVING := $(VENV)/.serving
READY := $(VENV)/.ready
JOBS ?= 5
# Tests start many processes, which start faster from compiled modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help serve test test-long coverage mutants test-clients test-web test-deploy stress reference screenshot check-picture record-clients bench lint format lock clean docs dist deb sbom test-packaging

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

serve: $(SERVING) ## Serve the BT settings on http://127.0.0.1:8000
	$(BIN)/bt-autoconfig serve

PYTEST := $(BIN)/pytest --numprocesses $(JOBS) --dist worksteal

test: $(READY) ## Run the tests, in parallel and in random order (docs/testing.md)
	$(PYTEST) -m 'not long'
	@echo 'For load, attacks and failing workers: make test-long'
	@echo 'For real clients, a browser and containers: make test-clients test-web test-deploy'

test-long: $(READY) ## Run the tests of load, attacks, failing workers and hostile servers
	$(PYTEST) -m long

test-clients: $(READY) ## Install real clients and run only their tests, without skips (root, Debian)
	tests/clients/install
	REQUIRE_CLIENTS=1 $(BIN)/pytest tests/clients

test-web: $(READY) ## Install Chromium and axe-core and run only the setup page's tests, without skips (root, Debian, npm)
	tests/web/install
	REQUIRE_WEB=1 $(BIN)/pytest tests/web

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Fix the style with ruff
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## Update the pinned dependencies (needs uv)
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
	    pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
	    --constraint requirements.lock --group dev pyproject.toml -o requirements-dev.lock
	for group in build docs release; do uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header \
	    --group $$group -o requirements-$$group.lock; done

bench: $(READY) ## Compare the speed with a bare HTTP server, nginx and a peer (docs/performance.md)
	tests/benchmark/install .venv-bench
	$(BIN)/python -m tests.benchmark $(BENCH)

coverage: $(READY) ## Run the tests and require full line and branch coverage
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses $(JOBS) --dist worksteal
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

mutants: $(READY) ## Change the code in a hundred places and list the changes that no test detects (docs/testing.md)
	$(BIN)/python -m tests.mutants $(MUTANTS)

stress: $(READY) ## Send load through Caddy while workers die, files change and clients attack (root, Debian; minutes)
	tests/clients/install
	$(BIN)/python -m tests.stress $(STRESS)

check-picture: $(READY) ## Draw docs/check.svg from a check in the lab (root, Debian)
	tests/clients/install
	RECORD_CHECK=docs/check.svg $(BIN)/pytest tests/clients/test_check.py -k "certificate and another and name"

record-clients: $(READY) ## Write docs/clients.md from runs of the real clients
	tests/clients/install
	REQUIRE_CLIENTS=1 RECORD_CLIENTS=docs/clients.md $(BIN)/pytest -p no:randomly tests/clients

test-deploy: $(READY) ## Run only the tests of deploy/, with containers, without skips (root, Debian)
	tests/deploy/install
	REQUIRE_DEPLOY=1 $(BIN)/pytest tests/deploy

reference: $(READY) ## Write docs/reference.md (commands and environment variables) from the code
	$(BIN)/python -m tests.reference docs/reference.md

test-packaging: $(READY) ## Build the sdist, the wheel and the documentation, and test them
	REQUIRE_PACKAGING=1 $(BIN)/pytest tests/packaging

screenshot: $(READY) ## Take the screenshots of the setup page for the README and docs
	tests/web/install
	$(BIN)/python -m tests.web.screenshot docs

docs: .venv-docs/.ready ## Build the documentation as a site, in dist/site
	.venv-docs/bin/mkdocs build --quiet

dist: .venv-release/.ready ## Build sdist and wheel reproducibly in dist/, and check them
	rm -rf dist/*.whl dist/*.tar.gz
	.venv-release/bin/python -m build --quiet --no-isolation --outdir dist
	.venv-release/bin/twine check --strict dist/*.whl dist/*.tar.gz

deb: dist ## Build a package for Debian 12 in dist/ (needs dpkg)
	rm -f dist/*.deb
	deploy/debian/build dist/*.whl dist

sbom: .venv-release/.ready ## Write the bill of materials, dist/sbom.json (CycloneDX)
	mkdir -p dist
	.venv-release/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --mc-type application \
	    --output-file dist/sbom.json requirements.lock

.venv-%/.ready: requirements-%.lock
	$(PYTHON) -m venv --clear .venv-$*
	.venv-$*/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

clean: ## Remove everything that the other targets created
	rm -rf $(VENV) .venv-bench .venv-docs .venv-release bench.json tests/web/node_modules dist .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The environment is rebuilt only when its inputs change.
$(SERVING): requirements.lock requirements-build.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "$(PYTHON) is `$(PYTHON) --version`; Python 3.11 or newer is needed: make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --require-hashes -r requirements-build.lock --target $(VENV)/build
	PYTHONPATH=$(VENV)/build $(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

# The dependencies of tests, linters and builds, installed into the same environment
$(READY): $(SERVING) requirements-dev.lock
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
