"""Small networks from image to image, whose receptive field is known or is the whole image.

Their files lie in receptive_fields/, a small and a large one of each, as TensorFlow's converter
writes them; `python -m tests.receptive_fields` writes them anew.
"""

from pathlib import Path

import numpy as np

FOLDER = Path(__file__).with_name("receptive_fields")
SMALL, LARGE = 32, 72


def conv(tf, x, channels, size=3, *, stride=1, padding="SAME", dilation=1):
    kernel = weights(tf, size, size, x.shape[-1], channels)
    return tf.nn.conv2d(x, kernel, stride, padding, dilations=dilation)


def transposed(tf, x, size, stride):
    shape = (1, x.shape[1] * stride, x.shape[2] * stride, 3)
    return tf.nn.conv2d_transpose(x, weights(tf, size, size, 3, x.shape[-1]), shape, stride)


def weights(tf, *shape):
    return tf.constant(np.random.default_rng(shape).normal(0, 0.2, shape), tf.float32)


def larger(tf, x, factor=2, method="bilinear"):
    shape = tf.shape(x) if None in x.shape else x.shape
    return tf.image.resize(x, (shape[1] * factor, shape[2] * factor), method)


def pad(tf, x, before, behind, mode="CONSTANT"):
    return tf.pad(x, [[0, 0], [before, behind], [before, behind], [0, 0]], mode)


