# One command each: `make install` prepares .venv, `make quickstart` shows the whole road, `make test` proves it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: install install-dev quickstart test test-slow lint weights

install: .venv/.installed

.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else f"Maquette needs Python 3.11 to 3.13; this is {v[0]}.{v[1]}. Try: make PYTHON=python3.11 install")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	$(BIN)/python -c 'from maquette.doctor import compile_loops; compile_loops()'
	touch $@

install-dev: .venv/.installed-dev

.venv/.installed-dev: requirements-dev.lock .venv/.installed
	$(BIN)/python -m pip install --quiet -r requirements-dev.lock
	touch $@

quickstart: install
	$(BIN)/maquette quickstart

test: install-dev
	$(BIN)/python -m pytest -m "not slow and not gpu"

test-slow: install-dev
	$(BIN)/python -m pytest -m "slow and not gpu"

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# The shipped weights from nothing: hours (each card says how long its training took). Each training is resumable; what it made is copied where the next one looks.
DATA := src/maquette/data
weights: install
	$(BIN)/maquette train-codec configs/codec.yaml
	cp runs/codec/card.json runs/codec/config.json runs/codec/model.safetensors $(DATA)/codec/
	$(BIN)/maquette warm-start configs/warm-start.yaml
	$(BIN)/maquette warm-start configs/warm-start-more.yaml
	$(BIN)/maquette warm-start configs/warm-start-further.yaml
	cp runs/warm-start-further/policy/* $(DATA)/policy-base/
	$(BIN)/maquette train-scorers configs/scorers.yaml
	cp runs/scorers/weights/* $(DATA)/scorers/
	$(BIN)/maquette train-scorers configs/scorers-more.yaml
	cp runs/scorers-more/weights/* $(DATA)/scorers/
	$(BIN)/maquette train-scorers configs/evaluators.yaml --evaluators
	cp runs/evaluators/weights/* $(DATA)/evaluators/
	$(BIN)/python -m maquette.prompts.suites
	$(BIN)/maquette warm-start configs/warm-start-control.yaml --out runs/rl/control
	$(BIN)/python benchmarks/rl.py --control runs/rl/control/policy
	$(BIN)/python benchmarks/rl.py --ship 0
