"""Ordinary Keras networks, made outside lpie, are exported, verified, restored and inspected."""

import re
import warnings

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lpie.cli.main import lpie as cli
from lpie.errors import InputError, LpieError
from lpie.export import ExportRequest, export_tflite
from lpie.export.delegates import check_delegate
from lpie.export.verification.parity import verify
from lpie.models.load import load_keras
from lpie.restore.restorer import Restorer
from lpie.tflite.model import TfliteModel

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

L, ops = keras.layers, keras.ops
EXACT = 1e-5  # rounding alone


@keras.saving.register_keras_serializable(package="theirs")
class MyScale(L.Layer):
    """A layer of which lpie knows nothing."""

    def build(self, input_shape):
        self.factors = self.add_weight((input_shape[-1],), initializer="ones", name="factors")

    def call(self, x):
        return x * self.factors


def image(channels=3):
    return keras.Input((None, None, channels))


def conv(x, filters=6, size=3, **options):
    return L.Conv2D(filters, size, padding="same", **options)(x)


def operators():
    i = image()
    x = conv(i, activation="relu") * 0.5 + 0.1
    return i, i + conv(x, 3) * 2 - i / 3


def clipped():
    i = image()
    return i, ops.clip(i - conv(i, 3), 0.0, 1.0)


def mean_of_channels():
    i = image()
    x = conv(i)
    return i, conv(x * ops.mean(x, axis=-1, keepdims=True), 3) + i


def mean_of_image():
    i = image()
    x = conv(i)
    return i, conv(x * ops.sigmoid(ops.mean(x, axis=(1, 2), keepdims=True)), 3) + i


def concatenated():
    i = image()
    return i, conv(ops.concatenate([conv(i, activation="relu"), i], axis=-1), 3)


def shuffled():
    i = image()
    return i, i + ops.nn.depth_to_space(conv(L.Conv2D(8, 2, strides=2)(i), 12), 2)


def enlarging():
    i = image()
    return i, ops.nn.depth_to_space(conv(conv(i, activation="relu"), 12), 2)


def resized():
    i = keras.Input((64, 48, 3))
    return i, conv(ops.image.resize(L.Conv2D(4, 3, strides=2, padding="same")(i), (64, 48)), 3) + i


def sequential():
    return keras.Sequential([image(), L.Conv2D(6, 3, padding="same"), L.Conv2D(3, 1)])


def batch_norm():
    i = image()
    x = L.ReLU()(L.BatchNormalization()(conv(i, use_bias=False)))
    return i, i - conv(x, 3)


def prelu():
    i = image()
    return i, conv(L.PReLU(shared_axes=[1, 2], alpha_initializer="uniform")(conv(i)), 3) + i


def leaky():
    i = image()
    return i, conv(L.LeakyReLU(0.2)(conv(i, activation="leaky_relu")), 3) + i


def transposed():
    i = image()
    x = L.Conv2D(6, 3, strides=2, padding="same", activation="relu")(i)
    return i, conv(L.Conv2DTranspose(6, 4, strides=2, padding="same")(x), 3) + i


def separable():
    i = image()
    return i, L.SeparableConv2D(3, 5, padding="same")(conv(i, activation="relu")) + i


def layer_norm():
    i = image()
    return i, conv(L.LayerNormalization()(conv(i)), 3) + i


def layer_norm_bare():
    i = image()
    return i, conv(L.LayerNormalization(center=False, scale=False)(conv(i)), 3) + i


def group_norm():
    i = image()
    return i, conv(L.GroupNormalization(2)(conv(i)), 3) + i


def block(name):
    """A model to nest; the names of its layers are those of every other one."""
    i = image(6)
    return keras.Model(i, i + L.Conv2D(6, 3, padding="same", name="conv")(i), name=name)


def nested():
    i = image()
    first, second = block("first"), block("second")
    return i, conv(second(first(first(conv(i)))), 3)


def nested_sequential():
    i = image()
    head = keras.Sequential([L.Conv2D(6, 3, padding="same"), L.ReLU()])
    return i, conv(head(i), 3) + i


def shared():
    i, layer = image(), L.Conv2D(6, 3, padding="same", activation="relu")
    return i, conv(layer(layer(conv(i))), 3) + i


def grey():
    i = image(1)
    return i, i + conv(conv(i, activation="relu"), 1)


def grey_of_layers():
    i = image(1)
    return i, L.Add()([i, conv(conv(i, activation="relu"), 1)])


def own_layer():
    i = image()
    return i, conv(MyScale(name="my_layer")(conv(i)), 3) + i


