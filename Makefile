# The commands of this checkout. `make` lists them.

VENV := .venv
BIN := $(VENV)/bin
MINUTES ?= 30
DATA ?= $(or $(PILEUS_DATA),./data)
SERVE := $(BIN)/pileus serve --data $(DATA) $(if $(DRIVER),--driver $(DRIVER)) $(if $(PORT),--port $(PORT))
SITE := src/pileus/api/documentation
METHODS := src/pileus/cli/resource_methods.json
CHECKED := src tests $(wildcard bench examples website)

.DEFAULT_GOAL := help
.PHONY: help setup serve guest test test-openstack test-openstack-failures record-openstack test-container chaos quick lint check coverage demo bench bench-million bench-machines bench-growth docs site site-links picture console-pictures lock clean

help: ## List these commands
	@echo "Pileus: a compute-cloud control plane that speaks the Gcore Cloud REST API."
	@echo
	@echo "  make serve            start a cloud on http://127.0.0.1:8080, with its data in ./data"
	@echo "  make demo             watch the official SDK use a cloud"
	@echo "  make test             run all tests, on SQLite and on PostgreSQL"
	@echo
	@echo "All commands:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'
	@echo
	@echo "The first command sets up $(VENV) from a lock file. That takes a minute, only once."

setup: $(VENV)/.dev ## Set up .venv for development

serve: $(VENV)/.run ## Start the server: make serve PORT=9000 DATA=./data DRIVER=qemu
	@$(if $(filter qemu,$(DRIVER)),scripts/novnc || true)
	@exec $(SERVE)

guest: ## Build a tiny image for real machines: make guest DATA=./data
	@mkdir -p $(DATA)/images
	scripts/tiny-guest $(abspath $(DATA))/images/debian-12-generic-x64.qcow2

demo: $(VENV)/.run ## Watch the official SDK create, update and delete an instance
	@$(BIN)/pileus demo

test: $(VENV)/.dev ## Run all tests on SQLite and PostgreSQL: make test ARGS="-k tags"
	scripts/in-memory scripts/with-postgres scripts/run-tests $(ARGS)

chaos: $(VENV)/.dev ## Kill, overload and attack servers at length: make chaos MINUTES=30 ARGS="-k crashes"
	PILEUS_CHAOS_MINUTES=$(MINUTES) scripts/with-postgres $(BIN)/python -m pytest --timeout 7200 $(ARGS) tests/chaos

test-container: $(VENV)/.dev ## Build the container, with and without a builder, and test its server (needs root and debootstrap)
	@scripts/need debootstrap
	PILEUS_TEST_CONTAINER=1 $(BIN)/python -m pytest -rs tests/packaging/test_container.py

# Recordings are only made anew if they are asked for.
record-openstack: OPTION := --record
test-openstack-failures: OPTION := --failures
test-openstack test-openstack-failures record-openstack: $(VENV)/.dev
	scripts/openstack/run-tests $(OPTION) $(ARGS)

test-openstack: ## Bring up a real OpenStack, and run conformance and real machines on it (needs root and Debian 12)
test-openstack-failures: ## Bring it up, and let parts of it fail in the middle of creations
record-openstack: ## Bring it up, and record its answers for the normal tests

coverage: $(VENV)/.dev ## Run all tests, and list the files whose branches they do not cover completely (twice the time)
	scripts/in-memory scripts/with-postgres scripts/run-tests --cov --cov-report= $(ARGS)
	@$(BIN)/coverage report

quick: $(VENV)/.dev ## Run lint and the tests that need no database and no server, in under 20 s
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/python -m pytest tests/domain tests/api/wire tests/test_rooms.py tests/test_names.py

lint: $(VENV)/.dev ## Check format, lint and types
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/mypy

check: lint ## Check format, lint, types, imports, names, and the examples in the documents
	$(BIN)/python -m pytest tests/test_rooms.py tests/test_names.py tests/docs

bench: $(VENV)/.dev ## Measure requests against the floor, on both databases: make bench PARTS=get,patch (needs wrk; QEMU for machines)
	@scripts/need wrk
	scripts/with-postgres --durable $(BIN)/python -m bench $(if $(PARTS),--parts $(PARTS))

bench-machines: $(VENV)/.dev ## Measure only real machines: creation until SSH answers, against plain QEMU (needs QEMU)
	$(BIN)/python -m bench --parts machines

bench-growth: $(VENV)/.dev ## Measure memory, and the bytes that requests and resources leave in the database
	$(BIN)/python -m bench.growth

bench-million: $(VENV)/.dev ## Measure requests, creation and deletion with a million instances (needs wrk)
	@scripts/need wrk
	$(BIN)/python -m bench --million

docs: $(VENV)/.run ## Generate the references in docs, and the table of the commands of resources
	@mkdir -p docs
	env -i PATH="$$PATH" HOME="$$HOME" $(BIN)/pileus settings --reference > docs/settings.md
	env -i PATH="$$PATH" HOME="$$HOME" $(BIN)/python scripts/limits > docs/limits.md
	env -i PATH="$$PATH" HOME="$$HOME" $(BIN)/python scripts/metrics > docs/metrics.md
	env -i PATH="$$PATH" HOME="$$HOME" $(BIN)/python scripts/openapi > docs/openapi.json
	env -i PATH="$$PATH" HOME="$$HOME" $(BIN)/python scripts/resource-methods > $(METHODS).new
	mv $(METHODS).new $(METHODS)

site: $(VENV)/.dev ## Build the documentation site, which the server shows at /docs
	$(BIN)/python -m website --output $(SITE)

site-links: $(VENV)/.dev ## Check the links of the documentation to other sites
	$(BIN)/python -m website --check-links --output build/links

picture: $(VENV)/.dev ## Make docs/session.svg and docs/sizes.svg, the pictures of the README
	$(BIN)/python scripts/picture
	$(BIN)/python scripts/sizes

console-pictures: $(VENV)/.dev ## Take pictures of every page of the web console, in build/console-pictures (needs Chromium and npm)
	@scripts/need chromium
	@scripts/need npm
	CONSOLE_SCREENSHOTS=build/console-pictures $(BIN)/python -m pytest -q -k pictures tests/console/test_console_looks.py

lock: ## Update the lock files: make lock ARGS=--upgrade
	scripts/lock $(ARGS)

clean: ## Remove all generated files except ./data
	rm -rf $(VENV) $(SITE) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamp files: an environment is only set up again if its lock file changes. .dev includes .run.
$(VENV)/.run: requirements.lock pyproject.toml scripts/setup
	@VENV=$(VENV) scripts/setup requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock requirements.lock pyproject.toml scripts/setup
	@VENV=$(VENV) scripts/setup requirements-dev.lock
	@touch $(VENV)/.run $@
