# `make demo` runs the main job, `make test` every check; both set up what they need.
PYTHON ?= python3
VENV := .venv
LPIE := $(VENV)/bin/lpie

.PHONY: demo test setup clean

demo: setup
	$(LPIE) demo -o demo

test: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	rm -rf build
	PYTHONWARNINGS=ignore $(VENV)/bin/pip install -q --no-deps --target build/typed .
	MYPYPATH=build/typed $(VENV)/bin/mypy
	$(VENV)/bin/python -m pytest -n 2 --dist loadfile

setup: $(VENV)/installed

# Warnings off: setuptools has one for every editable install.
$(VENV)/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install -q --upgrade pip
	PYTHONWARNINGS=ignore $(VENV)/bin/pip install -q -e '.[train,qat,dev]'
	touch $@

clean:
	rm -rf $(VENV) build demo
