# `make demo`, `make test` and `make bench` need nothing but make and Python 3.11 or newer.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
PLUGINS := tabular vision molgraph template
PACKAGES := core $(PLUGINS:%=plugins/%)
PROJECTS := constraints.txt $(PACKAGES:%=%/pyproject.toml)

.PHONY: demo test check bench clean

demo: $(VENV)/.demo
	$(BIN)/python examples/iris.py --out out
	$(BIN)/python examples/photos.py --out out
	$(BIN)/python examples/solubility.py --out out
	$(BIN)/python examples/uncertainty.py --out out

test: $(VENV)/.test
	$(BIN)/python -m pytest -n auto

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(PACKAGES:%=%/src) examples benchmarks
	$(BIN)/lint-imports --no-logo

# Takes about 40 minutes on two cores; BENCH="--quick --repeats 1" shows in minutes that it runs.
bench: $(VENV)/.bench
	$(BIN)/python benchmarks/run_all.py $(BENCH)

clean:
	rm -rf $(VENV) out

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

$(VENV)/.bench: $(VENV)/.captum benchmarks/requirements.txt
	$(PIP) -r benchmarks/requirements.txt
	touch $@
