# `make demo`, `make test` and `make bench` need nothing but make and Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PLUGINS := tabular vision molgraph template report
PACKAGES := core $(PLUGINS:%=plugins/%)
# Ray is large: only the tests of data sets and those in clean environments install it.
SOURCES := $(PACKAGES:%=%/src) plugins/ray/src
PROJECTS := constraints.txt $(PACKAGES:%=%/pyproject.toml)

.DEFAULT_GOAL := help
CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)

.PHONY: help demo test test-browser test-isolated test-lowest test-scale fuzz check sigint bench
.PHONY: release clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## run the four examples; pictures and readings go to out/
	$(BIN)/python examples/iris.py --out out
	$(BIN)/python examples/photos.py --out out
	$(BIN)/python examples/solubility.py --out out
	$(BIN)/python examples/uncertainty.py --out out

test: $(VENV)/.test ## run every test of core and plugins
	$(BIN)/python -m pytest -n auto

# Debian's chromium is installed where there is none; CHROMIUM=/path/to/it names another.
test-browser: $(VENV)/.browser ## drive reports in a real browser
	$(if $(CHROMIUM),,apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium)
	CHROMIUM=$(CHROMIUM) $(BIN)/python -m pytest plugins/report/tests/browser

# ISOLATED="tabular vision" names some of the plugins.
test-isolated: $(VENV)/.test ## test each plugin in a clean environment, with only what it declares
	$(BIN)/python -m pytest tests/isolated -n 2
	$(BIN)/python scripts/environments.py isolated $(ISOLATED)

# Old versions of torch bring CUDA, 3 GB; LOWEST="--with torch==2.13.0" takes another.
test-lowest: $(VENV)/.demo ## test the lowest versions that the metadata allow
	$(BIN)/python scripts/environments.py lowest $(LOWEST)

test-scale: $(VENV)/.scale ## run whole data sets, and kill what computes them
	$(BIN)/python -m pytest tests/scale plugins/ray/tests/scale -n 2

# FUZZ="--inputs 500 --classes data" is a smaller run.
fuzz: $(VENV)/.test ## try 10 000 inputs of any kind, and print what became of them
	$(BIN)/python -m tests.fuzz $(FUZZ)

check: $(VENV)/.test ## ruff, mypy --strict, the layers of import-linter, declared dependencies
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(SOURCES) examples benchmarks scripts
	PYTHONPATH=plugins/ray/src $(BIN)/lint-imports --no-logo
	for folder in $(PACKAGES); do \
	  (cd $$folder && $(CURDIR)/$(BIN)/deptry src --optional-dependencies-dev-groups test) || exit 1; \
	done

sigint: $(VENV)/.test ## send 1000 SIGINTs into explanations and see what they leave
	$(BIN)/python scripts/sigint.py --number 1000

# Takes about 40 minutes on two cores; BENCH="--quick --repeats 1" shows in minutes that it runs.
bench: $(VENV)/.bench ## measure times and memory beside the peers
	$(BIN)/python benchmarks/run_all.py $(BENCH)

# Nothing is published; docs/design/README.md says what to do before that.
release: $(VENV)/.release ## build the seven distributions into dist/ and check them
	$(BIN)/python scripts/release.py

clean: ## remove what was made here: .venv, out/, dist/
	rm -rf $(VENV) out dist

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "salience needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.made $(PROJECTS) examples/requirements.txt
	$(PIP) $(PACKAGES:%=-e ./%) -r examples/requirements.txt
	touch $@

# Captum is the peer that results are compared with. It pins an old numpy that it does not need.
$(VENV)/.captum: $(VENV)/.demo
	$(PIP) --no-deps captum
	touch $@

# laplace-torch is the posterior from elsewhere. It and torchmetrics name torchvision, which they do
# not need here and which has no build for torch without CUDA.
$(VENV)/.test: $(VENV)/.captum tests/requirements.txt
	$(PIP) -r tests/requirements.txt
	$(PIP) --no-deps laplace-torch asdfghjkl backpack-for-pytorch curvlinops-for-pytorch \
	  lightning-utilities torchmetrics
	touch $@

$(VENV)/.browser: $(VENV)/.test plugins/report/tests/browser/requirements.txt
	$(PIP) -r plugins/report/tests/browser/requirements.txt
	touch $@

$(VENV)/.scale: $(VENV)/.test plugins/ray/pyproject.toml
	$(PIP) -e ./plugins/ray
	touch $@

$(VENV)/.bench: $(VENV)/.captum benchmarks/requirements.txt
	$(PIP) -r benchmarks/requirements.txt
	touch $@

$(VENV)/.release: $(VENV)/.scale scripts/requirements.txt
	$(PIP) -r scripts/requirements.txt
	touch $@
