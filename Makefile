PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed

.PHONY: demo test test-servers lint types check bench wheel clean

# torch comes first, by exact version: a range would pull gigabytes of CUDA on some indexes.
$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)" -c constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]" -c constraints.txt
	touch $@

demo: $(READY)  ## the main job on the built-in tasks and backbone
	$(BIN)/prompt-transfer demo

# Files go to processes of one thread each: two cores do them in half of the time.
test: $(READY)  ## all tests: no network, no GPU, no server
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# Ray, Dask and Kubernetes' schemas are large, and only these tests use them.
test-servers: $(READY)  ## what takes long: real servers and clusters, on loopback, and many kills
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev,ray,dask]" kubernetes-validate -c constraints.txt
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m servers

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

check: lint types test

# One size of each case on four layers, in a quarter of an hour; docs/results.md has all of it.
bench: $(READY)  ## our time and memory over PEFT's; alone on a quiet machine
	mkdir -p benchmarks/out
	$(BIN)/python -m benchmarks.ours_vs_peft --layers 4 --json benchmarks/out/bench.json --chart benchmarks/out/bench.png

wheel: $(READY)
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
