.PHONY: dev lint type test docs check

dev:            ## create .venv with everything needed to work on the project
	python3 -m venv .venv
	.venv/bin/pip install -q -e '.[dev]'

lint:           ## style, spelling, sizes, and who may import whom
	ruff check .
	ruff format --check .
	codespell
	lint-imports
	python scripts/sizes.py

type:           ## static types
	mypy

test:           ## all tests
	python -m pytest

docs:           ## build the pages that are generated from the code into docs/reference
	python scripts/reference.py docs/reference

check: lint type test
