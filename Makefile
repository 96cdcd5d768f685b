# `make demo` and `make test` set up everything they need in .venv; a second run re-installs nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-browser test-nightly lint docs setup clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
		{ echo "emo8 needs Python 3.11 or 3.12; name one with: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25"
	$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --quiet \
		-c constraints.txt -e '.[pictures,pretrain,bench,browse,cluster,dev]'
	touch $@

demo: $(READY)
	$(BIN)/emo8 demo --out demo

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

# Chromium and its driver come from the system's package manager.
test-browser: $(READY)
	command -v chromium >/dev/null && command -v chromedriver >/dev/null || { \
		$$(test "$$(id -u)" = 0 || echo sudo) apt-get update -qq && \
		$$(test "$$(id -u)" = 0 || echo sudo) apt-get install -y -qq chromium chromium-driver; }
	$(BIN)/python -m pytest -m browser

# What other libraries build, asked again of their newest versions (a second CI job, daily). The
# versions that were looked at are in docs/dependencies.md.
test-nightly: $(READY)
	test -x .venv-nightly/bin/python || $(PYTHON) -m venv .venv-nightly
	.venv-nightly/bin/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[pretrain,bench,dev]'
	.venv-nightly/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --pre \
		open_clip_torch timm
	.venv-nightly/bin/python -m pip list | grep -iE '^(open_clip_torch|timm|torch) '
	.venv-nightly/bin/python -m pytest -m nightly

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pages that are written from the code and from measured numbers.
docs: $(READY)
	$(BIN)/python -m docs.make_reference
	$(BIN)/python -m docs.make_dependencies
	$(BIN)/python -m benchmarks.speed --page-only
	$(BIN)/python -m benchmarks.scale

clean:
	rm -rf $(VENV) .venv-nightly demo
