# Everything happens in .venv, which each target sets up by itself on a fresh machine.
# Other interpreter: make test PYTHON=/path/to/python3.12     (3.10 to 3.13)

VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt
SOURCES = llmsyn tests benchmarks examples docs .ci
# A comma stands for a space.  mimic4-demo takes minutes; sets that lie in LLMSYN_DATA take longer,
# diabetes130 hours: its scripts come first, its goals are collected from what they wrote.
rows_of = $(if $(LLMSYN_DATA),$(wildcard $(LLMSYN_DATA)/$(1)/$(2)))
BENCHES ?= benchmarks/bench.py $(if $(call rows_of,mimic3-demo,ADMISSIONS.csv*),$(BENCHES_MIMIC3)) $(if $(call rows_of,diabetes130,diabetic_data.csv*),$(BENCHES_DIABETES130))
BENCHES_MIMIC3 = benchmarks/replication.py benchmarks/bench.py,--set,mimic3-demo
BENCHES_DIABETES130 = benchmarks/cells.py,-n,1000000 benchmarks/discriminator.py benchmarks/utility.py benchmarks/signs.py benchmarks/membership_risk.py benchmarks/release_risk.py benchmarks/speed.py benchmarks/bench.py,--set,diabetes130
EXAMPLES = $(sort $(wildcard examples/*.py))
REAL ?=
SHELL = /bin/sh
.DEFAULT_GOAL = help
.PHONY: help demo demo-llm demo-notes test check lint format types layers cov real examples bench soak docs site sbom audit wheel lock clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*  ## /  make \1\t/' | expand -t 18

demo: $(VENV)/.ready-to-run  ## 10,000 patients from a shipped profile, checked (no key, no download of data)
	@echo "Drawing 10,000 synthetic hospital stays from the shipped profile mimic3-demo into out/demo"
	$(BIN)/llmsyn generate mimic3-demo -n 10000 --seed 1 -o out/demo --force
	@echo "Comparing them with the profile, published cell by published cell"
	$(BIN)/llmsyn check out/demo mimic3-demo
	@echo "Done. The tables are in out/demo (Parquet), with manifest.json and a data card."

demo-llm: $(VENV)/.ready-to-run  ## both uses of a language model, on a small one that runs here (100 MB)
	@echo "Installing llama.cpp (extra local); its weights are fetched by the first run"
	@$(PIP) -e '.[local]'
	@echo "Asking SmolLM2 what goes with what in the invented profile examples/tiny"
	$(BIN)/llmsyn elicit ./examples/tiny -o out/demo-llm/overlay --llm local --givens 2 --force
	@echo "Drawing 10,000 patients with what it said, and comparing them with the profile"
	$(BIN)/llmsyn generate ./examples/tiny -n 10000 --seed 1 --knowledge out/demo-llm/overlay -o out/demo-llm/network --force
	$(BIN)/llmsyn check out/demo-llm/network ./examples/tiny
	@echo "Letting it write patients one by one"
	$(BIN)/llmsyn generate ./examples/tiny -n 10 --seed 1 --method records --llm local -o out/demo-llm/records --force
	@echo "Done, in out/demo-llm. The model knows little medicine: this shows the way, not the science."

demo-notes: $(VENV)/.ready-for-spacy  ## profile -> patients -> notes -> a tagger -> its scores (spaCy, no key, a few minutes)
	@echo "Drawing 3,000 synthetic hospital stays from the shipped profile mimic4-demo"
	$(BIN)/llmsyn generate mimic4-demo -n 3000 --seed 1 -o out/demo-notes/patients --force
	@echo "Writing a note about each, from disjoint parts of the prose bank"
	$(BIN)/llmsyn notes out/demo-notes/patients -o out/demo-notes/train.jsonl --part train --most 600 --seed 1
	$(BIN)/llmsyn notes out/demo-notes/patients -o out/demo-notes/test.jsonl --part test --skip 2000 --most 200 --seed 1
	$(BIN)/llmsyn notes passages -o out/demo-notes/bank.jsonl --part train
	$(BIN)/llmsyn notes passages -o out/demo-notes/bank-test.jsonl --part test
	@echo "Training a tagger on them, and comparing it with the gazetteer"
	rm -rf out/demo-notes/model
	$(BIN)/llmsyn ner train out/demo-notes/train.jsonl out/demo-notes/bank.jsonl --backend spacy --policy clinical --rounds 5 -o out/demo-notes/model
	@echo "On notes of other patients, with passages that were not trained on (their lists and lines look like those of training)"
	$(BIN)/llmsyn ner evaluate out/demo-notes/model out/demo-notes/test.jsonl --policy clinical --brief
	@echo "On passages alone, none of which was trained on: the model, and the gazetteer"
	$(BIN)/llmsyn ner evaluate out/demo-notes/model out/demo-notes/bank-test.jsonl --policy clinical --brief
	$(BIN)/llmsyn ner evaluate gazetteer:en out/demo-notes/bank-test.jsonl --policy clinical --brief
	@echo "Done. Notes, spans and the model are in out/demo-notes."

test: $(VENV)/.ready-to-test  ## unit tests, property tests and doctests (about 5 minutes)
	@echo "Running the tests in $(VENV) ($$($(BIN)/python --version))"
	$(BIN)/python -m pytest -q

check: lint types layers test  ## what has to pass before a commit: lint, types, layers, test

lint: $(VENV)/.ready-to-test  ## ruff: lint and format
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

format: $(VENV)/.ready-to-test  ## rewrite the sources in the house format
	$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

types: $(VENV)/.ready-to-test  ## mypy --strict
	$(BIN)/mypy --strict llmsyn

layers: $(VENV)/.ready-to-test  ## imports run one way only
	$(BIN)/lint-imports

cov: $(VENV)/.ready-to-test  ## tests with branch coverage
	$(BIN)/python -m pytest -q --cov --cov-report=term-missing

real: $(VENV)/.ready-to-test $(VENV)/.ready-for-spacy  ## tests of the real components; a skip is a failure
	LLMSYN_REAL=1 $(BIN)/python -m pytest -q -m real || test $$? -eq 5

examples: $(VENV)/.ready-to-run  ## run each script of examples/
	@set -e; for script in $(EXAMPLES); do echo "$$script"; $(BIN)/python $$script; done

bench: $(VENV)/.ready-to-test  ## goals and claims, measured again; fails on drift (BENCHES=... for some)
	@set -e; for script in $(BENCHES); do \
	    set -- $$(echo "$$script" | tr , ' '); echo "$$*"; $(BIN)/python "$$@"; \
	done

soak: $(VENV)/.ready-to-test  ## the slow tests: a hundred kills, long fuzzing
	$(BIN)/python -m pytest -q -m slow
	LLMSYN_FUZZ=2000 $(BIN)/python -m pytest -q tests/test_fuzz_parsers.py tests/test_disclosure_*.py
	$(BIN)/python benchmarks/soak.py --kills 100

docs: $(VENV)/.ready-to-test  ## rewrite docs/commands.md, docs/knowledge/ and the pages' numbers
	$(BIN)/python docs/commands.py
	$(BIN)/python docs/families.py
	$(BIN)/python benchmarks/bench.py --set diabetes130 --accept > /dev/null
	$(BIN)/python docs/page_numbers.py

site: $(VENV)/.ready-for-site  ## the site of the documentation in out/site; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python docs/site.py

sbom: $(VENV)/.ready-to-audit  ## bill of materials of the installed environment, CycloneDX JSON in out/sbom.json
	@mkdir -p out
	$(BIN)/cyclonedx-py environment --output-reproducible --of JSON -o out/sbom.json $(BIN)/python
	@$(BIN)/python -c "import json; print(len(json.load(open('out/sbom.json'))['components']), 'components in out/sbom.json')"

audit: $(VENV)/.ready-to-audit  ## bandit on the code, pip-audit on the dependencies (needs the network)
	$(BIN)/bandit -q -r llmsyn --severity-level medium --confidence-level medium
	@$(BIN)/python .ci/audit.py

wheel: $(VENV)/.ready-to-test  ## sdist and wheel in dist/
	rm -rf build dist llmsyn.egg-info  # a stale build/ would ship files that are gone
	$(BIN)/python -m build --no-isolation --outdir dist .
	@ls -l dist

lock:  ## rewrite constraints.txt (needs python3.10 to python3.13, or PYTHONS="...")
	python3 .ci/lock.py $(or $(PYTHONS),python3.10 python3.11 python3.12 python3.13)

clean:  ## remove what was built, but not .venv
	rm -rf build dist llmsyn.egg-info .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache
	rm -rf .hypothesis .import_linter_cache out
	find llmsyn tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps: an environment is set up again when what it was made from has changed.
$(VENV)/bin/python:
	@echo "Making $(VENV)"
	@sh .ci/venv $(VENV)

$(VENV)/.ready-to-run: setup.cfg pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Installing llmsyn and what it needs into $(VENV) (about 200 MB, a minute or two, once)"
	@$(PIP) -e .
	@touch $@

$(VENV)/.ready-to-test: setup.cfg pyproject.toml constraints.txt | $(VENV)/.ready-to-run
	@echo "Installing the test tools into $(VENV) (once)"
	@$(PIP) -e '.[build,dask,dev,dp,duckdb,figures,local,s3,standards]'
	@touch $@

$(VENV)/.ready-for-site: setup.cfg pyproject.toml constraints.txt | $(VENV)/.ready-to-run
	@echo "Installing what builds the site into $(VENV) (once)"
	@$(PIP) -e '.[docs]'
	@touch $@

$(VENV)/.ready-to-audit: setup.cfg pyproject.toml constraints.txt | $(VENV)/.ready-to-run
	@echo "Installing what audits into $(VENV) (once)"
	@$(PIP) -e '.[audit]'
	@touch $@

$(VENV)/.ready-for-spacy: setup.cfg constraints.txt | $(VENV)/.ready-to-run
	@echo "Installing spaCy into $(VENV) (once)"
	@$(PIP) -e '.[spacy]'
	@touch $@
