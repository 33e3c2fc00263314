# make demo   the main job on the bundled real history
# make test   lint, types and all tests
# make smoke  the fixture's own suites, once, against a real PostgreSQL
# make record the fixtures' recordings anew, by the real runners
# make docs   the documentation as a site, in build/site
# make tutorial  docs/tutorial.md anew: what its commands print now
# make accuracy  docs/accuracy.md anew: how often causes and partners are right (half an hour at most)
# make fuzz  mutated reports against the reader and the store: SECONDS=20, or COUNT=1000000, and SEED= of an earlier time
# make reliability  docs/reliability.md anew: dialects, hostile input, faults (also one by one: reliability-faults …)
# make performance  docs/performance.md anew: time, memory and size, beside other tools (half an hour; installs the others)
# make pins   constraints.txt and requirements/*.txt anew, after a dependency was added or a version moved
# make sbom   the bill of materials of what runs flakediag, in build/sbom.json, and a check of its licences
# demo and test set up what they need in .venv, from the hashed pins in requirements/, and are quick the second time.
# Where the index has no hashed wheel for this platform: make UNHASHED=1 … (versions from constraints.txt, no hashes)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := .flakediag/demo
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Wheels only: what a source distribution needs to be built would come without a hash.
HASHED := $(if $(UNHASHED),--constraint constraints.txt,--require-hashes --only-binary :all:)
PIP_SELF := $(PIP) --no-index --no-deps --no-build-isolation --editable .

.PHONY: help demo test lint types unit docs tutorial smoke record accuracy fuzz fuzz-guided reliability performance pins sbom clean \
  reliability-dialects reliability-hostile reliability-faults

help:
	@grep -E '^# make ' Makefile | cut -c3-

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "flakediag needs Python 3.11 or later: make PYTHON=/path/to/python3 …" >&2; exit 2; }
	@echo "setting up $(VENV) …" >&2
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/installed: $(VENV)/python pyproject.toml requirements/runtime.txt
	@$(PIP) $(HASHED) --requirement requirements/runtime.txt
	@$(PIP_SELF)
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements/test.txt
	@$(PIP) $(HASHED) --requirement requirements/test.txt
	@touch $@

demo: $(VENV)/installed
	@FLAKEDIAG=$(BIN)/flakediag DEMO=$(DEMO) sh tools/demo.sh

test: lint types unit

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

unit: $(VENV)/installed-dev
	$(BIN)/pytest -n 2 -q

# Strict: a broken link or a page outside the navigation fails it. Needs no network once .venv is there.
docs: $(VENV)/installed-dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "build/site/index.html"

tutorial: $(VENV)/installed
	$(BIN)/python tools/tutorial.py

# The orders service itself: both suites once, against a real PostgreSQL.
smoke:
	$(PYTHON) fixtures/orders_service/record.py --smoke

# Recorded anew by the real runners; takes half an hour and needs what fixtures/*/README.md names.
record:
	$(PYTHON) fixtures/orders_service/record.py
	for runner in jest surefire gotestsum rspec; do $(PYTHON) fixtures/other_runners/record.py $$runner || exit 1; done

# Every figure of docs/accuracy.md, with fixed seeds.
accuracy: $(VENV)/installed
	$(BIN)/python tools/accuracy.py

# Finds anew each time, and says its seed first; what it found stands in build/fuzz.
fuzz: $(VENV)/installed
	PYTHONPATH=tools $(BIN)/python -m fuzz $(if $(SECONDS),--seconds $(SECONDS)) $(if $(COUNT),--count $(COUNT)) \
	  $(if $(SEED),--seed $(SEED)) $(if $(FIRST),--first $(FIRST))

# Led by coverage; Linux alone, and not of the tests' dependencies.
fuzz-guided: $(VENV)/installed
	@$(PIP) --editable '.[fuzz]'
	PYTHONPATH=tools $(BIN)/python -m fuzz.guided -max_total_time=$(or $(SECONDS),60) $(if $(SEED),-seed=$(SEED))

reliability: reliability-dialects reliability-hostile reliability-faults

reliability-dialects reliability-hostile reliability-faults: reliability-%: $(VENV)/installed-dev
	$(BIN)/python tools/reliability/$*.py

# The others go into environments of their own, which are thrown away; they come from the package index, unpinned.
performance: $(VENV)/installed-dev
	$(BIN)/python benchmarks/performance.py
	$(BIN)/python benchmarks/peers.py

pins: $(VENV)/python
	@$(PIP) --constraint constraints.txt uv
	$(BIN)/python tools/pins.py

sbom: $(VENV)/installed
	@$(BIN)/python tools/sbom.py build/sbom.json

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
