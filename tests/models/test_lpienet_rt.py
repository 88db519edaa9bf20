"""LPIENet-RT: what it is built of, that it is local, and that every delegate takes it whole."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import lpie  # noqa: E402
from lpie.errors import InputError  # noqa: E402
from lpie.models.graph.analysis import analyse  # noqa: E402
from lpie.restore.keras_network import forward  # noqa: E402
from lpie.restore.restorer import Restorer  # noqa: E402

TINY = {"widths": (8, 16), "encoder_blocks": (1,), "middle_blocks": 1}
FORMS = {
    "inverted": {"block": "inverted"},
    "residual": {"block": "residual"},
    "fused": {"block": "fused", "expansion": 1},
    "gate": {"block": "inverted", "activation": "gate"},
    "attention": {"attention": True},
    "kernel-5": {"block": "inverted", "kernel_size": 5},
    "trunk-4": {"trunk_scale": 4},
    "full-resolution": {"trunk_scale": 1},
    "mixed": {"block": ("residual", "inverted"), "kernel_size": (3, 5), "expansion": (1, 2)},
    "one-level": {"widths": (16,), "encoder_blocks": (), "middle_blocks": 2},
}
ALLOWED = {
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "ADD",
    "MUL",
    "LOGISTIC",
    "SPACE_TO_DEPTH",
    "DEPTH_TO_SPACE",
}


def tiny(**options):
    keras.utils.set_random_seed(0)
    return lpie.build_model("lpienet_rt", **{**TINY, **options})


@pytest.mark.parametrize("form", FORMS)
def test_tiles_are_exact(form):
    model = tiny(**FORMS[form])
    found = analyse(model)
    # Of the nine tiles the one in the middle has a halo on every side.
    step = 4 * found.multiple
    side = 2 * found.halo_px + 3 * step - found.multiple
    image = np.random.default_rng(0).random((side, side, 3), np.float32)
    whole = forward(model, image[None])[0]
    assert whole.shape == image.shape
    restored = Restorer(model, tile_px=2 * found.halo_px + step).restored(image)
    assert len(restored.plan.tiles()) >= 9
    np.testing.assert_allclose(restored.pixels, whole, atol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_the_halo_is_not_too_small(form):
    """A pixel changes nothing beyond the receptive field, which is no larger than needed."""
    model = tiny(**FORMS[form])
    found = analyse(model)
    half, step = found.halo_px, found.multiple
    image = np.full((1, 2 * half + 4 * step, 2 * half + 4 * step, 3), 0.5, np.float32)
    changed = image.copy()
    at = half + 2 * step
    changed[:, at, at] = 1
    rows = np.flatnonzero((forward(model, image) != forward(model, changed)).any((0, 2, 3)))
    assert at - half <= rows[0] <= at <= rows[-1] <= at + half
    assert rows[-1] - rows[0] + 1 <= found.receptive_field_px + step


@pytest.mark.parametrize(("size", "count"), [("s", 127_956), ("m", 312_964), ("l", 1_180_172)])
def test_sizes(size, count):
    found = analyse(lpie.build_model("lpienet_rt", size=size))
    assert found.parameters == count
    assert found.halo_px is not None


def test_a_given_encoder_is_mirrored():
    model = tiny(widths=(8, 8, 8), encoder_blocks=(2, 1))
    names = {layer.name for layer in model.layers}
    assert {"decoder0_block0_sum", "decoder1_block1_sum"} <= names
    assert "decoder0_block1_sum" not in names


def test_ships_what_it_trained(tmp_path):
    plain, trained = tiny(), tiny(overparameterized=True)
    folded = lpie.fold(trained)
    assert folded.count_params() == plain.count_params() < trained.count_params()
    image = np.random.default_rng(0).random((1, 16, 24, 3), np.float32)
    np.testing.assert_allclose(forward(folded, image), forward(trained, image), atol=1e-5)


# Between them they have all blocks, activations and kernels.
EXPORTED = {"gate": FORMS["gate"], "mixed": {**FORMS["mixed"], "attention": True}}


@pytest.mark.parametrize("form", EXPORTED)
def test_every_delegate_takes_it_whole(form, tmp_path):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("export needs Keras on TensorFlow")
    pytest.importorskip("tensorflow")
    from lpie.export.delegates import DELEGATES, check_delegate
    from lpie.export.pipeline import export_tflite
    from lpie.tflite.model import TfliteModel

    for recipe in ("float32", "int8"):
        path = tmp_path / f"{recipe}.tflite"
        export_tflite(tiny(**EXPORTED[form]), path, recipe=recipe, size=(64, 48), verified=False)
        model = TfliteModel.read(path)
        assert {op.name for op in model.ops} - {"QUANTIZE"} <= ALLOWED
        for delegate in DELEGATES:
            if recipe == "int8" and delegate in ("nnapi-27", "nnapi-28"):
                continue  # int8 came with API 29
            verdict = check_delegate(model, delegate)
            assert {refusal.op for refusal in verdict.refused} <= {"QUANTIZE"}, delegate
            assert verdict.partitions == 1, delegate


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "xl"}, "Valid: l, m, s"),
        ({"size": ["s"]}, "Valid: l, m, s"),
        ({"block": [["fused"]] * 3}, "Valid: fused"),
        ({"block": "inverse"}, "Did you mean 'inverted'"),
        ({"widths": (16, 30, 64)}, "multiple of 8"),
        ({"widths": (16, 32)}, "one longer than `encoder_blocks`"),
        ({"trunk_scale": 3}, "1, 2 or 4"),
        ({"kernel_size": 7}, "3 or 5"),
        ({"expansion": 0}, "`expansion`"),
        ({"expansion": (2, 0, 2)}, "`expansion`"),
        ({"kernel_size": (3, 5)}, "`kernel_size` must be one or as many as `widths`"),
        ({"block": ("residual", "inverse", "fused")}, "Did you mean 'inverted'"),
    ],
)
def test_what_cannot_be_built_is_refused(options, words):
    with pytest.raises(InputError, match=words):
        lpie.build_model("lpienet_rt", **options)
