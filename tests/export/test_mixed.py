import json

import numpy as np
import pytest

from lpie.errors import InputError, LpieError
from lpie.export import export_tflite
from lpie.export.tensorflow_converter import convert
from lpie.image.image import write_image
from lpie.models.load import load_pretrained
from lpie.tflite.model import TfliteModel
from lpie.tflite.spec import ModelSpec
from tests.conftest import assert_one_sentence, run_lpie

SIDE = 256


@pytest.fixture(scope="module")
def noisy(astronaut):
    """Two degraded photos, and what they should be."""
    targets = [astronaut[:SIDE, :SIDE], astronaut[SIDE:, SIDE:]]
    rng = np.random.default_rng(0)
    noise = [rng.normal(0, 15, photo.shape) for photo in targets]
    pairs = zip(targets, noise, strict=True)
    degraded = [np.clip(np.rint(p + n), 0, 255).astype(np.uint8) for p, n in pairs]
    return degraded, targets


@pytest.fixture(scope="module")
def network():
    pytest.importorskip("tensorflow")
    return load_pretrained("denoise-s")


def export(network, path, noisy, max_drop, **options):
    """(spec, what the choice of layers found)."""
    found = []
    spec = export_tflite(
        network,
        path,
        recipe="mixed",
        size=(SIDE, SIDE),
        photos=noisy[0],
        targets=noisy[1],
        max_drop=max_drop,
        progress=found.append,
        **options,
    )
    return spec, found[0]


def kinds(path):
    """(op, type of its output), of all but conversions."""
    ops = TfliteModel.read(path).ops
    return [
        (op.name, op.outputs[0].dtype) for op in ops if op.name not in ("QUANTIZE", "DEQUANTIZE")
    ]


def test_all_is_int8_where_that_is_good_enough(network, tmp_path, noisy):
    spec, found = export(network, tmp_path / "mixed.tflite", noisy, 3.0)
    assert spec.float_layers == found.float_layers == ()
    assert found.lost_db == found.int8_db
    whole = export_tflite(
        network, tmp_path / "int8.tflite", recipe="int8", size=(SIDE, SIDE), photos=noisy[0]
    )
    assert kinds(tmp_path / "mixed.tflite") == kinds(tmp_path / "int8.tflite")
    assert spec.verified == whole.verified


def test_the_most_sensitive_layers_stay_in_float(network, tmp_path, noisy):
    _, loose = export(network, tmp_path / "loose.tflite", noisy, 3.0)
    lost = [each.lost_db for each in loose.ranking]
    assert lost == sorted(lost, reverse=True)
    bound = 0.7 * loose.int8_db
    path = tmp_path / "mixed.tflite"
    spec, found = export(network, path, noisy, bound)
    assert found.lost_db <= bound < loose.int8_db
    count = len(found.float_layers)
    assert 0 < count < len(found.ranking)
    assert list(found.float_layers) == [each.layer for each in loose.ranking[:count]]
    assert sum(kind == "float32" for _, kind in kinds(path)) == count
    assert ModelSpec.from_json(path.with_suffix(".spec.json").read_text()) == spec
    assert spec.input_dtype == spec.output_dtype == "uint8"


def test_elus_in_float_are_named_too(tmp_path, noisy):
    """One follows a convolution that stays in float, and is not chosen by itself."""
    keras = pytest.importorskip("keras")
    pytest.importorskip("tensorflow")
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, padding="same", activation="elu")(image)
    x = keras.layers.Conv2D(8, 3, padding="same", activation="elu")(x)
    x = keras.layers.Conv2D(3, 3, padding="same")(x)
    network = keras.Model(image, keras.layers.Add()([image, x]))
    first = network.layers[1]  # whose wide range costs more than the 8 bits of the output do
    first.set_weights([20 * weight for weight in first.get_weights()])
    path = tmp_path / "mixed.tflite"
    spec, found = export(network, path, noisy, 100, verified=False)
    assert spec.float_layers == ()
    assert all(kind != "float32" for _, kind in kinds(path))
    assert {each.op for each in found.ranking} >= {"ELU", "CONV_2D"}
    bound = (found.int8_db + min(each.lost_db for each in found.ranking)) / 2
    spec, _ = export(network, path, noisy, max(bound, 0), verified=False, force=True)
    floats = [op for op, kind in kinds(path) if kind == "float32"]
    assert "ELU" in floats
    assert len(spec.float_layers) <= len(floats)


def test_too_little_allowed_or_no_targets(network, tmp_path, noisy):
    with pytest.raises(LpieError, match="With all layers in float the file still loses"):
        export(network, tmp_path / "m.tflite", noisy, 0.0)
    with pytest.raises(InputError, match=r"at least 0\. Received: nan"):
        export(network, tmp_path / "m.tflite", noisy, float("nan"))
    with pytest.raises(InputError, match="Only the recipe mixed takes `max_drop_db`"):
        export_tflite(network, tmp_path / "m.tflite", recipe="int8", max_drop=0.1)
    with pytest.raises(InputError, match="needs `photos` and what each should be"):
        export_tflite(network, tmp_path / "m.tflite", recipe="mixed", photos=noisy[0], size="fhd")
    assert not list(tmp_path.iterdir())


def test_command_line(tmp_path, noisy):
    for side, photos in zip(("degraded", "target"), noisy, strict=True):
        for i, photo in enumerate(photos):
            write_image(tmp_path / side / f"{i}.png", photo)
    given = [
        "export",
        "denoise-s",
        "--recipe",
        "mixed",
        "--size",
        "64x64",
        "-o",
        tmp_path / "m.tflite",
    ]
    result = run_lpie(*given, "--pairs", tmp_path, "--max-drop", "0.2", "--json")
    assert result.returncode == 0, result.stderr
    assert isinstance(json.loads(result.stdout)["float_layers"], list)
    assert "In int8 the network loses" in result.stderr
    sentence = (
        "Only the recipes static_wi8_ai8, int8, qat_int8 take --io. Received: the recipe mixed"
    )
    assert_one_sentence(run_lpie(*given, "--io", "int8"), 2, sentence)
    wrong = run_lpie(*given, "--pairs", tmp_path, "--photos", tmp_path)
    assert_one_sentence(wrong, 2, "Give --pairs or --photos, not both")
    wrong = run_lpie(*given[:2], "--recipe", "int8", "--pairs", tmp_path)
    assert_one_sentence(wrong, 2, "Only the recipe mixed takes --pairs")
    assert_one_sentence(run_lpie(*given, "--photos", tmp_path / "target", "--force"), 2, "degraded")


def test_calibration_is_that_of_int8(network):
    """The ranges before ours: the same as the whole converter finds."""
    from lpie.export.int8.mixed import _quantizer
    from lpie.export.tensorflow_converter import make_converter

    tiles = [np.random.default_rng(i).random((64, 64, 3), np.float32) for i in range(2)]
    quantize = _quantizer(make_converter(network, "int8", (64, 64), tiles))
    ours, theirs = quantize(()).view(), TfliteModel.parse(convert(network, "int8", (64, 64), tiles))
    assert scales(ours) == scales(theirs)


def scales(model):
    return {tensor.name: tensor.scales for tensor in model.tensors if tensor.scales}
