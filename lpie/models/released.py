"""Weights as the original authors' files name and lay them out, into our models."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.errors import InputError


class Entry(NamedTuple):
    """One released array: its name there, our layer and weight, and the axes that turn it."""

    name: str
    layer: str
    weight: str
    axes: tuple[int, ...] | None


def load_released_weights(model: keras.Model, state: Mapping[str, NDArray]) -> None:
    """Put the arrays of `state` into `model`, or raise an `InputError` and leave it untouched.

    state: released names to arrays. For LPIENet's notebook these are Keras names in creation
    order (`conv2d/kernel`, `depthwise_conv2d_3/bias`, ...; a `:0` at the end and
    `depthwise_kernel` for `kernel` are understood); for its PyTorch file the names and layouts
    of the `state_dict`. The error names every missing, extra or mis-shaped entry.
    """
    names = {layer.name for layer in model.layers}
    if model.name != "lpienet" or "inverse_conv0" not in names:
        raise InputError(
            f"No released weights are known for this model ({model.name}). "
            "Known: lpienet in the variants keras and pytorch."
        )
    if any(re.match(r"_encoders\.|_decoders\.", key) for key in state):
        entries = list(_pytorch_entries(names))
    else:
        entries = list(_keras_entries(names))
        state = _canonical(state)
    _check(model, entries, state)
    for entry in entries:
        array = np.asarray(state[entry.name], np.float32)
        _variable(model, entry).assign(array if entry.axes is None else array.transpose(entry.axes))


# The order in which the notebook creates the convolutions of one stage.
_STAGE_CONVS = (
    "conv",
    *(f"block{b}_conv{i}" for b in (1, 2) for i in range(4)),
    *(f"attention_{part}" for part in ("spatial", "channel0", "channel1", "out")),
)
_TAIL_CONVS = (
    *(f"inverse_conv{i}" for i in range(3)),
    *(f"tail_conv{i}" for i in range(3)),
)
# PyTorch's O, I, H, W and (depthwise) C, 1, H, W to Keras' H, W, I, O and H, W, C, 1.
_DENSE_AXES, _DEPTHWISE_AXES = (2, 3, 1, 0), (2, 3, 0, 1)


def _stages(names: set[str]) -> list[str]:
    """Encoders, then decoders: the order of creation."""
    found = [n.removesuffix("_conv") for n in names if re.fullmatch(r"(en|de)coder\d+_conv", n)]
    return sorted(found, key=lambda n: (n.startswith("decoder"), int(re.sub(r"\D", "", n))))


def _keras_entries(names: set[str]) -> Iterator[Entry]:
    stages = _stages(names)
    convs = [f"{s}_{c}" for s in stages for c in _STAGE_CONVS] + list(_TAIL_CONVS)
    depthwise = [f"{s}_block{b}_depthwise" for s in stages for b in (1, 2)]
    depthwise.append("inverse_depthwise")
    for kind, layers in (("conv2d", convs), ("depthwise_conv2d", depthwise)):
        for i, layer in enumerate(layers):
            for weight in ("kernel", "bias"):
                yield Entry(
                    f"{kind}_{i}/{weight}" if i else f"{kind}/{weight}", layer, weight, None
                )


def _canonical(state: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """`state` under one spelling of each name; two spellings of one entry are refused."""
    clean: dict[str, NDArray] = {}
    for key, value in state.items():
        name = key.removesuffix(":0").replace("/depthwise_kernel", "/kernel")
        if name in clean:
            raise InputError(f"The released weights hold {name} twice (again as {key}).")
        clean[name] = value
    return clean


def _pytorch_entries(names: set[str]) -> Iterator[Entry]:
    for stage in _stages(names):
        side, index = stage[:7], stage[7:]
        root = f"_{side}s.{index}"
        yield from _pytorch_layer(f"{root}.0", f"{stage}_conv", _DENSE_AXES)
        for b in (1, 2):
            yield from _pytorch_block(f"{root}.{b}", f"{stage}_block{b}", 4)
        for theirs, ours in (
            ("spatial_attention_conv", "spatial"),
            ("channel_attention_conv0", "channel0"),
            ("channel_attention_conv1", "channel1"),
            ("out_conv", "out"),
        ):
            yield from _pytorch_layer(
                f"{root}.3._{theirs}", f"{stage}_attention_{ours}", _DENSE_AXES
            )
    yield from _pytorch_block("_inverse_bock", "inverse", 3)  # spelled so in the release
    for i in range(3):
        yield from _pytorch_layer(f"_attention_tail._conv{i}", f"tail_conv{i}", _DENSE_AXES)


def _pytorch_block(theirs: str, ours: str, convs: int) -> Iterator[Entry]:
    yield from _pytorch_layer(f"{theirs}._dw_conv", f"{ours}_depthwise", _DEPTHWISE_AXES)
    for i in range(convs):
        yield from _pytorch_layer(f"{theirs}._conv{i}", f"{ours}_conv{i}", _DENSE_AXES)


def _pytorch_layer(theirs: str, ours: str, axes: tuple[int, ...]) -> Iterator[Entry]:
    yield Entry(f"{theirs}.weight", ours, "kernel", axes)
    yield Entry(f"{theirs}.bias", ours, "bias", None)


def _variable(model: keras.Model, entry: Entry) -> keras.Variable:
    return getattr(model.get_layer(entry.layer), entry.weight)


def _untransposed(shape: tuple[int, ...], axes: tuple[int, ...] | None) -> tuple[int, ...]:
    return shape if axes is None else tuple(shape[axes.index(i)] for i in range(len(shape)))


def _check(model: keras.Model, entries: list[Entry], state: Mapping[str, NDArray]) -> None:
    wanted = {entry.name for entry in entries}
    problems = [f"{name} is missing" for name in sorted(wanted - state.keys())]
    problems += [f"{name} is not known" for name in sorted(state.keys() - wanted)]
    for entry in entries:
        if entry.name not in state:
            continue
        ours = tuple(_variable(model, entry).shape)
        theirs = np.shape(state[entry.name])
        expected = _untransposed(ours, entry.axes)
        if theirs != expected:
            problems.append(f"{entry.name} has shape {theirs} where {expected} is expected")
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise InputError(
            f"The released weights do not fit {model.name}: {'; '.join(problems[:5])}{more}."
        )
