# `make demo` runs the main job, `make test` every check, `make docs` builds the site in build/site;
# each sets up what it needs.
PYTHON ?= python3
VENV := .venv
LPIE := $(VENV)/bin/lpie
JOBS ?= 2
PYTEST := $(VENV)/bin/python -m pytest -n $(JOBS) --dist loadfile
# mypy finds the packages where pip puts them: export/ is lpie.export.
TYPES := PYTHONWARNINGS=ignore $(VENV)/bin/pip install -q --no-deps --target build/typed . \
	&& MYPYPATH=build/typed $(VENV)/bin/mypy

.PHONY: demo test soak durations lint types docs setup clean

demo: setup
	$(LPIE) demo -o demo

# The types are checked beside the tests; what mypy has to say comes at the end.
test: setup lint
	rm -rf build && mkdir build
	{ $(TYPES); } >build/types.log 2>&1 & types=$$!; \
	$(PYTEST); code=$$?; \
	wait $$types || { cat build/types.log; code=1; }; exit $$code

# Everything that `make test` runs in a small form, in full: more kills, more broken files.
soak: setup
	LPIE_SOAK=full $(PYTEST) -m soak

# Writes down how long each test takes, by which `make test` orders and balances them.
durations: setup
	$(PYTEST) --write-durations

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: setup
	rm -rf build
	$(TYPES)

# The API pages are read from an installed copy, where the packages lie as they are imported.
docs: setup
	rm -rf build
	PYTHONWARNINGS=ignore $(VENV)/bin/pip install -q --no-deps --target build/typed .
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build -q
	@echo "Open build/site/index.html"

setup: $(VENV)/installed

# Warnings off: setuptools has one for every editable install.
$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --upgrade pip
	PYTHONWARNINGS=ignore $(VENV)/bin/pip install -q -e '.[train,qat,photos,web,docs,dev]'
	# 98 MB of Qualcomm's, for Linux on x86-64.
	PYTHONWARNINGS=ignore $(VENV)/bin/pip install -q -e '.[npu]' \
		|| echo "Qualcomm's tools for NPUs could not be installed: their tests skip."
	touch $@

clean:
	rm -rf $(VENV) build demo
