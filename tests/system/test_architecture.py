"""Who may import whom, read from the source."""

import ast

import pytest

from tests.conftest import ROOT

CORE = {
    "lpie.errors", "lpie.system.quiet", "lpie.system.signals", "lpie.system.files", "lpie.tflite.spec", "lpie.image.image",
    "lpie.restore.tile_grid", "lpie.image.metrics", "lpie.tflite.model", "lpie.tflite.cost", "lpie.tflite.interpreter", "lpie.restore.restorer",
    "lpie.tflite.scales", "lpie.config.parse", "lpie.config.degrade", "lpie.config.config", "lpie.training.run",
    *(f"lpie.data.degrade.{name}" for name in (
        "bayer", "blur", "camera_noise", "camera_shake", "degradation", "display_blur",
        "gaussian_noise", "jpeg", "low_light", "motion_blur", "responses",
    )),
    "lpie.weights", "lpie.system.environment", "lpie.restore.tile_policy", "lpie.restore.autotune", "lpie.restore.stitching", "lpie.image.tiff",
    "lpie.image.photo", "lpie.restore.tflite_network", "lpie.restore.keras_network", "lpie.restore.network", "lpie.restore.photos", "lpie.tflite.resize",
    "lpie.size", "lpie.tflite.schema", "lpie.tflite.edit",
}  # fmt: skip
TRAINING_SIDE = {"lpie.training.trainer", "lpie.evaluation.evaluate"}
HEAVY = {"tensorflow", "keras", "jax", "torch", "lpie.backend"}
# Programs that benchmarks run as processes of their own: they import what they measure.
PROGRAMS = "lpie.benchmarks.studies.children"


def module_name(path):
    folder, *rest = path.relative_to(ROOT).with_suffix("").parts
    prefix = {"export": "lpie.export", "benchmarks": "lpie.benchmarks"}.get(folder, "lpie")
    return ".".join([prefix, *rest]).removesuffix(".__init__")


MODULES = {
    module_name(path): path
    for folder in ("lpie", "export", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
}


def imported(path, *, top_level_only=False):
    """The modules that a file imports outside `if TYPE_CHECKING`."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in nodes:
        if node in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


def root(name):
    return name if name.startswith("lpie") else name.split(".")[0]


@pytest.mark.parametrize("name", sorted(MODULES))
def test_imports_point_inward(name):
    found = {root(module) for module in imported(MODULES[name])}
    ours = {module for module in found if module.startswith("lpie.")}
    at_start = {root(module) for module in imported(MODULES[name], top_level_only=True)}
    if name in CORE:
        assert {m for m in at_start if m.startswith("lpie.")} <= CORE
        assert not at_start & HEAVY
    if name.startswith(("lpie.models", "lpie.data")) or name == "lpie.training.losses":
        assert not ours & TRAINING_SIDE
    if not name.startswith(("lpie.export", "lpie.cli", PROGRAMS)):
        assert not [m for m in ours if m.startswith("lpie.export")]
    assert not [m for m in ours if m.startswith(PROGRAMS)]
    if name.startswith("lpie.benchmarks") and not name.startswith(PROGRAMS):
        assert {m for m in ours if not m.startswith("lpie.benchmarks")} <= CORE
        assert not found & HEAVY
    if name == "lpie.cli.main":
        assert ours <= {"lpie.errors", "lpie.system.files", "lpie.system.signals"}


@pytest.mark.parametrize("name", sorted(MODULES))
def test_files_are_short(name):
    assert len(MODULES[name].read_text().splitlines()) <= 400