def u_net():
    i = image()
    a = conv(i, activation="relu")
    b = conv(L.MaxPooling2D()(a), activation="relu")
    x = conv(L.AveragePooling2D(2)(b), activation="relu")
    x = conv(L.Concatenate()([L.UpSampling2D(interpolation="bilinear")(x), b]), activation="relu")
    return i, conv(L.Concatenate()([L.UpSampling2D()(x), a]), 3) + i


def of_thirds():
    i = image()
    x = L.UpSampling2D(3)(conv(L.MaxPooling2D(3, strides=3)(conv(i, size=(1, 7)))))
    return i, conv(x, 3) + i


def dilated():
    i = image()
    return i, conv(conv(i, dilation_rate=(2, 4), activation="relu"), 3) + i


def padded_and_cropped():
    i = image()
    x = L.Conv2D(3, 3)(L.Conv2D(6, 3, activation="relu")(L.ZeroPadding2D(2)(i)))
    return i, x + L.Cropping2D(3)(L.ZeroPadding2D(3)(i))


def reflected():
    i = image()
    x = ops.pad(i, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="reflect")
    return i, L.Conv2D(3, 3)(x) + i


def parts():
    i = image()
    a, b = ops.split(conv(i), 2, axis=-1)
    return i, conv(a * ops.tanh(b), 3) + i[..., :1]


def attention():
    i = image()
    x = conv(i, activation="relu")
    g = L.Dense(6, activation="sigmoid")(L.GlobalAveragePooling2D()(x))
    return i, conv(x * L.Reshape((1, 1, 6))(g), 3) + i


def two_precisions():
    i = image()
    x = conv(i, activation="relu", dtype="mixed_bfloat16")
    return i, L.Add(dtype="float32")([i, conv(x, 3, dtype="mixed_float16")])


def of_a_list():
    i = image()
    return keras.Model([i], [conv(i, 3) + i])


# Networks that see the whole image, or whose size is their own, and why.
NOT_LOCAL = {
    mean_of_image: "sees the whole image",
    group_norm: "group_normalization (GroupNormalization) sees the whole image",
    own_layer: "This layer's reach is unknown: my_layer (MyScale)",
    attention: "sees the whole image",
}
LOCAL = (
    operators, clipped, mean_of_channels, concatenated, shuffled, enlarging, resized, sequential,
    batch_norm, prelu, leaky, transposed, separable, layer_norm, layer_norm_bare, nested,
    nested_sequential, shared, grey, u_net, of_thirds, dilated, padded_and_cropped, reflected,
    parts, two_precisions, of_a_list,
)  # fmt: skip
NETWORKS = (*LOCAL, *NOT_LOCAL)


def built(network):
    """The model of `network`, with weights that show a mistake of a layer's border."""
    keras.utils.set_random_seed(5)
    ends = network()
    model = ends if isinstance(ends, keras.Model) else keras.Model(*ends, name=network.__name__)
    model.compile("adam", "mae")  # as for `fit`, whose optimizer is saved with it
    for weight in model.trainable_variables:
        if len(weight.shape) == 1:
            weight.assign(np.random.default_rng(0).uniform(0.1, 0.5, weight.shape))
    return model


def picture(model, height=76, width=92):
    _, h, w, channels = model.inputs[0].shape
    shape = (h or height, w or width, channels)
    return np.random.default_rng(3).random(shape, np.float32)


def whole(model, x, multiple):
    """What `model` makes of the whole image `x`, reflected up to its multiple."""
    h, w, _ = x.shape
    padded = np.pad(x, ((0, -h % multiple), (0, -w % multiple), (0, 0)), mode="reflect")
    (result,) = keras.tree.flatten(model(padded[None], training=False))
    result = keras.ops.convert_to_numpy(result)[0]
    scale = result.shape[0] // padded.shape[0]
    return result[: h * scale, : w * scale].astype(np.float32)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
