# What one types here. `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Runs a command with the addresses of the tests' database servers.
SERVED := $(BIN)/python -m tests.services run
# Everything from which the Python extension is built.
SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find crates -name '*.rs' -o -name Cargo.toml)

.PHONY: help demo test test-rust test-python conformance soak check docs bench clean

help:             ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(BIN)/.built $(BIN)/.demo   ## a pipeline on real recordings, in demo-output/
	$(BIN)/python examples/pipeline.py demo-output

test: test-rust test-python   ## every test; installs what it needs into .venv

test-rust: $(BIN)/.built-dev $(BIN)/.test   ## the Rust tests, with the servers of tests/services
	$(BIN)/python -m tests.services install
	@if cargo nextest --version >/dev/null 2>&1; then \
		set -x; $(SERVED) cargo nextest run --workspace --all-features --no-fail-fast && cargo test --doc --workspace --all-features; \
	else \
		set -x; $(SERVED) cargo test --workspace --all-features --no-fail-fast; \
	fi
	cargo run --quiet -p lodestore --example pipeline

test-python: $(BIN)/.built-dev $(BIN)/.test   ## the Python tests, on every database (see tests/services)
	$(BIN)/python -m tests.services install
	$(BIN)/python -m pytest -n 2 --dist worksteal

conformance: $(BIN)/.built-dev $(BIN)/.test   ## docs/seed-conformance.md: what the documents say, and the tests that hold it
	$(BIN)/python -m tests.services install
	$(BIN)/python -m pytest --conformance
	$(BIN)/python scripts/seed_conformance.py

soak: $(BIN)/.built $(BIN)/.test   ## the long forms of tests: about an hour
	cargo test -p lodestore-model -- --ignored --nocapture
	LODESTORE_TEST_STORES=s3 LODESTORE_TEST_DATABASES=sqlite LODESTORE_TEST_OPERATIONS=50000 \
		$(SERVED) cargo test -p lodestore-objects --all-features --test faults -- --nocapture
	LODESTORE_TEST_THROUGH=4000000000 $(BIN)/python -m pytest -s tests/test_memory.py -k whatever
	LODESTORE_TEST_JOBS=5000 $(BIN)/python -m pytest tests/test_workers.py -k "sixteen or killed"
	LODESTORE_SOAK=1 cargo test -p lodestore --all-features --lib crash_tests -- --nocapture
	LODESTORE_SOAK=600 $(BIN)/python -m pytest -s tests/test_gc_kills.py

check: $(BIN)/.built-dev $(BIN)/.check docs   ## format, lints, docs and stubs, warnings as errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features
	$(BIN)/ruff check python tests examples benches scripts
	$(BIN)/ruff format --check python tests examples benches scripts
	$(BIN)/python scripts/check_stubs.py
	$(BIN)/python scripts/seed_conformance.py --check

docs: $(BIN)/.docs   ## the documentation site, in target/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --site-dir target/site

bench: $(BIN)/.built $(BIN)/.bench   ## speed, side by side with DataJoint
	$(BIN)/python -m benches

clean:            ## forget all that was built
	rm -rf target $(VENV) demo-output

# The environment, and what each purpose adds to it. A stamp is newer than what it was made from.

$(BIN)/python:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Lodestore needs Python 3.11 or later"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "maturin>=1.16,<2" "numpy>=1.24"
	@touch $@

# The extension, for use (`.built`, release profile) or for tests (`.built-dev`, development profile). Both are
# the same file, so building one invalidates the other.
$(BIN)/.built: $(BIN)/python $(SOURCES)
	$(call build_extension,--release)
	@rm -f $(BIN)/.built-dev && touch $@

$(BIN)/.built-dev: $(BIN)/python $(SOURCES)
	$(call build_extension,)
	@rm -f $(BIN)/.built && touch $@

define build_extension
	VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/maturin develop $(1) --quiet --skip-install
	@echo '$(CURDIR)/python' > $$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/lodestore.pth
endef

$(BIN)/.demo: $(BIN)/python Makefile
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "matplotlib>=3.8"
	@touch $@

$(BIN)/.test: $(BIN)/python Makefile
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pytest>=8" "pytest-xdist>=3.6" "hypothesis>=6" "matplotlib>=3.8" "resvg-py>=0.2" \
		"pandas>=2.2" "polars>=1.20" "pyarrow>=17" "duckdb>=1" "zarr>=2.18" "h5py>=3.8" "dask[array]>=2024.1" "xarray>=2024.1" "networkx>=3" "distributed>=2024.8" "datajoint[postgres]>=2.3" \
		"moto[s3]>=5" "flask>=3" "flask-cors" "setuptools>=77"
	# Without what they require: DataJoint is what Lodestore stands for there, and their exports to NWB are not tried.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps \
		"element-lab==0.3.0" "element-animal==0.1.8" "element-session==0.1.6" "element-event==0.2.3" \
		"element-array-ephys==0.2.11" "element-calcium-imaging==0.7.8" "element-miniscope==0.3.2" "element-deeplabcut==0.2.8" \
		"element-facemap==0.1.7" "element-electrode-localization==0.1.4" "element-optogenetics==0.1.3" "element-zstack==0.1.2"
	@touch $@

$(BIN)/.check: $(BIN)/python Makefile
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "ruff>=0.17,<0.18"
	@touch $@

$(BIN)/.docs: $(BIN)/python Makefile
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "mkdocs-material>=9.6,<10" "mkdocstrings[python]>=0.30"
	@touch $@

$(BIN)/.bench: $(BIN)/python Makefile
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "datajoint[postgres]" "pandas>=2.2" "polars>=1.20" "pyarrow>=17" \
		"s3fs>=2024.2" "moto[s3]>=5" "flask>=3" "flask-cors"
	@touch $@
