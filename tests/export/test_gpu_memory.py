import json

import pytest

from lpie.export.delegates.gpu_memory import gpu_memory
from lpie.tflite.model import TfliteModel
from lpie.weights import pretrained_file
from tests.conftest import run_lpie
from tests.conversions import graph_of


def memory(function, *size):
    tf = pytest.importorskip("tensorflow")
    return gpu_memory(TfliteModel.parse(graph_of(lambda x: function(tf, x), shape=(1, *size))))


@pytest.mark.parametrize("channels", [1, 4, 5, 32])
def test_channels_are_kept_in_fours(channels):
    found = memory(lambda tf, x: tf.tanh(x), 8, 16, channels)
    assert found.largest_mb == pytest.approx(8 * 16 * -(-channels // 4) * 4 * 2 / 1e6)
    assert found.live_mb == pytest.approx(2 * found.largest_mb)
    assert found.tensors == 2


def test_a_texture_is_as_high_as_all_slices():
    """LPIENet's 32 channels at 4K: 531 MB, too high lying and turned; 16 fit either way."""
    wide = memory(lambda tf, x: tf.tanh(x), 2160, 3840, 32)
    assert wide.largest_mb == pytest.approx(530.8, abs=0.1)
    assert (wide.untextured, wide.untextured_turned) == (2, 2)
    assert (wide.beyond_opengl, wide.beyond_allocation) == (2, 0)
    narrow = memory(lambda tf, x: tf.tanh(x), 2160, 3840, 16)
    assert (narrow.untextured, narrow.untextured_turned) == (0, 0)
    assert memory(lambda tf, x: tf.tanh(x), 2160, 3840, 28).untextured_turned == 2
    assert memory(lambda tf, x: tf.tanh(x), 2160, 3840, 28).untextured == 0


def test_inspect_tells_what_turning_does():
    file = str(pretrained_file("denoise-s", ".tflite"))
    sizes = {
        size: run_lpie("inspect", file, "--size", size, "--json") for size in ("4k", "2160x3840")
    }
    lying, standing = (json.loads(r.stdout)["gpu_memory"] for r in sizes.values())
    assert lying["untextured"] == standing["untextured_turned"]
    assert lying["untextured_turned"] == standing["untextured"] > lying["untextured"]
    assert lying["largest_mb"] == standing["largest_mb"]
    text = run_lpie("inspect", file, "--size", "4k").stdout
    turned = f"({lying['untextured_turned']} with the image turned)"
    counts = f"; {lying['untextured']} of {lying['tensors']} tensors are slower buffers"
    assert f"{counts} {turned}" in text