def test_it_is_restored_by_tiles_as_at_once(network):
    model = built(network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        restorer = Restorer(model)
    x = picture(model)
    if network in NOT_LOCAL:
        assert NOT_LOCAL[network] in restorer.reason
    else:
        assert restorer.halo_px is not None, restorer.reason
        if model.inputs[0].shape[1] is None:
            tile = restorer.multiple * -(-(2 * restorer.halo_px + 8) // restorer.multiple)
            restorer = Restorer(model, tile_px=tile)
            assert len(restorer.plan(*x.shape[:2]).tiles()) > 1
    expected = whole(model, x, restorer.multiple)
    np.testing.assert_allclose(restorer.restore(x), expected, rtol=0, atol=EXACT)


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.__name__)
@pytest.mark.filterwarnings("ignore:This layer's reach")
def test_its_file_is_exported_verified_restored_and_inspected(network, tmp_path):
    built(network).save(tmp_path / "theirs.keras")
    model = load_keras(tmp_path / "theirs.keras")
    # Every other one in int8, and each of them by a file of another name.
    recipe = ("float32", "int8")[NETWORKS.index(network) % 2]
    _, h, w, _ = model.inputs[0].shape
    size = f"{w or 72}x{h or 60}"
    file = tmp_path / "theirs.tflite"
    spec = export_tflite(model, file, ExportRequest(recipe=recipe, sizes=(size,)))
    assert spec.verified["passed"]
    assert verify(model, file, recipe=recipe).passed
    x = picture(model, 60, 72)
    if recipe == "float32":
        expected = whole(model, x, 1)
        slack = 0.02 if network is two_precisions else 1e-4  # which computes in less than its file
        np.testing.assert_allclose(Restorer(file).restore(x), expected, rtol=0, atol=slack)
    assert check_delegate(TfliteModel.read(file), "xnnpack").accepted


def test_what_is_unknown_of_a_layer_is_read_off_its_ops(tmp_path):
    """The network's tiles are blended, those of its file are exact."""
    with pytest.warns(UserWarning, match="This layer's reach is unknown: my_layer"):
        spec = export_tflite(
            built(own_layer), tmp_path / "a.tflite", ExportRequest(sizes=("96x64",), verify=False)
        )
    assert spec.halo_px == 2


@pytest.mark.parametrize("name", ["theirs.h5", "theirs.keras"])
def test_the_commands_take_it(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    built(grey if name.endswith(".keras") else grey_of_layers).save(name)
    Image.fromarray((picture(built(grey), 40, 60)[..., 0] * 255).astype(np.uint8)).save("photo.png")
    for words in (
        ["export", name, "-o", "a.tflite", "--size", "64x48"],
        ["verify", name, "a.tflite"],
        ["inspect", "a.tflite"],
        ["restore", name, "photo.png", "-o", "by_network.png"],
        ["restore", "a.tflite", "photo.png", "-o", "by_file.png"],
    ):
        result = CliRunner().invoke(cli, words, catch_exceptions=False)
        assert result.exit_code == 0, result.output


def test_code_in_a_file_is_refused_in_a_sentence(tmp_path):
    i = image()
    model = keras.Model(i, L.Lambda(lambda x: 2 * x, name="twice")(conv(i, 3)))
    model.save(tmp_path / "theirs.keras")
    with pytest.raises(InputError, match=r"has a Lambda layer \('twice'\), whose Python code"):
        load_keras(tmp_path / "theirs.keras")


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (lambda i: L.Conv2D(3, 1)(L.Rescaling(1 / 255)(i)), "takes values from 0 to 255"),
        (lambda i: L.Conv2D(4, 1)(i), "takes images of 3 channels and returns 4"),
        (lambda i: L.Conv2D(3, 3)(i), "returns an image of"),
    ],
)
def test_what_cannot_be_exported_is_a_sentence(network, words, tmp_path):
    i = image()
    with pytest.raises(InputError, match=words):
        export_tflite(keras.Model(i, network(i)), tmp_path / "a.tflite")


def test_a_network_of_one_size_is_exported_for_that_alone(tmp_path):
    with pytest.raises(InputError, match="takes images of 48x64 alone"):
        export_tflite(built(resized), tmp_path / "a.tflite")


def test_prelu_in_int8_is_one_partition(tmp_path):
    """XNNPACK has no int8 PRELU: each of them would split the graph."""
    i = image()
    x = i
    for _ in range(3):
        x = L.PReLU(shared_axes=[1, 2])(conv(x))
    model = keras.Model(i, conv(x, 3) + i)
    for layer in model.layers:
        if isinstance(layer, L.PReLU):
            layer.set_weights([np.random.default_rng(1).uniform(-0.2, 0.9, (1, 1, 6))])
    spec = export_tflite(
        model, tmp_path / "a.tflite", ExportRequest(recipe="int8", sizes=("72x60",))
    )
    assert spec.verified["residual_psnr_db"] > 35
    verdict = check_delegate(TfliteModel.read(tmp_path / "a.tflite"), "xnnpack")
    assert verdict.partitions == 1
    assert {refusal.op for refusal in verdict.refused} == {"QUANTIZE"}


def test_int8_that_is_refused_says_what_helps(tmp_path):
    i = image()
    x = L.PReLU(shared_axes=[1, 2])(conv(i) * 40.0)
    model = keras.Model(i, i + conv(ops.sin(x * 9.0), 3) * 0.02)
    with pytest.raises(LpieError) as error:
        export_tflite(model, tmp_path / "a.tflite", ExportRequest(recipe="int8", sizes=("72x60",)))
    words = str(error.value)
    assert len(re.findall(r"\(\d+\.\d dB\)", words)) == 3
    for help_ in ("--recipe mixed", "PReLU", "quantize-aware", "--no-verify"):
        assert help_ in words
    assert not (tmp_path / "a.tflite").exists()
