# Every target sets up .venv by itself when it is missing or when the pins changed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PROFILE ?= quick
DEVICE ?= cpu
RUN := .venv/bin/python
INSTALLED := .venv/installed
JAX := benchmarks/.venv-jax

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book pdf test test-slow test-nightly torture serve data assignments bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: $(INSTALLED) ## execute what changed and build the site (PROFILE=quick or paper)
	@$(RUN) -m book build --profile $(PROFILE)

pdf: book ## print the book as _build/book.pdf (needs a Chromium)
	@$(RUN) -m book pdf

test: $(INSTALLED) ## run every test but the slow ones
	@$(RUN) -m pytest -n auto -m "not slow and not nightly"

test-slow: $(INSTALLED) ## run the tests that are slow by nature
	@$(RUN) -m pytest -n auto -m slow

test-nightly: $(INSTALLED) ## run whole tables and repetitions of what other tests look at once
	@$(RUN) -m pytest -n auto -m nightly

torture: $(INSTALLED) ## kill builds and sweeps and forge rows, in full counts (the tests run a part)
	@$(RUN) tests/torture

serve: book ## build the book and open it in the browser
	@$(RUN) -m book serve

data: $(INSTALLED) ## download MNIST and Fashion-MNIST into $BOOK_DATA (default: data)
	@$(RUN) -m lib.data

assignments: $(INSTALLED) ## release all assignments into ./course
	@$(RUN) -m assignments release

bench: $(INSTALLED) $(JAX)/installed ## measure speed side by side, on a quiet machine (DEVICE=cpu or cuda); goes on where it stopped
	@$(RUN) -m benchmarks --device $(DEVICE)

clean: ## remove what was built; .venv and data stay
	rm -rf _build .pytest_cache .ruff_cache

# JAX, a peer of the benchmarks, lives in an environment of its own. Where it cannot be had, the rest is measured.
$(JAX)/installed: benchmarks/requirements-jax.txt | $(INSTALLED)
	@rm -rf $(JAX)
	@{ $(PYTHON) -m venv $(JAX) && $(JAX)/bin/python -m pip install --quiet --disable-pip-version-check -r $< && touch $@; } || \
		{ rm -rf $(JAX); echo "JAX could not be installed; it is left out." >&2; }

# The stamp goes first and comes back last, so that an interrupted installation is done again.
$(INSTALLED): requirements.txt constraints.txt pyproject.toml
	@rm -f $@
	@test -n "$(PYTHON)" || { echo "No Python was found; install Python 3.11 or newer, or call make PYTHON=/path/to/python." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11; install 3.11 or newer, or call make PYTHON=/path/to/python." >&2; exit 1; }
	@$(RUN) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || \
		{ echo "$(PYTHON) could not create .venv; install its venv module (Debian: apt install python3-venv)." >&2; exit 1; }
	$(RUN) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@
