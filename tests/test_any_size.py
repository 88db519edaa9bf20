"""Networks that pool over the whole image: made at one size, exact at any other."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")
if keras.backend.backend() != "tensorflow":
    pytest.skip("export needs Keras on TensorFlow", allow_module_level=True)

import lpie  # noqa: E402
from lpie.errors import InputError  # noqa: E402
from lpie.export import convert as convert_module  # noqa: E402
from lpie.export.convert import export_tflite  # noqa: E402
from lpie.export.converter import convert  # noqa: E402
from lpie.models.analysis import analyse  # noqa: E402
from lpie.runtime import Session, resized  # noqa: E402
from tests.test_zoo import SMALL, random_model  # noqa: E402


@pytest.fixture(scope="module")
def nafnet():
    return random_model(*SMALL["nafnet"])


@pytest.fixture
def converted_at(monkeypatch):
    """The sizes (height, width) at which exports are converted."""
    sizes = []

    def noted(model, recipe, size, tiles):
        sizes.append(size)
        return convert(model, recipe, size, tiles)

    monkeypatch.setattr(convert_module, "convert", noted)
    return sizes


# NAFNet pads what is no multiple of 4, which is then part of its graph.
@pytest.mark.parametrize(
    ("width", "height", "small"), [(320, 192, True), (1024, 64, True), (318, 190, False)]
)
def test_an_export_is_that_of_its_own_size(nafnet, tmp_path, converted_at, width, height, small):
    path = tmp_path / "a.tflite"
    export_tflite(nafnet, path, size=(width, height))
    assert converted_at == [(256, 256) if small else (height, width)]
    x = np.random.default_rng(0).random((height, width, 3), np.float32)
    direct = Session(convert(nafnet, "float32", (height, width), [])).run(x)
    np.testing.assert_array_equal(Session(path.read_bytes()).run(x), direct)


def test_what_depends_on_the_size_is_not_resized():
    fourier = random_model(*SMALL["nafftnet"])
    assert not analyse(fourier).scalable
    with pytest.raises(InputError, match="has BATCH_MATMUL"):
        resized(convert(fourier, "float32", (64, 64), []), 96, 96)
    assert not analyse(lpie.build_model("nafnet", width=8, train_size=256)).scalable