def windows(tf, x, side=4):
    """Attention within windows, as in SwinIR."""
    _, h, w, c = x.shape
    y = tf.reshape(x, (h // side, side, w // side, side, c))
    y = tf.reshape(tf.transpose(y, (0, 2, 1, 3, 4)), (-1, side * side, c))
    scores = tf.matmul(y, y, transpose_b=True) + weights(tf, side * side, side * side)
    y = tf.matmul(tf.nn.softmax(scores), y)
    y = tf.reshape(y, (h // side, w // side, side, side, c))
    return tf.reshape(tf.transpose(y, (0, 2, 1, 3, 4)), (1, h, w, c))


def shuffled(tf, x, factor=2):
    """Depth to space by reshapes, as converters from PyTorch write it."""
    _, h, w, c = x.shape
    y = tf.reshape(x, (1, h, w, factor, factor, c // factor**2))
    y = tf.transpose(y, (0, 1, 3, 2, 4, 5))
    return tf.reshape(y, (1, h * factor, w * factor, c // factor**2))


def focus(tf, x):
    parts = [x[:, ::2, ::2], x[:, 1::2, ::2], x[:, ::2, 1::2], x[:, 1::2, 1::2]]
    return tf.nn.depth_to_space(conv(tf, tf.concat(parts, -1), 12), 2)


def u_net(tf, x):
    half = conv(tf, x, 4, stride=2)
    low = larger(tf, conv(tf, half, 4, stride=2), 2, "nearest")
    return conv(tf, tf.concat([conv(tf, x, 3), larger(tf, conv(tf, low, 4))], -1), 3)


def by_batch(tf, x):
    """A dilated convolution as old converters write it."""
    x = tf.space_to_batch(x, [2, 2], [[2, 2], [2, 2]])
    return tf.batch_to_space(conv(tf, x, 3, padding="VALID"), [2, 2], [[0, 0], [0, 0]])


def column(tf, x):
    return tf.reshape(tf.range(float(x.shape[1])) / 99, (1, -1, 1, 1))


def channel_attention(tf, x):
    flat = tf.reshape(x, (-1, 3))
    scores = tf.nn.softmax(tf.matmul(flat, flat, transpose_a=True))
    return tf.reshape(tf.matmul(flat, scores), x.shape)


# {name: (function of (tensorflow, image), (scale, multiple, halo in px))}
LOCAL = {
    "conv": (lambda tf, x: conv(tf, x, 3), (1, 1, 1)),
    "two convs": (lambda tf, x: conv(tf, tf.nn.relu(conv(tf, x, 4, 5)), 3), (1, 1, 3)),
    "even kernel": (lambda tf, x: conv(tf, x, 3, 4), (1, 1, 2)),
    "dilated": (lambda tf, x: conv(tf, x, 3, dilation=3), (1, 1, 3)),
    "dilated by batch": (by_batch, (1, 1, 2)),
    "reflect": (
        lambda tf, x: conv(tf, pad(tf, x, 2, 2, "REFLECT"), 3, 5, padding="VALID"),
        (1, 1, 2),
    ),
    "symmetric": (
        lambda tf, x: conv(tf, pad(tf, x, 1, 1, "SYMMETRIC"), 3, padding="VALID"),
        (1, 1, 1),
    ),
    "shift": (lambda tf, x: conv(tf, pad(tf, x, 4, 0)[:, :-4, :-4], 3), (1, 1, 5)),
    "shift back": (lambda tf, x: conv(tf, pad(tf, x, 0, 4)[:, 4:, 4:], 3), (1, 1, 5)),
    "u-net": (u_net, (1, 4, 12)),
    "transposed 4": (
        lambda tf, x: transposed(tf, conv(tf, x, 4, 4, stride=2), 4, 2),
        (1, 2, 4),
    ),
    "transposed 5": (
        lambda tf, x: transposed(tf, conv(tf, x, 4, 5, stride=2), 5, 2),
        (1, 2, 4),
    ),
    "pools": (
        lambda tf, x: larger(
            tf, tf.nn.max_pool2d(tf.nn.avg_pool2d(x, 3, 1, "SAME"), 2, 2, "VALID")
        ),
        (1, 2, 4),
    ),
    "smaller": (
        lambda tf, x: larger(tf, tf.image.resize(x, (x.shape[1] // 4, x.shape[2] // 4)), 4),
        (1, 4, 4),
    ),
    "space to depth": (
        lambda tf, x: tf.nn.depth_to_space(conv(tf, tf.nn.space_to_depth(x, 4), 48, 1), 4),
        (1, 4, 4),
    ),
    "focus": (focus, (1, 2, 4)),
    "periodic branch": (
        lambda tf, x: conv(tf, x, 3, 7) + larger(tf, conv(tf, x, 3, 1, stride=4), 4, "nearest"),
        (1, 4, 4),
    ),
    "windows": (lambda tf, x: x + windows(tf, conv(tf, x, 3)), (1, 4, 4)),
    "depthwise": (
        lambda tf, x: tf.nn.depthwise_conv2d(x, weights(tf, 5, 5, 3, 1), [1] * 4, "SAME"),
        (1, 1, 2),
    ),
    "stacked": (
        lambda tf, x: tf.reshape(
            tf.stack([conv(tf, x, 3), x], 2), (1, 2 * x.shape[1], x.shape[2], 3)
        )[:, ::2],
        (1, 1, 1),
    ),
    "x2": (lambda tf, x: tf.nn.depth_to_space(conv(tf, conv(tf, x, 4), 12), 2), (2, 1, 2)),
    "x2 repeated": (
        lambda tf, x: conv(tf, tf.repeat(tf.repeat(x, 2, 1), 2, 2), 3),
        (2, 1, 1),
    ),
    "x2 reshaped": (lambda tf, x: shuffled(tf, conv(tf, x, 12)), (2, 1, 1)),
    "x2 transposed": (lambda tf, x: transposed(tf, conv(tf, x, 4), 4, 2), (2, 1, 2)),
    "x2 windows": (lambda tf, x: shuffled(tf, windows(tf, conv(tf, x, 12))), (2, 4, 4)),
    "x3": (
        lambda tf, x: larger(tf, x, 3) + tf.nn.depth_to_space(conv(tf, x, 27), 3),
        (3, 1, 1),
    ),
    "x4": (
        lambda tf, x: tf.nn.depth_to_space(tf.nn.depth_to_space(conv(tf, x, 48), 2), 2),
        (4, 1, 1),
    ),
}
# {name: (function, what the reason names)}
WHOLE = {
    "mean": (lambda tf, x: x * tf.reduce_mean(x, [1, 2], keepdims=True), "MEAN .* whole image"),
    "mean of rows": (lambda tf, x: x * tf.reduce_mean(x, 1, keepdims=True), "MEAN .* whole"),
    "inner mean": (lambda tf, x: x * tf.reduce_mean(x[:, 4:-4], 1, keepdims=True), "MUL"),
    "channel attention": (channel_attention, "BATCH_MATMUL .* whole image|FULLY_CONNECTED"),
    "aligned corners": (
        lambda tf, x: tf.compat.v1.image.resize_bilinear(
            conv(tf, x, 3, stride=2), x.shape[1:3], align_corners=True
        ),
        "RESIZE_BILINEAR .* whole image",
    ),
    "place": (lambda tf, x: x + column(tf, x), "ADD .* differ from place to place"),
    "coordinates": (
        lambda tf, x: conv(
            tf, tf.concat([x, tf.broadcast_to(column(tf, x), (*x.shape[:3], 1))], -1), 3
        ),
        "CONCATENATION .* differ from place to place",
    ),
    "flip": (lambda tf, x: x + x[:, ::-1], "looks further than its 32x32 px"),
    "roll": (lambda tf, x: x + tf.roll(x, 3, 1), "29 px far"),
    "halves": (
        lambda tf, x: tf.concat([x[:, : x.shape[1] // 2] * 2, x[:, x.shape[1] // 2 :]], 1),
        "16 px far",
    ),
    "running sum": (lambda tf, x: tf.cumsum(x, 1), "CUMSUM .* whole image"),
    "one row": (lambda tf, x: x + x[:, 4:5], "depends on the image's size"),
}
# Of any size: {name: (function, (scale, multiple, halo in px))}
OPEN = {
    "open": (lambda tf, x: x + conv(tf, tf.nn.relu(conv(tf, x, 4)), 3), (1, 1, 2)),
    "open u-net": (
        lambda tf, x: x + larger(tf, conv(tf, x, 3, stride=2)),
        (1, 2, 4),
    ),
    "open x2": (lambda tf, x: tf.nn.depth_to_space(conv(tf, x, 12), 2), (2, 1, 1)),
    "open gated u-net": (
        lambda tf, x: (
            x + larger(tf, conv(tf, x * tf.reduce_mean(x, [1, 2], keepdims=True), 3, stride=2))
        ),
        (1, 2, None),
    ),
    "open mean": (
        lambda tf, x: x * tf.reduce_mean(x, [1, 2], keepdims=True),
        (1, 1, None),
    ),
}


def path_of(name, side=SMALL):
    return FOLDER / f"{name.replace(' ', '-')}-{side}.tflite"


def main():
    import tensorflow as tf

    FOLDER.mkdir(exist_ok=True)
    for file in FOLDER.iterdir():
        file.unlink()
    functions = {name: (f, (SMALL, LARGE)) for name, (f, _) in LOCAL.items()}
    functions |= {name: (f, (SMALL,)) for name, (f, _) in WHOLE.items()}
    functions |= {name: (f, (None,)) for name, (f, _) in OPEN.items()}
    for name, (function, sides) in functions.items():
        for side in sides:
            image = tf.TensorSpec((1, side, side, 3), tf.float32)
            traced = tf.function(lambda x, f=function: f(tf, x), autograph=False)
            concrete = traced.get_concrete_function(image)
            converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
            path_of(name, side or SMALL).write_bytes(converter.convert())


if __name__ == "__main__":
    main()
