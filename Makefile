# Two commands are enough: `make train` and `make test`. `make` alone lists the rest.
#
# Everything happens in .venv, which is built from requirements.lock when it is missing or when the lock or pyproject.toml
# changed. A failing command makes `make` fail too (make's own status is then 2, whatever the command's was).

PYTHON ?= python3
CONFIG ?= configs/atari/pong_cpu.yaml
MINUTES ?= 24
ARGS ?=
WORKERS ?= 3

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

# Also readable for Python 2 and 3.0, because its purpose is to be run by the wrong one.
SUITABLE := import sys; v = sys.version_info[:2]; sys.exit(None if (3, 11) <= v <= (3, 13) else "jaxrl needs Python 3.11, 3.12 or 3.13, and this is %d.%d; install one of them, then name it: make PYTHON=python3.12" % v)

.NOTPARALLEL:
.PHONY: help install train test test-slow test-slurm test-oracle test-speech test-extras install-speech docs check lint format-check types format notebooks lock clean

help:
	@echo 'make train       install what is missing, then train, $(MINUTES) minutes at most: $(CONFIG)'
	@echo 'make test        install what is missing, then run the tests'
	@echo 'make test-slow   the tests that train for minutes'
	@echo 'make test-slurm  sweeps and trainings of several tasks on a real SLURM, started here; as root, installs slurm-wlm through apt'
	@echo 'make test-oracle our statistics against those of rliable, in an environment of their own'
	@echo 'make test-speech the tests that need the extra speech, in an environment of their own'
	@echo 'make test-extras the tests of optional extras, in an environment of their own'
	@echo 'make docs        build the docs site into .site/, in the same environment'
	@echo 'make check       ruff, formatting, pyright, tests; CI (.ci/run) adds the special tests, docs and the check of accelerators'
	@echo 'make format      sort imports and format the code'
	@echo 'make notebooks   execute the notebooks and save them with their outputs'
	@echo 'make install     only install, into .venv; make install-speech: what speech needs, into .venv-speech'
	@echo 'make lock        resolve requirements.lock anew from pyproject.toml'
	@echo 'make clean       remove .venv and caches; runs/ stays'
	@echo
	@echo 'make train CONFIG=configs/catch.yaml ARGS="--seed 1"   another config, and settings on top'
	@echo 'make test ARGS="tests/ops -x"                          some of the tests'
	@echo 'make test WORKERS=4                                    in four processes, of 3 GB each, instead of three'
	@echo 'make PYTHON=python3.12 ...                             the Python that .venv is made from'

install: $(INSTALLED)

$(INSTALLED): requirements.lock pyproject.toml
	@command -v '$(PYTHON)' >/dev/null || { echo 'There is no $(PYTHON); install Python 3.11, 3.12 or 3.13, or name yours: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c '$(SUITABLE)'
	@if ! $(BIN)/python -c '$(SUITABLE)' 2>/dev/null || ! $(PIP) --version >/dev/null 2>&1; then \
		echo "Making $(VENV) with $$($(PYTHON) --version)"; \
		$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }; \
	fi
	@echo 'Installing the packages of requirements.lock into $(VENV): about 2 GB on disk, minutes the first time'
	@$(PIP) install --requirement requirements.lock
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@echo 'Installed.'

train: $(INSTALLED)
	$(BIN)/python -m jaxrl train $(CONFIG) --max_minutes $(MINUTES) $(ARGS)

test: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

# Where tests train, what is saved in compiling is lost in running.
test-slow test-slurm test-speech: export JAXRL_TESTS_COMPILE := optimised

test-slow: $(INSTALLED)
	$(BIN)/python -m pytest -m slow $(ARGS)

test-slurm: $(INSTALLED)
	$(BIN)/python -m pytest -m slurm tests/slurm $(ARGS)

# rliable brings half a gigabyte of packages that nothing else needs, so it has an environment of its own.
ORACLE := .venv-oracle
$(ORACLE)/.installed: pyproject.toml
	$(PYTHON) -m venv --clear $(ORACLE)
	$(ORACLE)/bin/python -m pip --disable-pip-version-check install --quiet 'rliable>=1.2' 'pandas<3' 'numpy>=2' pytest pytest-timeout
	@touch $@

test-oracle: $(ORACLE)/.installed
	$(ORACLE)/bin/python -m pytest tests/analysis/test_statistics.py $(ARGS)

# The synthesiser is under the GPL and its wheel small and third-party, so the core's environment does without it.
SPEECH := .venv-speech
$(SPEECH)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv --clear $(SPEECH)
	$(SPEECH)/bin/python -m pip --disable-pip-version-check install --quiet --requirement requirements.lock
	$(SPEECH)/bin/python -m pip --disable-pip-version-check install --quiet --editable '.[speech]'
	@touch $@

install-speech: $(SPEECH)/.installed

test-speech: $(SPEECH)/.installed
	$(SPEECH)/bin/python -m pytest tests/speech $(ARGS)

check: lint format-check types test

lint: $(INSTALLED)
	$(BIN)/python -m ruff check .

format-check: $(INSTALLED)
	$(BIN)/python -m ruff format --check .

types: $(INSTALLED)
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/python -m pyright

format: $(INSTALLED)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

# The site and optional parts of jaxrl bring packages that nothing else needs, so they have an environment of their own: it reads
# those of .venv, and holds the extras `docs`, `tensorboard`, `search` and `onnx`.
EXTRAS := .venv-extras
$(EXTRAS)/.installed: $(INSTALLED) pyproject.toml
	$(PYTHON) -m venv --clear $(EXTRAS)
	$(BIN)/python -c "import sysconfig; print(sysconfig.get_path('purelib'))" > "$$($(EXTRAS)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/venv.pth"
	$(EXTRAS)/bin/python -m pip --disable-pip-version-check install --quiet --constraint requirements.lock --editable '.[docs,tensorboard,search,onnx]'
	@touch $@

docs: $(EXTRAS)/.installed
	$(EXTRAS)/bin/python -m mkdocs build --strict $(ARGS)

test-extras: $(EXTRAS)/.installed
	$(EXTRAS)/bin/python -m pytest tests/record/test_tensorboard.py tests/sweeps/test_search.py tests/run/test_onnx.py $(ARGS)

# JAXRL_RUNS says which runs they read: make notebooks ARGS=02 JAXRL_RUNS='runs/pong-*'
notebooks: $(INSTALLED)
	$(BIN)/python notebooks/execute.py $(ARGS)

# One version of everything for all three Pythons (`fewest`), so that a curve does not depend on which one is there.
lock: $(INSTALLED)
	$(PIP) install --quiet 'uv>=0.9'
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --fork-strategy fewest \
		--upgrade --no-annotate --custom-compile-command 'make lock' --quiet --output-file requirements.lock

clean:
	rm -rf $(VENV) $(ORACLE) $(SPEECH) $(EXTRAS) .site build *.egg-info .pytest_cache .ruff_cache
	find jaxrl tests launch notebooks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
