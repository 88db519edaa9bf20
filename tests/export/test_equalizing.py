"""Channels that span alike: the same function, narrow channels widened, and less lost in int8."""

import numpy as np
import pytest

pytest.importorskip("tensorflow")

import lpie
from lpie.backend import keras
from lpie.export.int8.elu import fold_elu
from lpie.export.int8.equalization import equalize
from lpie.export.int8.ranges import narrow
from lpie.export.tensorflow_converter import convert
from lpie.image.image import to_float
from lpie.models.graph.channel_scales import MOST
from lpie.models.graph.walk import calls
from lpie.models.load import load_pretrained
from lpie.restore.keras_network import forward
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel

SIDE = 64
SMALL_RT = {"widths": (8, 16), "encoder_blocks": (1,), "middle_blocks": 1}
NETWORKS = {
    "elu": ("lpienet", {"encoder_widths": (8, 12), "decoder_widths": (8,)}),
    "relu": (
        "lpienet",
        {"encoder_widths": (8, 12), "decoder_widths": (8,), "activation": "relu"},
    ),
    "paper": ("lpienet", {"encoder_widths": (8, 12), "decoder_widths": (8,), "variant": "paper"}),
    "lpienet_rt": ("lpienet_rt", {"size": "s"}),
    "attention": ("lpienet_rt", {**SMALL_RT, "attention": True}),
    "nafnet": (
        "nafnet",
        {"width": 8, "encoder_blocks": (1,), "middle_blocks": 1, "decoder_blocks": (1,)},
    ),
    "baseline": (
        "nafnet",
        {
            "width": 8,
            "encoder_blocks": (1,),
            "middle_blocks": 1,
            "decoder_blocks": (1,),
            "block": "baseline",
        },
    ),
}


@pytest.fixture(scope="module")
def tiles(astronaut):
    return [to_float(astronaut[y : y + SIDE, 150 : 150 + SIDE]) for y in range(0, 448, 64)]


def uneven(name):
    """A network whose convolutions give out channels that differ by up to 10 times."""
    keras.utils.set_random_seed(0)
    network, options = NETWORKS[name]
    model = lpie.build_model(network, **options)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        weights = layer.get_weights()
        if type(layer).__name__ == "Conv2D" and layer.filters > 3:
            factors = 10 ** rng.uniform(-1, 0, layer.filters)
            layer.set_weights([w * factors for w in weights])
        elif type(layer).__name__ == "ChannelScale":
            layer.set_weights([rng.normal(0, 0.3, w.shape) for w in weights])
    return model


def unevenness(model, tiles):
    """How many times the median channel the widest one spans, in the median over the maps."""
    tensors = [out for layer, _, (out, *_) in calls(model) if type(layer).__name__ == "Add"][:-1]
    seen = keras.Model(model.input, tensors)(np.stack(tiles), training=False)
    spans = [np.ptp(keras.ops.convert_to_numpy(x), axis=(0, 1, 2)) for x in seen]
    return float(np.median([span.max() / np.median(span) for span in spans]))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_function_stays_the_same(name, tiles):
    model = uneven(name)
    even = equalize(model, tiles)
    held_out = tiles[3][None, :, ::-1]
    expected = forward(model, held_out)
    np.testing.assert_allclose(
        forward(even, held_out), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max()
    )
    assert even.count_params() == model.count_params()


@pytest.mark.parametrize("name", ["elu", "relu", "lpienet_rt"])
def test_channels_span_alike(name, tiles):
    model = uneven(name)
    before, after = unevenness(model, tiles), unevenness(equalize(model, tiles), tiles)
    assert after < 0.75 * before


def test_what_must_stay_stays(tiles):
    """An image, a sigmoid, ELU and the channels of a mean or maximum are not scaled."""
    model = uneven("elu")
    even = equalize(model, tiles)
    kinds = {"InputLayer", "ChannelMean", "ChannelMax", "Activation"}
    kept = [x.name for x in model.layers if type(x).__name__ in kinds or x.name[-7:] == "spatial"]
    assert len(kept) > 20
    before, after = (
        keras.Model(net.input, [net.get_layer(name).output for name in [*kept, "output"]])
        for net in (model, even)
    )
    for one, other in zip(before(tiles[0][None]), after(tiles[0][None]), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


def test_a_dead_channel_is_widened_no_further_than_the_limit(tiles):
    image = keras.Input((None, None, 3))
    first = keras.layers.Conv2D(4, 3, padding="same", activation="relu")
    model = keras.Model(image, keras.layers.Conv2D(3, 1)(first(image)))
    kernel, bias = first.get_weights()
    kernel[..., 1], bias[1] = 0, -1
    first.set_weights([kernel, bias])
    even = equalize(model, tiles)
    assert even.layers[1].get_weights()[1][1] == -MOST
    np.testing.assert_allclose(
        forward(even, tiles[0][None]), forward(model, tiles[0][None]), atol=1e-6
    )


def test_int8_loses_less_of_a_trained_network(tiles):
    model = load_pretrained("denoise-lpienet-relu")
    rng = np.random.default_rng(0)
    noisy = [np.clip(tile + rng.normal(0, 0.1, tile.shape), 0, 1) for tile in tiles]
    noisy = [tile.astype(np.float32) for tile in noisy]
    noisy[0][0, 0], noisy[0][0, 1] = 0, 1
    expected = forward(model, noisy[2][None])[0]
    errors = []
    for net in (model, equalize(model, noisy)):
        editor = TfliteModel.parse(convert(net, "int8", (SIDE, SIDE), noisy)).edit()
        fold_elu(editor)
        narrow(editor, noisy)
        restored = Session(editor.to_bytes()).run(noisy[2])
        errors.append(float(np.mean((restored - expected.clip(0, 1)) ** 2)))
    assert errors[1] < 0.8 * errors[0]
