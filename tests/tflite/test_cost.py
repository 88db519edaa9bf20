import subprocess
import sys

import pytest

import lpie
from lpie.size import Size
from lpie.tflite.cost import graph_cost, xnnpack_peak_mb
from lpie.tflite.model import TfliteModel
from tests.conversions import convert_keras, graph_of, network


def cost(data):
    return graph_cost(TfliteModel.parse(data))


@pytest.mark.parametrize("recipe", ["float32", "float16", "int8"])
def test_parameters_are_those_of_keras(recipe):
    net = lpie.build_model("lpienet", encoder_widths=(8, 12, 16), decoder_widths=(12, 8))
    assert cost(network(recipe)).parameters == net.count_params()


def test_macs_by_hand():
    tf = pytest.importorskip("tensorflow")
    conv = cost(graph_of(lambda x: tf.nn.conv2d(x, tf.ones((3, 3, 8, 4)), 1, "SAME")))
    assert conv.macs == 8 * 8 * 4 * 9 * 8
    assert conv.parameters == 9 * 8 * 4 + 4  # The converter adds a bias.
    depthwise = cost(
        graph_of(lambda x: tf.nn.depthwise_conv2d(x, tf.ones((3, 3, 8, 1)), [1, 1, 1, 1], "SAME"))
    )
    assert depthwise.macs == 8 * 8 * 8 * 9
    strided = cost(graph_of(lambda x: tf.nn.conv2d(x, tf.ones((3, 3, 8, 4)), 2, "SAME")))
    assert strided.macs == conv.macs / 4


def test_transpose_conv_macs_by_hand():
    tf = pytest.importorskip("tensorflow")
    up = cost(
        graph_of(lambda x: tf.nn.conv2d_transpose(x, tf.ones((2, 2, 4, 8)), (1, 16, 16, 4), 2))
    )
    assert up.macs == 8 * 8 * 8 * 2 * 2 * 4


def test_shapes_and_axes_are_no_parameters():
    tf = pytest.importorskip("tensorflow")
    assert cost(graph_of(lambda x: tf.reduce_mean(tf.image.resize(x, (16, 16)), 3))).parameters == 0


def test_live_tensors_by_hand():
    tf = pytest.importorskip("tensorflow")
    # Input and output stay (2 x 2048 B); two tanh results live between them.
    data = graph_of(lambda x: tf.sin(tf.tanh(tf.sin(x))))
    assert cost(data).activation_mb == pytest.approx(4 * 2048 / 1e6)


def test_macs_scale_with_the_image_and_weights_do_not():
    model = TfliteModel.parse(network("float32"))
    small, large = graph_cost(model), graph_cost(model.resized(Size(64, 96)))
    assert large.macs == small.macs * 6
    assert large.parameters == small.parameters
    assert large.activation_mb == pytest.approx(small.activation_mb * 6)
    assert large.op_counts["ELU"] == 21


def test_op_counts_are_sorted():
    counts = list(cost(network("float32")).op_counts.items())
    assert counts == sorted(counts, key=lambda item: (-item[1], item[0]))


# LPIENet [16,32,64]/[32,16], peak MB measured 2026-11-21: see `xnnpack_peak_mb`.
@pytest.mark.parametrize(("height", "measured_mb"), [(1080, 2936), (2160, 11596)])
def test_peak_of_lpienet_is_within_a_tenth_of_the_measured(height, measured_mb, lpienet_full):
    model = TfliteModel.parse(lpienet_full).resized(Size(height, height * 16 // 9))
    assert xnnpack_peak_mb(model) == pytest.approx(measured_mb, rel=0.1)


@pytest.fixture(scope="session")
def lpienet_full():
    keras = pytest.importorskip("keras")
    image = keras.Input((32, 32, 3), batch_size=1)
    return convert_keras(keras.Model(image, lpie.build_model("lpienet")(image)), "float32")


RUN = """
import sys
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(model_path=sys.argv[1], num_threads=2)
interpreter.allocate_tensors()
interpreter.invoke()
line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(int(line.split()[1]) * 1024 / 1e6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status")
@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_peak_is_within_15_percent_of_a_real_run(tmp_path, recipe):
    model, path = TfliteModel.parse(network(recipe)).resized(Size(512, 768)), tmp_path / "a.tflite"
    path.write_bytes(model.to_bytes())
    run = subprocess.run(
        [sys.executable, "-c", RUN, str(path)], capture_output=True, text=True, check=True
    )
    assert xnnpack_peak_mb(model) == pytest.approx(float(run.stdout), rel=0.15)
