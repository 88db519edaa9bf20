"""The notebook runs from its first cell to its last, on a training of a few steps."""

import json

import pytest

from tests.conftest import ROOT

NOTEBOOK = ROOT / "notebooks" / "first_hour.ipynb"


def test_the_notebook_is_stored_without_outputs():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert not [cell for cell in code if cell["outputs"] or cell["execution_count"]]


def test_the_notebook_runs(tmp_path, monkeypatch):
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("STEPS", "8")
    monkeypatch.setenv("FOLDER", str(tmp_path / "first_hour"))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    text = "\n".join(
        output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "data" in output
    )
    assert "'steps': 8" in text
    assert "'passed': True" in text
    assert "'nnapi-29': (1," in text
    assert (tmp_path / "first_hour" / "run" / "best.keras").exists()
