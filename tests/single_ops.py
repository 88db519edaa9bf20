"""Small graphs of one op or a few, each (tensorflow, [1, 8, 8, 8]) to a tensor.

Their files lie in ops/, as TensorFlow's converter writes them; `python -m tests.single_ops` writes
them anew.
"""

import re
from pathlib import Path

FOLDER = Path(__file__).with_name("ops")


def double(tf, x):
    return tf.image.resize(x, (16, 16))


def mirror(tf, x, mode="REFLECT"):
    return tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], mode)


def concat(tf, x, n=5):
    return tf.concat([tf.tanh(x * i) for i in range(1, n + 1)], 3)


def channel_mean(tf, x):
    return tf.reduce_mean(x, 3, keepdims=True)


def spatial_mean(tf, x):
    return tf.reduce_mean(x, [1, 2], keepdims=True)


def kernel(tf, inputs=8, outputs=8):
    return tf.reshape(tf.cos(tf.range(9.0 * inputs * outputs)), (3, 3, inputs, outputs))


def split(tf, x, axis):
    first, second = tf.split(x, 2, axis)
    return tf.tanh(first) * second


SINGLE_OPS = {
    "relu": lambda tf, x: tf.nn.relu(x),
    "elu": lambda tf, x: tf.nn.elu(x),
    "leaky": lambda tf, x: tf.nn.leaky_relu(x),
    "gelu": lambda tf, x: tf.nn.gelu(x),
    "softmax": lambda tf, x: tf.nn.softmax(x),
    "maximum": lambda tf, x: tf.maximum(x, tf.tanh(x)),
    "channel mean": channel_mean,
    "spatial mean": lambda tf, x: tf.reduce_mean(x, [1, 2]),
    "channel max": lambda tf, x: tf.reduce_max(x, 3, keepdims=True),
    "bilinear": double,
    "nearest": lambda tf, x: tf.image.resize(x, (16, 16), method="nearest"),
    "mirror pad": mirror,
    "pad": lambda tf, x: mirror(tf, x, "CONSTANT"),
    "depth to space": lambda tf, x: tf.nn.depth_to_space(x, 2),
    "average pool": lambda tf, x: tf.nn.avg_pool2d(x, 2, 2, "VALID"),
    "strided slice": lambda tf, x: x[:, ::2, ::2],
    "slice": lambda tf, x: x[:, 1:-1, 1:-1],
    "concat of 5": concat,
    "concat of 6": lambda tf, x: concat(tf, x, 6),
    "two pieces": lambda tf, x: tf.tanh(mirror(tf, tf.tanh(x))),
}
MORE_OPS = {
    "conv": lambda tf, x: tf.nn.conv2d(x, kernel(tf), 1, "SAME"),
    "conv dilated": lambda tf, x: tf.nn.conv2d(x, kernel(tf), 1, "SAME", dilations=2),
    "conv grouped": lambda tf, x: tf.nn.conv2d(x, kernel(tf, 4), 1, "SAME"),
    "depthwise": lambda tf, x: tf.nn.depthwise_conv2d(x, kernel(tf, 8, 1), [1] * 4, "SAME"),
    "depthwise x2": lambda tf, x: tf.nn.depthwise_conv2d(x, kernel(tf, 8, 2), [1] * 4, "SAME"),
    "transpose conv": lambda tf, x: tf.nn.conv2d_transpose(x, kernel(tf, 4), (1, 16, 16, 4), 2),
    "rows": lambda tf, x: tf.matmul(tf.reshape(x, (-1, 8)), tf.ones((8, 8))),
    "one row": lambda tf, x: tf.matmul(tf.reduce_mean(x, [1, 2]), tf.ones((8, 8))),
    "matmul": lambda tf, x: tf.linalg.matmul(x, tf.tanh(x), transpose_b=True),
    "matmul by itself": lambda tf, x: tf.linalg.matmul(x, x, transpose_b=True),
    "matmul by a constant": lambda tf, x: tf.linalg.matmul(x, tf.ones((8, 8))),
    "sum": lambda tf, x: x + tf.tanh(x),
    "sum with itself": lambda tf, x: tf.tanh(x) + tf.tanh(x),
    "sum with a vector": lambda tf, x: x + tf.range(8.0),
    "sum, both broadcast": lambda tf, x: channel_mean(tf, x) + spatial_mean(tf, x),
    "sum of three": lambda tf, x: tf.raw_ops.AddN(inputs=[x, tf.tanh(x), tf.exp(x)]),
    "product": lambda tf, x: x * tf.tanh(x),
    "product with itself": lambda tf, x: x * x,
    "product by a mask": lambda tf, x: x * channel_mean(tf, x),
    "mask by a product": lambda tf, x: channel_mean(tf, x) * x,
    "product by a gate": lambda tf, x: x * spatial_mean(tf, x),
    "product, both broadcast": lambda tf, x: channel_mean(tf, x) * spatial_mean(tf, x),
    "difference": lambda tf, x: x - tf.tanh(x),
    "difference with itself": lambda tf, x: tf.tanh(x) - tf.tanh(x),
    "quotient": lambda tf, x: x / tf.exp(x),
    "minimum": lambda tf, x: tf.minimum(x, tf.tanh(x)),
    "maximum of itself": lambda tf, x: tf.maximum(x, x),
    "power": lambda tf, x: tf.pow(x, 2.5),
    "squared difference": lambda tf, x: tf.math.squared_difference(x, tf.tanh(x)),
    "floor of a quotient": lambda tf, x: tf.math.floordiv(x, 0.3),
    "remainder": lambda tf, x: tf.math.floormod(x, 0.3),
    "mean, three dimensions": lambda tf, x: tf.reduce_mean(x, 3),
    "mean of rows": lambda tf, x: tf.reduce_mean(x, 1, keepdims=True),
    "sum of channels": lambda tf, x: tf.reduce_sum(x, 3, keepdims=True),
    "least channel": lambda tf, x: tf.reduce_min(x, 3, keepdims=True),
    "product of channels": lambda tf, x: tf.reduce_prod(x, 3, keepdims=True),
    "max pool": lambda tf, x: tf.nn.max_pool2d(x, 2, 2, "VALID"),
    "half size": lambda tf, x: tf.image.resize(x, (4, 4)),
    "corners aligned": lambda tf, x: tf.compat.v1.image.resize_bilinear(
        x, (16, 16), align_corners=True
    ),
    "space to depth": lambda tf, x: tf.nn.space_to_depth(x, 2),
    "relu6": lambda tf, x: tf.nn.relu6(x),
    "hard swish": lambda tf, x: x * tf.nn.relu6(x + 3) / 6,
    "prelu": lambda tf, x: tf.nn.relu(x) + tf.constant([0.1] * 8) * -tf.nn.relu(-x),
    "sigmoid": lambda tf, x: tf.sigmoid(x),
    "tanh": lambda tf, x: tf.tanh(x),
    "exp": lambda tf, x: tf.exp(x),
    "sqrt": lambda tf, x: tf.sqrt(x),
    "rsqrt": lambda tf, x: tf.math.rsqrt(x + 1),
    "abs": lambda tf, x: tf.abs(x),
    "neg": lambda tf, x: -x,
    "log": lambda tf, x: tf.math.log(x + 1),
    "square": lambda tf, x: tf.square(x),
    "floor": lambda tf, x: tf.floor(x),
    "ceil": lambda tf, x: tf.math.ceil(x),
    "round": lambda tf, x: tf.round(x),
    "cos": lambda tf, x: tf.cos(x),
    "sin": lambda tf, x: tf.sin(x),
    "sign": lambda tf, x: tf.sign(x),
    "log softmax": lambda tf, x: tf.nn.log_softmax(x),
    "unit vectors": lambda tf, x: tf.math.l2_normalize(x, 3),
    "symmetric pad": lambda tf, x: mirror(tf, x, "SYMMETRIC"),
    "pad channels": lambda tf, x: tf.pad(x, [[0, 0], [0, 0], [0, 0], [0, 8]]),
    "pad with ones": lambda tf, x: tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=1.0),
    "reshape": lambda tf, x: tf.reshape(x, (1, 4, 16, 8)),
    "five dimensions": lambda tf, x: tf.expand_dims(x, 1),
    "transpose": lambda tf, x: tf.transpose(x, (0, 2, 1, 3)),
    "split of channels": lambda tf, x: split(tf, x, 3),
    "split of rows": lambda tf, x: split(tf, x, 1),
    "reverse": lambda tf, x: tf.reverse(x, [1]),
    "slice backwards": lambda tf, x: x[:, ::-1],
    "tile": lambda tf, x: tf.tile(x, (1, 2, 2, 1)),
    "running sum": lambda tf, x: tf.cumsum(x, 1),
    "gather": lambda tf, x: tf.gather(x, [0, 2, 1], axis=3),
    "space to batch": lambda tf, x: tf.space_to_batch(x, [2, 2], [[0, 0], [0, 0]]),
    "largest channel": lambda tf, x: tf.cast(tf.argmax(x, 3), tf.float32),
    "choice": lambda tf, x: tf.where(x > 0.5, x, -x),
    "threshold": lambda tf, x: tf.cast(x < 0.5, tf.float32) * x,
    "rows apart": lambda tf, x: tf.stack(tf.unstack(x, axis=1)[::-1], 1),
}
ALL_OPS = {**SINGLE_OPS, **MORE_OPS}
# Every recipe that a test takes of them.
FILES = [
    *((name, recipe) for name in ALL_OPS for recipe in ("float32", "int8")),
    *((name, "uint8") for name in SINGLE_OPS),
]


def op_file(name, recipe="float32"):
    """Where the .tflite of an op lies."""
    return FOLDER / f"{re.sub('[^a-z0-9]+', '-', name)}-{recipe}.tflite"


def op_data(name, recipe="float32"):
    """The bytes of the .tflite of an op."""
    return op_file(name, recipe).read_bytes()


def converted(name, recipe):
    """The same bytes, written anew by TensorFlow's converter."""
    import tensorflow as tf

    from tests.conversions import graph_of

    return graph_of(lambda x: ALL_OPS[name](tf, x), recipe)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for op in FILES:
        op_file(*op).write_bytes(converted(*op))
