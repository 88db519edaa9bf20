import json

import numpy as np
import pytest

from lpie.errors import InputError
from lpie.export.delegates.float16_range import peaks
from lpie.image.image import write_image
from lpie.tflite.model import TfliteModel
from lpie.weights import pretrained_file
from tests.conftest import assert_one_sentence, run_lpie
from tests.conversions import graph_of, network

WHITE = [np.full((300, 300, 3), 255, np.uint8)]


def found(function):
    """The highest peak of each op of `function` on a white image."""
    tf = pytest.importorskip("tensorflow")
    data = graph_of(lambda x: function(tf, x), shape=(1, 16, 16, 3))
    highest = peaks(TfliteModel.parse(data), WHITE)
    return {peak.op: peak for peak in reversed(highest)}


def test_a_value_too_large():
    high = found(lambda tf, x: tf.exp(x * 12))["EXP"]
    assert high.value == pytest.approx(np.exp(12), rel=1e-3)
    assert high.overflows
    assert not found(lambda tf, x: tf.exp(x * 11))["EXP"].overflows


def test_a_mean_whose_sum_is_too_large():
    """256x256 values of 1 add up to 65536, although their mean is 1."""
    tf = pytest.importorskip("tensorflow")
    data = graph_of(lambda x: tf.reduce_mean(x, [1, 2], keepdims=True) + x, shape=(1, 256, 256, 3))
    mean, *_ = (p for p in peaks(TfliteModel.parse(data), WHITE) if p.op == "MEAN")
    assert (mean.value, mean.total) == (pytest.approx(1), pytest.approx(65536))
    assert mean.overflows


def test_the_products_of_a_convolution():
    """27 of 3000 each, a third of them negative."""
    kernel = np.full((3, 3, 3, 3), 3000, np.float32)
    kernel[:, :, 1] *= -1
    conv = found(lambda tf, x: tf.nn.conv2d(x, kernel, 1, "SAME"))["CONV_2D"]
    assert conv.value == pytest.approx(27_000)
    assert conv.total == pytest.approx(81_000)
    assert conv.overflows


def test_the_image_is_larger_than_the_tile():
    tf = pytest.importorskip("tensorflow")
    data = graph_of(lambda x: tf.reduce_mean(x, [1, 2], keepdims=True) + x, shape=(1, 1024, 512, 3))
    mean, *_ = (p for p in peaks(TfliteModel.parse(data), WHITE) if p.op == "MEAN")
    assert mean.total == pytest.approx(1024 * 512)


def test_groups_and_depthwise():
    """Filters of two groups see half of the channels each; depthwise ones one."""
    kernel = np.ones((3, 3, 3, 6), np.float32)

    def two(tf, x):
        six = tf.nn.conv2d(x, np.ones((1, 1, 3, 6), np.float32), 1, "SAME")  # 3 everywhere
        return tf.nn.conv2d(six, kernel, 1, "SAME")[..., :3]

    assert found(two)["CONV_2D"].total == pytest.approx(3 * 9 * 3)
    deep = found(lambda tf, x: tf.nn.depthwise_conv2d(x, kernel[..., :1] * 2, [1, 1, 1, 1], "SAME"))
    assert deep["DEPTHWISE_CONV_2D"].total == pytest.approx(9 * 2)


def test_what_is_no_number_overflows():
    assert found(lambda tf, x: tf.sqrt(x - 2))["SQRT"].overflows


def test_pretrained_networks_are_far_from_it(astronaut):
    model = TfliteModel.read(pretrained_file("denoise", ".tflite"))
    highest, *_ = peaks(model, [astronaut])
    assert max(highest.value, highest.total) < 65504 / 64


def test_command_line(tmp_path, astronaut):
    write_image(tmp_path / "photos" / "a.png", astronaut)
    file = str(pretrained_file("denoise-s", ".tflite"))
    result = run_lpie("inspect", file, "--photos", tmp_path / "photos")
    assert "float16 on these photos: nothing overflows; the highest: " in result.stdout
    result = run_lpie("inspect", file, "--photos", tmp_path / "photos", "--json")
    assert json.loads(result.stdout)["peaks"][0]["overflows"] is False
    assert_one_sentence(run_lpie("inspect", file, "--photos", tmp_path / "gone"), 2, "gone")
    (tmp_path / "int8.tflite").write_bytes(network("uint8"))
    result = run_lpie("inspect", tmp_path / "int8.tflite", "--photos", tmp_path / "photos")
    assert_one_sentence(result, 2, "a file for float32 images")


def test_no_photos():
    with pytest.raises(InputError, match="At least one real photo"):
        peaks(TfliteModel.parse(network("float32")), [])
