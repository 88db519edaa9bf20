"""Single blocks of NAFNet, Baseline and MIRNet against what the released modules compute."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

import lpie  # noqa: E402
from lpie.models.mirnet import _Block, _Layers  # noqa: E402
from lpie.models.nafnet import Style  # noqa: E402
from lpie.restore.keras_network import forward  # noqa: E402
from tests.conftest import released_state  # noqa: E402

STREAM = "body.0.body.0"


def check(path, network, prefix, model):
    """`model` gives the stored output once it holds the stored weights."""
    weights, arrays = released_state(path)
    model.name = network
    lpie.load_released_weights(model, {prefix + name: w for name, w in weights.items()})
    found = forward(model, arrays["input"])
    np.testing.assert_allclose(found, arrays["output"], atol=1e-5)


@pytest.mark.parametrize(
    ("case", "style"),
    [
        ("nafblock", Style(windows=(None,))),
        ("baselineblock", Style("baseline", depthwise_expand=1, windows=(None,))),
    ],
)
def test_a_block_of_nafnet(vectors, case, style):
    image = keras.Input((None, None, 8))
    model = keras.Model(image, style.block(image, 0, "block"))
    check(vectors / f"unit_{case}_c8.npz", "nafnet", "block.", model)


@pytest.mark.parametrize(
    ("case", "prefix", "apply"),
    [
        ("dau", f"{STREAM}.blocks.0.0.", lambda block, x: block._attend(x, 0)),
        ("resdown", f"{STREAM}.down.body.0.", lambda block, x: block._down(x, 1, f"{STREAM}.down")),
        ("resup", f"{STREAM}.up.body.0.", lambda block, x: block._up(x, 1, f"{STREAM}.up")),
    ],
)
def test_a_module_of_mirnet(vectors, case, prefix, apply):
    image = keras.Input((None, None, 16))
    model = keras.Model(image, apply(_Block(_Layers(), STREAM, 16, 3), image))
    check(vectors / f"unit_mirnet_{case}.npz", "mirnet", prefix, model)


def test_fusion_of_mirnet(vectors):
    weights, arrays = released_state(vectors / "unit_mirnet_skff.npz")
    maps = [keras.Input((None, None, 16)) for _ in range(3)]
    fused = _Block(_Layers(), STREAM, 16, 3)._fuse(maps, 0)
    model = keras.Model(maps, fused, name="mirnet")
    prefix = f"{STREAM}.selective_kernel.0."
    lpie.load_released_weights(model, {prefix + name: w for name, w in weights.items()})
    found = keras.ops.convert_to_numpy(model([arrays[f"input{i}"] for i in range(3)]))
    np.testing.assert_allclose(found, arrays["output"], atol=1e-5)
