"""What an export is asked for: checked as one, and the keywords of lpie 0.1 mean the same."""

import subprocess
import sys

import pytest

from lpie.errors import InputError
from lpie.export.recipes import ALL, BEGIN, END, RECIPES
from lpie.export.request import ExportRequest
from lpie.size import Size


def test_the_defaults():
    request = ExportRequest()
    assert request.images == (Size(1080, 1920),)
    assert request.chosen is RECIPES["float32"]
    assert (request.verify, request.overwrite) == (True, False)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"recipe": "int9"}, "Unknown recipe 'int9'. Did you mean 'int8'"),
        ({"sizes": ()}, "`size` must name at least one size"),
        ({"sizes": ((96, 64),)}, r"A size is a Size\(height, width\) or WIDTHxHEIGHT"),
        ({"sizes": ("96x64", Size(64, 96))}, "The size 96x64 was given twice"),
        ({"sizes": ("wide",)}, "A size is WIDTHxHEIGHT"),
        ({"io": "int8"}, "Only the recipes static_wi8_ai8, int8, qat_int8 take `io`"),
        ({"recipe": "int8", "io": "uint"}, "Did you mean 'uint8'"),
        ({"recipe": "int8", "max_drop_db": 0.1}, "Only the recipe mixed takes `max_drop_db`"),
        ({"recipe": "mixed", "max_drop_db": -1}, "at least 0. Received: -1. Try 0.1"),
        ({"hardware_target": "phone"}, "Unknown target 'phone'"),
        ({"rewrites": ("all",)}, "Unknown rewrite 'all'"),
        ({"recipe": "qat_int8", "rewrites": ("fold_linear",)}, "takes no `rewrites`"),
        ({"recipe": "qat_int8", "hardware_target": "cpu"}, "takes no `hardware_target`"),
    ],
)
def test_a_wrong_request_cannot_be_made(options, sentence):
    with pytest.raises(InputError, match=sentence):
        ExportRequest(**options)


def test_a_recipe_is_its_stages():
    pytest.importorskip("tensorflow")
    from lpie.export.pipeline import STAGES

    for recipe in ALL:
        assert set(recipe.stages) <= set(STAGES)
        assert recipe.stages[: len(BEGIN)] == BEGIN
        unsigned = "make_unsigned" in recipe.stages
        assert unsigned == (recipe.activations == "uint16")
        stages = [stage for stage in recipe.stages if stage != "make_unsigned"]
        assert tuple(stages[-len(END) :]) == END
        assert ("calibrate" in recipe.stages) == (recipe.weights == "int8")
        assert ("set_io" in recipe.stages) == ("io" in recipe.options)
        assert ("mix" in recipe.stages) == recipe.needs_pairs
    assert RECIPES["int8"] is RECIPES["static_wi8_ai8"]


def test_old_keywords_mean_the_same():
    pytest.importorskip("tensorflow")
    from lpie.export.request import requested

    old = {
        "recipe": "int8",
        "size": (1920, 1080),
        "more_sizes": ["4k"],
        "io": "int8",
        "target": "gpu",
        "rewrites": ["fold_linear"],
        "verified": False,
        "force": True,
    }
    assert requested(None, old) == ExportRequest(
        recipe="int8",
        sizes=("1920x1080", "3840x2160"),
        io="int8",
        hardware_target="gpu",
        rewrites=("fold_linear",),
        verify=False,
        overwrite=True,
    )
    assert requested(None, {"size": Size(64, 96)}).images == (Size(64, 96),)
    assert requested(None, {}) == ExportRequest()
    with pytest.raises(InputError, match="Received also: recipe"):
        requested(ExportRequest(), {"recipe": "int8"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'recepe'"):
        requested(None, {"recepe": "int8"})


def test_a_request_loads_neither_tensorflow_nor_keras():
    code = (
        "import sys, lpie.export; lpie.export.ExportRequest(recipe='int8')\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_a_request_is_exported_and_a_file_is_parsed_once(tmp_path, photos, monkeypatch):
    """Once as it is converted; `lpie inspect`, a restorer and a benchmark parse it once too."""
    pytest.importorskip("tensorflow")
    from click.testing import CliRunner

    from lpie.benchmarks.harness.delegate import parse_delegate
    from lpie.benchmarks.harness.job import make_job
    from lpie.cli.export.inspect import inspect
    from lpie.export import export_tflite
    from lpie.models.load import load_pretrained
    from lpie.restore.restorer import Restorer
    from lpie.tflite import schema

    parse, names = schema.parse, []
    monkeypatch.setattr(
        schema, "parse", lambda data, name="": names.append(name) or parse(data, name)
    )
    path = tmp_path / "a.tflite"
    request = ExportRequest(recipe="int8", sizes=(Size(64, 96), "72x80"))
    spec = export_tflite(load_pretrained("denoise-s"), path, request, photos=photos)
    assert (spec.recipe, spec.signatures) == ("int8", ("96x64", "72x80"))
    assert spec.verified["passed"]
    assert len(names) == 1
    for program in (
        lambda: CliRunner().invoke(inspect, [str(path), "--size", "fhd"], catch_exceptions=False),
        lambda: Restorer(path).restore(photos[0]),
        lambda: make_job(path, "96x64", parse_delegate("xnnpack"), threads=1).data(),
    ):
        names.clear()
        program()
        assert names == [str(path)]
