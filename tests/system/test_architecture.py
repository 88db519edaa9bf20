"""Who may import whom, how many files a folder holds, and who works without TensorFlow.

All of it is read from the source by folder, so that a new file is held to it from the start.
"""

import ast
import configparser
import json
import subprocess
import sys
from collections import Counter
from functools import cache

import numpy as np
import pytest

from lpie.image.image import write_image
from lpie.weights import tflite_file
from tests.conftest import ROOT

# From the bottom to the top: a folder imports only from the lines above its own. Two on one line
# know nothing of each other.
LAYERS = [
    {"lpie.printable"},
    {"lpie.errors"},
    {"lpie.size"},
    {"lpie.system"},
    {"lpie.backend", "lpie.tflite", "lpie.image"},
    {"lpie.npu"},
    {
        "lpie.data.degrade",
        "lpie.data.degrade.blur",
    },  # a degradation brings its settings, which the configuration lists
    {"lpie.data.degrade.blur"},
    {"lpie.config"},
    {"lpie.weights"},
    {"lpie.models", "lpie.data"},
    {"lpie.restore"},
    {"lpie.evaluation"},
    {"lpie.training"},
    {"lpie.export"},
    {"lpie.benchmarks.records"},
    {"lpie.web"},
    {"lpie.benchmarks.adb", "lpie.benchmarks.logs", "lpie.benchmarks.predict"},
    {"lpie.benchmarks.harness"},
    {"lpie.benchmarks.runners"},
    {"lpie.benchmarks.bench", "lpie.benchmarks.reports"},
    {"lpie.benchmarks.studies"},
    {"lpie.cli"},
    {"lpie.__main__"},
]
# The packages whose public names are loaded when they are first used.
PUBLIC = {"lpie", "lpie.export", "lpie.benchmarks"}
LEVEL = {folder: level for level, folders in enumerate(LAYERS) for folder in folders}
HEAVY = {
    "tensorflow",
    "keras",
    "tf_keras",
    "tensorflow_model_optimization",
    "jax",
    "torch",
    "lpie.backend",
}
# Which folders and files may import TensorFlow or Keras; all others are the light side.
HEAVY_SIDE = {
    "lpie.backend",
    "lpie.models",
    "lpie.training",
    "lpie.restore.keras_network",
    "lpie.evaluation.blended_tiles",
    "lpie.export.npu",
    "lpie.export.pipeline",
    "lpie.export.tensorflow_converter",
    "lpie.export.publish_weights",
    "lpie.export.rewrites",
    "lpie.export.int8",
    "lpie.export.verification",
    "lpie.benchmarks.studies.children",
}
# These few of its files are light: the harness, the reports and the command line read runs.
LIGHT = {"lpie.models", "lpie.models.tfmot", "lpie.training", "lpie.training.run"}
FILES_IN_A_FOLDER = 12
LINES_OF_A_FILE = 400


def module_name(path):
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    prefix = {"export": "lpie.export", "benchmarks": "lpie.benchmarks"}.get(folder, "lpie")
    return ".".join([prefix, *rest]).removesuffix(".__init__")


