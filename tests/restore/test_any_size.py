"""Networks that pool over the whole image: made at one size, exact at any other."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("export needs Keras on TensorFlow", allow_module_level=True)

import lpie  # noqa: E402
from lpie.errors import InputError  # noqa: E402
from lpie.export import pipeline as convert_module  # noqa: E402
from lpie.export.pipeline import export_tflite  # noqa: E402
from lpie.export.tensorflow_converter import convert  # noqa: E402
from lpie.models.graph.analysis import analyse  # noqa: E402
from lpie.models.layers import CropLike, PadToMultiple  # noqa: E402
from lpie.size import Size  # noqa: E402
from lpie.tflite.cost import graph_cost  # noqa: E402
from lpie.tflite.interpreter import Session  # noqa: E402
from lpie.tflite.model import TfliteModel  # noqa: E402
from lpie.tflite.signatures import of_size  # noqa: E402
from tests.models.test_zoo import SMALL, random_model  # noqa: E402

# Two levels, so that it pads to a multiple of 4, with two blocks in all.
FEW = {"encoder_blocks": (0, 1), "middle_blocks": 0, "decoder_blocks": (1, 0), "width": 4}


def resized(data, height, width):
    return TfliteModel.parse(data).resized(Size(height, width)).to_bytes()


@pytest.fixture(scope="module")
def nafnet():
    return random_model("nafnet", FEW)


@pytest.fixture
def converted_at(monkeypatch):
    """The sizes (height, width) at which exports are converted."""
    sizes = []

    def noted(model, recipe, size, tiles):
        sizes.append(size)
        return convert(model, recipe, size, tiles)

    monkeypatch.setattr(convert_module, "convert", noted)
    return sizes


# NAFNet pads what is no multiple of 4 with zeros; that is added to the graph at both ends.
@pytest.mark.parametrize(
    ("width", "height", "ops"), [(1024, 64, set()), (318, 190, {"PAD", "SLICE"})]
)
def test_an_export_is_that_of_its_own_size(nafnet, tmp_path, converted_at, width, height, ops):
    path = tmp_path / "a.tflite"
    export_tflite(nafnet, path, size=(width, height), verified=False)
    assert converted_at == [(256, 256)]
    assert {"PAD", "SLICE"} & set(graph_cost(TfliteModel.read(path)).op_counts) == ops
    x = np.random.default_rng(0).random((height, width, 3), np.float32)
    direct = Session(convert(nafnet, "float32", (height, width), [])).run(x)
    np.testing.assert_array_equal(Session(path.read_bytes()).run(x), direct)


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_padding_comes_and_goes_with_the_size(nafnet, tmp_path, recipe):
    files = {size: tmp_path / f"{size}.tflite" for size in ("318x190", "320x192")}
    photo = np.random.default_rng(1).integers(0, 256, (256, 256, 3), np.uint8)
    for size, file in files.items():
        export_tflite(nafnet, file, recipe=recipe, size=size, photos=[photo], verified=False)
    padded, whole = (file.read_bytes() for file in files.values())
    x = np.random.default_rng(0).random((192, 320, 3), np.float32)
    expected = Session(whole).run(x)
    np.testing.assert_array_equal(Session(resized(padded, 192, 320)).run(x), expected)
    there = resized(resized(padded, 70, 66), 190, 318)
    np.testing.assert_array_equal(
        Session(there).run(x[:190, :318]), Session(padded).run(x[:190, :318])
    )
    assert len(TfliteModel.parse(there).tensors) == len(TfliteModel.parse(padded).tensors)
    black = x.copy()  # what zeros are in 8 bits too
    black[190:], black[:, 318:] = 0, 0
    cut = Session(whole).run(black)[:190, :318]
    np.testing.assert_array_equal(Session(padded).run(x[:190, :318]), cut)


def test_several_sizes_of_which_some_are_padded(nafnet, tmp_path):
    file, x = tmp_path / "a.tflite", np.random.default_rng(0).random((190, 318, 3), np.float32)
    export_tflite(nafnet, file, size="64x64", more_sizes=("318x190",), verified=False)
    for name, image in {"318x190": x, "64x64": x[:64, :64]}.items():
        single = of_size(TfliteModel.read(file), name).to_bytes()
        direct = Session(convert(nafnet, "float32", image.shape[:2], [])).run(image)
        np.testing.assert_array_equal(Session(single).run(image), direct)


def test_padding_inside_stays_with_its_size(tmp_path, converted_at):
    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same")(image)
    net = keras.Model(image, CropLike()([keras.layers.Conv2D(3, 1)(PadToMultiple(4)(x)), image]))
    export_tflite(net, tmp_path / "a.tflite", size="66x64")
    assert converted_at == [(64, 66)]


def test_what_depends_on_the_size_is_not_resized():
    fourier = random_model(*SMALL["nafftnet"])
    assert not analyse(fourier).scalable
    with pytest.raises(InputError, match="has BATCH_MATMUL"):
        resized(convert(fourier, "float32", (64, 64), []), 96, 96)
    assert not analyse(lpie.build_model("nafnet", width=8, train_size=256)).scalable
