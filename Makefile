# Two commands for a new machine with Python 3.11+ and make:
#   make demo    two environments, connected, searched together (ONCE=1 stops after the searches)
#   make test    everything that the tests need, and all of them

BIN := .venv/bin

.PHONY: help demo test test-opensearch lint bench bench-ccs bench-attached clean

help:
	@sed -n 's/^# \{0,1\}//p' $(MAKEFILE_LIST) | head -3

.venv/.installed: pyproject.toml scripts/make-venv
	@scripts/make-venv .venv
	@echo "installing isthmus into .venv"
	@$(BIN)/pip install --quiet --editable '.[demo]'
	@touch $@

.venv/.installed-for-tests: .venv/.installed
	@echo "installing what the tests and checks need"
	@$(BIN)/pip install --quiet --group test --group lint
	@$(BIN)/pip install --quiet --upgrade --no-deps --target .venv/clients/elasticsearch8 --group client8
	@touch $@

demo: .venv/.installed
	@$(BIN)/isthmus demo $(if $(ONCE),--once)

test: .venv/.installed-for-tests
	@$(BIN)/pytest $(ARGS)

# real OpenSearch clusters: takes Java 17 and Maven, and is skipped with words where they are not
test-opensearch: .venv/.installed-for-tests
	@scripts/fetch-opensearch
	@$(BIN)/pytest tests/opensearch $(ARGS)

lint: .venv/.installed-for-tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.installed-for-tests
	@$(BIN)/python benchmarks/run.py $(ARGS)

bench-ccs: .venv/.installed-for-tests
	@$(BIN)/python benchmarks/run.py $(ARGS)
	@$(BIN)/python benchmarks/ccs.py

bench-attached: .venv/.installed-for-tests
	@scripts/fetch-opensearch
	@$(BIN)/python benchmarks/attached.py $(ARGS)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