MODULES = {
    module_name(path): path
    for folder in ("lpie", "export", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
}


@cache
def imports(name):
    """The modules that a file imports outside `if TYPE_CHECKING`: (name, at its top level)."""
    tree = ast.parse(MODULES[name].read_text())
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    return {
        (module, node in tree.body)
        for node in ast.walk(tree)
        if node not in typing_only
        for module in imported_by(node)
    }


def imported_by(node):
    """The modules of one statement."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        wholes = [f"{node.module}.{alias.name}" for alias in node.names]
        return [whole if whole in MODULES else str(node.module) for whole in wholes]
    return []


def ours_at_import(name):
    """Our modules that are loaded when `name` is."""
    return {module for module, at_top in imports(name) if at_top and module in MODULES}


def within(name, folders):
    """The longest of `folders` that `name` lies in, or ""."""
    parts = name.split(".")
    parents = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
    return next((parent for parent in parents if parent in folders), "")


def is_light(name):
    return name in LIGHT or not within(name, HEAVY_SIDE)


@cache
def loaded_with(name):
    """Everything that is loaded at the import of `name`, by way of which module."""
    ways, todo = {}, [(name, "")]
    while todo:
        module, way = todo.pop()
        if module in ways:
            continue
        ways[module] = f"{way} -> {module}"
        if module in MODULES:
            todo += [(other, ways[module]) for other, at_top in imports(module) if at_top]
    return ways


@pytest.mark.parametrize("name", sorted(MODULES))
def test_a_file_lies_in_a_folder_of_the_table_and_imports_downwards(name):
    if name in PUBLIC:
        return
    home = within(name, LEVEL)
    assert home, f"{name} lies in no folder of LAYERS"
    for module, _ in imports(name):
        if module not in MODULES or module in PUBLIC:
            continue
        folder = within(module, LEVEL)
        assert folder == home or LEVEL[folder] < LEVEL[home], f"{name} imports {module}"


def test_no_circle_of_imports():
    """Each module can be put behind all that it imports."""
    waiting = {name: ours_at_import(name) - {name} for name in MODULES}
    while free := {name for name, needs in waiting.items() if not needs & set(waiting)}:
        waiting = {name: needs for name, needs in waiting.items() if name not in free}
    assert not waiting


@pytest.mark.parametrize("name", sorted(filter(is_light, MODULES)))
def test_the_light_side_loads_no_tensorflow(name):
    for module, way in loaded_with(name).items():
        assert not within(module, HEAVY), way.removeprefix(" -> ")


def test_the_heavy_side_is_no_longer_than_it_must_be():
    assert all(within(name, set(MODULES)) == name for name in HEAVY_SIDE | LIGHT)


LIGHT_COMMANDS = [
    ["--help"],
    *([verb, "--help"] for verb in ("bench", "compare", "report", "predict", "inspect", "restore")),
    ["inspect", "MODEL"],
    ["predict", "--errors"],
    ["predict", "MODEL", "--phone", "snapdragon-888"],
    ["restore", "MODEL", "PHOTO", "OUT"],
    ["bench", "MODEL", "--size", "64x64", "--rounds", "1", "--min-runs", "1", "-o", "RECORDS"],
    ["compare", "RECORDS", "RECORDS"],
    ["report", "RECORDS", "-o", "PAGE"],
]
WITHOUT_TENSORFLOW = """
import json, sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name in {"tensorflow", "keras", "tf_keras", "jax", "torch"}:
            raise SystemExit(f"{name} is imported")

sys.meta_path.insert(0, Refuse())
from lpie.cli.main import main
for command in json.loads(sys.argv[1]):
    try:
        main(command)
    except SystemExit as end:
        if end.code:
            sys.exit(f"{command}: {end.code}")
"""


def test_light_verbs_work_where_tensorflow_cannot_be_imported(tmp_path):
    places = {
        "MODEL": str(tflite_file("denoise-s")),
        "PHOTO": str(tmp_path / "photo.png"),
        "OUT": str(tmp_path / "out.png"),
        "RECORDS": str(tmp_path / "records.json"),
        "PAGE": str(tmp_path / "page.html"),
    }
    write_image(tmp_path / "photo.png", np.random.default_rng(0).random((48, 64, 3), np.float32))
    commands = [[places.get(word, word) for word in words] for words in LIGHT_COMMANDS]
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, json.dumps(commands)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert "Usage: lpie restore" in run.stdout


def test_folders_are_small():
    counts = Counter(path.parent.relative_to(ROOT) for path in MODULES.values())
    large = {str(folder) for folder, count in counts.items() if count > FILES_IN_A_FOLDER}
    assert not large


def test_every_folder_is_part_of_the_wheel():
    """setuptools leaves out a package that setup.cfg does not name, and only users notice."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packages = set(setup["options"]["packages"].split())
    folders = {module_name(path.parent / "__init__.py") for path in MODULES.values()}
    studies = {name for name in folders if name.startswith("lpie.benchmarks.studies")}
    assert packages == folders - studies  # which run from a clone


@pytest.mark.parametrize("name", sorted(MODULES))
def test_files_are_short(name):
    assert len(MODULES[name].read_text().splitlines()) <= LINES_OF_A_FILE
