"""int8 kernels whose rounding errors cancel on real photos, instead of each rounded to the nearest
(GPTQ: Frantar et al., ICLR 2023, arXiv:2210.17323, after Optimal Brain Surgeon)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.models.graph.channel_scales import crop
from lpie.models.graph.rebuild import copied

DAMPING = 0.01  # of the mean square of the inputs: what keeps the inverse stable
# Enough for the moments of a few hundred inputs.
TILES, ROWS = 16, 4096
# What a pruned kernel has of zeros at least, and a clustered one of values at most.
SPARSE, MOST_CLUSTERS = 0.25, 256

Moments = tuple[NDArray[np.float64], NDArray[np.float64]]


def preround(model: keras.Model, tiles: Sequence[NDArray[np.float32]]) -> keras.Model:
    """A copy of `model` whose convolutions' kernels lie on the levels that the converter will find.

    Of [k, k, C, filters], each filter has levels of a 127th of its largest weight, which stays.
    What rounding one weight changes, the weights after it make up for, as far as the inputs on
    `tiles` ([H, W, 3] real photos) are alike; the bias takes what is left of the mean. In pruned or
    clustered kernels each weight goes to its nearest level, so that zeros and clusters stay.
    Depthwise and grouped kernels, and those of layers that run several times, stay as they are.
    """
    chosen = [layer for layer in model.layers if _is_whole(layer)]
    if not chosen:
        return model
    twin = copied(model)
    for layer, (moments, mean) in zip(chosen, _inputs(model, chosen, tiles), strict=True):
        exact = keras.ops.convert_to_numpy(layer.kernel)
        matrix = exact.reshape(-1, exact.shape[-1])
        compressed = is_compressed(exact)
        rounded = round_alone(matrix) if compressed else round_together(matrix, moments)
        same = twin.get_layer(layer.name)
        same.kernel.assign(rounded.reshape(exact.shape))
        if layer.use_bias:
            bias = keras.ops.convert_to_numpy(layer.bias)
            same.bias.assign(bias + mean @ (matrix - rounded))
    return twin


def round_together(kernel: NDArray[np.float32], moments: NDArray[np.float64]) -> NDArray:
    """[K, filters] on 255 levels for each filter; moments: the mean of x x^T of its inputs [K, K].

    The squared error of the output, weighted by `moments`, is far less than that of rounding to the
    nearest where inputs are correlated, as in photos they are.
    """
    largest, step = np.abs(kernel).argmax(axis=0), _step(kernel)
    order = np.argsort(-np.diag(moments), kind="stable")  # the strongest input first
    damping = DAMPING * max(np.diag(moments).mean(), 1e-12) * np.eye(len(kernel))
    inverse = np.linalg.inv((moments + damping)[np.ix_(order, order)])
    upper = np.linalg.cholesky(inverse).T
    left = kernel[order].astype(np.float64)
    levels = np.zeros_like(left)
    for i, k in enumerate(order):
        nearest = np.clip(np.rint(left[i] / step), -127, 127)
        levels[i] = np.where(largest == k, np.sign(kernel[k]) * 127, nearest)
        error = (left[i] - levels[i] * step) / upper[i, i]
        left[i + 1 :] -= np.outer(upper[i, i + 1 :], error)
    rounded = np.empty_like(kernel)
    rounded[order] = levels * step
    return rounded


def round_alone(kernel: NDArray[np.float32]) -> NDArray:
    """[K, filters] on the nearest of 255 levels for each filter."""
    step = _step(kernel)
    return np.rint(kernel / step) * step


def _step(kernel: NDArray[np.float32]) -> NDArray:
    return np.maximum(np.abs(kernel).max(axis=0) / 127, 1e-12)


def _is_whole(layer: Any) -> bool:
    """A convolution that runs once, in which every filter sees every channel."""
    return (
        type(layer) is keras.layers.Conv2D
        and layer.groups == 1
        and max(layer.dilation_rate) == 1
        and len(layer._inbound_nodes) == 1
    )


def is_compressed(kernel: NDArray[np.float32]) -> bool:
    """Whether the kernel is pruned or clustered: others have a value of its own for each weight."""
    return bool(
        np.mean(kernel == 0) >= SPARSE
        or len(np.unique(kernel)) <= min(MOST_CLUSTERS, kernel.size // 2)
    )


def _inputs(
    model: keras.Model, layers: Sequence[Any], tiles: Sequence[NDArray[np.float32]]
) -> list[Moments]:
    """(mean of x x^T, mean of x) of what each filter of `layers` sees on `tiles`."""
    feed = keras.Model(model.input, [layer.input for layer in layers])
    squares: list[Any] = [0.0 for _ in layers]
    sums: list[Any] = [0.0 for _ in layers]
    counts = [0 for _ in layers]
    for tile in tiles[:: max(len(tiles) // TILES, 1)]:
        seen = feed(crop(model, tile)[None], training=False)
        for i, (layer, x) in enumerate(zip(layers, seen, strict=True)):
            patches = keras.ops.image.extract_patches(
                x, layer.kernel_size, strides=layer.strides, padding=layer.padding
            )
            rows = keras.ops.convert_to_numpy(patches).reshape(-1, patches.shape[-1])
            rows = rows[:: max(len(rows) // ROWS, 1)]
            squares[i] += (rows.T @ rows).astype(np.float64)
            sums[i] += rows.sum(axis=0, dtype=np.float64)
            counts[i] += len(rows)
    return [(a / n, b / n) for a, b, n in zip(squares, sums, counts, strict=True)]
