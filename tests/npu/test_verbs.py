"""`lpie inspect`, `export`, `verify` and `evaluate` for NPUs."""

import hashlib
import json

import pytest
from click.testing import CliRunner

import lpie
from lpie.cli.evaluate import evaluate
from lpie.cli.export.export import export
from lpie.cli.export.inspect import inspect
from lpie.cli.export.verify import verify
from lpie.errors import InputError, LpieError
from lpie.export.ai_pack import PACK, TARGETING, check_ai_pack, targeting_xml
from lpie.image.image import write_image
from lpie.npu.chips import CHIPS
from lpie.restore.restorer import Restorer
from lpie.tflite.model import TfliteModel
from lpie.tflite.spec import ModelSpec, spec_path
from tests.conftest import ROOT
from tests.conversions import network
from tests.shared import once


def run(verb, *arguments):
    result = CliRunner().invoke(verb, [str(a) for a in arguments])
    if isinstance(result.exception, LpieError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def exported():
    """A folder with a small network, its float16 file, that compiled for an SM8650, and a pack."""
    keras = pytest.importorskip("keras")

    def build(folder):
        keras.utils.set_random_seed(0)
        net = lpie.build_model("lpienet_rt", size="s")
        net.save(folder / "net.keras")
        words = ("--recipe", "float16", "--size", "64x48", "--npu", "galaxy-s24")
        pack = ("--ai-pack", folder / "pack", "-o", folder / "out", "--json")
        text = run(export, folder / "net.keras", *words, *pack)
        (folder / "report.json").write_text(text[text.index("{") :])

    return once("npu-export", build)


def test_export_writes_a_file_for_the_chip_that_the_emulator_has_checked(exported):
    whole = exported / "out" / "net_float16_64x48.tflite"
    compiled = exported / "out" / "net_float16_64x48_SM8650.tflite"
    spec = ModelSpec.from_json(spec_path(compiled).read_text())
    assert spec.sha256 == hashlib.sha256(compiled.read_bytes()).hexdigest()
    npu = spec.npu
    assert (npu["chip"], npu["accepted"], npu["partitions"]) == ("SM8650", npu["ops"], 1)
    assert npu["compiled_from_sha256"] == hashlib.sha256(whole.read_bytes()).hexdigest()
    assert npu["versions"]["onnxruntime-qnn"]
    assert npu["verified"]["size"] == "64x48"
    assert 40 <= npu["verified"]["residual_psnr_db"] < 90  # float16 in the NPU
    assert ModelSpec.from_json(spec_path(whole).read_text()).npu is None
    assert TfliteModel.read(compiled).compiled_for_npu
    report = json.loads((exported / "report.json").read_text())
    assert report["npu_files"][0]["npu"] == npu


def test_the_pack_is_laid_out_as_litert_does(exported):
    assets = exported / "pack" / PACK / "src" / "main" / "assets"
    out = exported / "out"
    assert {path.parent.name: path.read_bytes() for path in assets.rglob("*.tflite")} == {
        "model#group_Qualcomm_SM8650": (out / "net_float16_64x48_SM8650.tflite").read_bytes(),
        "model#group_other": (out / "net_float16_64x48.tflite").read_bytes(),
    }
    library = pytest.importorskip("ai_edge_litert.aot.ai_pack.export_lib")
    target = pytest.importorskip("ai_edge_litert.aot.vendors.qualcomm.target")
    group = library._target_to_ai_pack_info(target.Target(target.SocModel.SM8650))
    theirs = library._DEVICE_TARGETING_CONFIGURATION.format(device_groups=group)
    assert (exported / "pack" / TARGETING).read_text() == theirs
    assert targeting_xml([CHIPS["SM8650"]]) == theirs


def test_a_pack_is_for_phones(tmp_path):
    with pytest.raises(InputError, match="SA8255 is in cars or on boards"):
        check_ai_pack(tmp_path, [CHIPS["SA8255"]], overwrite=False)
    with pytest.raises(InputError, match="needs chips"):
        check_ai_pack(tmp_path, [], overwrite=False)


def test_export_writes_nothing_for_a_chip_that_computes_no_floats(exported, tmp_path):
    words = ("--recipe", "float16", "--size", "64x48", "--npu", "SM7675", "-o", tmp_path / "out")
    with pytest.raises(LpieError, match=r"takes no op of .*computes no floats"):
        run(export, exported / "net.keras", *words)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_chip_that_strays_too_far_is_refused_with_the_numbers(exported, photos):
    from lpie.export.npu import compile_checked
    from lpie.models.load import load_keras

    file = TfliteModel.read(exported / "out" / "net_float16_64x48.tflite")
    with pytest.raises(LpieError, match=r"strays too far: output_psnr_db .* \(at least 200\)"):
        compile_checked(
            load_keras(exported / "net.keras"),
            file,
            CHIPS["SM8650"],
            photos,
            {"output_psnr_db": 200.0},
        )


@pytest.mark.parametrize("compiled", [False, True])
def test_verify_has_a_row_for_the_npu(exported, tmp_path, compiled):
    name = f"net_float16_64x48{'_SM8650' if compiled else ''}.tflite"
    heat_map = tmp_path / "worst.png"
    words = (exported / "net.keras", exported / "out" / name, "--heat-map", heat_map)
    asked = () if compiled else ("--npu", "SM8650")
    places = json.loads(run(verify, *words, *asked, "--json"))["places"]
    assert heat_map.is_file()
    assert places[-1]["place"] == "NPU SM8650"
    assert places[-1]["runtime"].startswith("Qualcomm's emulator of SM8650")
    assert 40 < places[-1]["residual_psnr_db"] < 90
    assert places[-1]["ramp_levels"] > 0
    # Without an NPU nothing runs a compiled file.
    assert [place["place"] for place in places[:-1]] == (
        [] if compiled else ["XNNPACK", "built-in", "reference"]
    )


def test_evaluate_measures_what_the_npu_computes(tmp_path, image):
    clean = tmp_path / "clean"
    write_image(clean / "a.png", image(72, 88))
    options = ("--clean", clean, "--noise-sigma", "15", "--json")
    cpu = json.loads(run(evaluate, "denoise-s", *options))
    npu = json.loads(run(evaluate, "denoise-s", *options, "--npu", "galaxy-s25"))
    assert npu["npu"]["chip"] == "SM8750"
    assert npu["psnr_db"] == pytest.approx(cpu["psnr_db"], abs=0.02)
    assert npu["psnr_db"] != cpu["psnr_db"]


def test_inspect_says_what_the_compiler_said(tmp_path):
    file = tmp_path / "net.tflite"
    file.write_bytes(network("int16", "relu"))
    report = json.loads(run(inspect, file, "--npu", "SM8650", "--json"))
    (npu,) = report["npu"]
    assert (npu["chip"], npu["vtcm_mb"], npu["full"]) == ("SM8650", 8, False)
    assert npu["accepted"] + len(npu["refused"]) == npu["ops"]
    assert {refusal["op"] for refusal in npu["refused"]} == {"DEPTHWISE_CONV_2D"}
    assert npu["dram_bytes"]["read"] > 0
    assert npu["compiled_bytes"] > 0
    text = run(inspect, file, "--npu", "SM8650")
    assert "SM8650 (Snapdragon 8 Gen 3) Hexagon V75: refused 11 of" in text
    assert "DEPTHWISE_CONV_2D (encoder0_block1_depthwise, " in text
    with pytest.raises(LpieError, match=r"does not run in full on: SM8650\.$"):
        run(inspect, file, "--npu", "SM8650", "--require-full")


def test_with_an_npu_alone_it_alone_must_run_in_full(tmp_path):
    file = tmp_path / "net.tflite"
    file.write_bytes(network("uint8", "relu"))
    words = (file, "--npu", "SM8650", "--require-full")
    assert "SM8650 (Snapdragon 8 Gen 3) Hexagon V75: takes all " in run(inspect, *words)
    with pytest.raises(LpieError, match="does not run in full on: xnnpack"):
        run(inspect, *words, "--delegate", "xnnpack")


def test_a_compiled_file_is_refused_where_no_npu_is(exported, image):
    file = exported / "out" / "net_float16_64x48_SM8650.tflite"
    with pytest.raises(InputError, match="is compiled for a phone's NPU, which this computer"):
        Restorer(file)
    with pytest.raises(InputError, match="compiled for an NPU already"):
        run(inspect, file, "--npu", "SM8650")
    with pytest.raises(InputError, match="compiled for an NPU, and its size with it"):
        run(inspect, file, "--size", "fhd")
    with pytest.raises(InputError, match="is compiled for SM8650"):
        run(evaluate, file, "--builtin", "--npu", "SM8550")
    text = run(inspect, file)
    assert "compiled for SM8650 (Snapdragon 8 Gen 3), and runs there alone" in text
    assert "lpie restore: refused. it is compiled for a phone's NPU" in text


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "1e9"])
def test_a_limit_is_a_time(seconds):
    with pytest.raises(InputError, match="--npu-limit must be"):
        run(inspect, "denoise-s", "--npu", "SM8650", "--npu-limit", seconds)


def test_any_file_is_compiled():
    file = ROOT / "tests" / "receptive_fields" / "x2-32.tflite"
    assert "SM8850 (Snapdragon 8 Elite Gen 5) Hexagon V81: " in run(
        inspect, file, "--npu", "snapdragon-8-elite-gen-5"
    )
