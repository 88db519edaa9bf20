"""Puts weights, named and laid out as in the original authors' files, into our models."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.errors import InputError
from lpie.models.do_conv import DOConv2D
from lpie.models.layers import ChannelScale, PixelShuffle
from lpie.models.mirnet import SHARED_SLOPE, blur_kernel
from lpie.models.nafftnet import ReleasedAttention


class Layout(NamedTuple):
    """How the released array lies beside ours: its shape for ours, and the array turned to ours."""

    shape: Callable[[tuple[int, ...]], tuple[int, ...]]
    turn: Callable[[NDArray], NDArray]


def _permuted(*axes: int) -> Layout:
    return Layout(
        lambda ours: tuple(ours[axes.index(i)] for i in range(len(ours))),
        lambda theirs: theirs.transpose(axes),
    )


def _shuffled(theirs: NDArray) -> NDArray:
    """The kernel before a pixel shuffle by two, whose channels PyTorch counts as c * 4 + q."""
    o, i, kh, kw = theirs.shape
    return theirs.reshape(o // 4, 4, i, kh, kw).swapaxes(0, 1).reshape(o, i, kh, kw)


SAME = Layout(lambda ours: ours, lambda theirs: theirs)
# PyTorch's O, I, H, W and (depthwise) C, 1, H, W to Keras' H, W, I, O and H, W, C, 1.
DENSE, DEPTHWISE = _permuted(2, 3, 1, 0), _permuted(2, 3, 0, 1)
SHUFFLED = Layout(DENSE.shape, lambda theirs: DENSE.turn(_shuffled(theirs)))
TAPS = _permuted(2, 1, 0)
SLOPE = Layout(lambda ours: (1,), lambda theirs: theirs.reshape(1, 1, 1))
CHANNELS = Layout(lambda ours: (1, *ours, 1, 1), lambda theirs: theirs.reshape(-1))


class Entry(NamedTuple):
    """One released array: its name there, our layer and weight, and how it lies."""

    name: str
    layer: str
    weight: str
    layout: Layout


def load_released_weights(model: keras.Model, state: Mapping[str, NDArray]) -> None:
    """Set the weights of a network to those that its authors released.

    Args:
        model: A network of `build_model`: `lpienet` in its variants `keras` and `pytorch`,
            `nafnet`, `nafftnet` or `mirnet`, with the hyperparameters of the release.
        state: The released arrays by name. For LPIENet's notebook these are Keras names in
            creation order (`conv2d/kernel`, `depthwise_conv2d_3/bias`, ...; a `:0` at the end and
            `depthwise_kernel` for `kernel` are understood); for its PyTorch file and for all other
            networks, the names and layouts of the PyTorch `state_dict`.

    Raises:
        InputError: An array is missing, unknown or of another shape; the message names the first
            five, and `model` is left as it was. Or no release of such a network is known.
    """
    names = {layer.name for layer in model.layers}
    if model.name == "mirnet":
        state = _without_copies(state)
    if model.name in _TORCH_NETWORKS:
        entries = list(_torch_entries(model))
    elif model.name != "lpienet" or "inverse_conv0" not in names:
        raise InputError(
            f"No released weights are known for this model ({model.name}). Known: lpienet in the "
            f"variants keras and pytorch, {', '.join(_TORCH_NETWORKS)}."
        )
    elif any(re.match(r"_encoders\.|_decoders\.", key) for key in state):
        entries = list(_pytorch_entries(names))
    else:
        entries = list(_keras_entries(names))
        state = _canonical(state)
    _check(model, entries, state)
    for entry in entries:
        array = np.asarray(state[entry.name], np.float32)
        _variable(model, entry).assign(entry.layout.turn(array))


def released_names(model: keras.Model) -> list[set[str]]:
    """The names of all released arrays of `model`, in each form in which they were released."""
    names = {layer.name for layer in model.layers}
    if model.name in _TORCH_NETWORKS:
        return [{entry.name for entry in _torch_entries(model)}]
    if model.name != "lpienet" or "inverse_conv0" not in names:
        return []
    keras_names = {entry.name for entry in _keras_entries(names)}
    return [
        {entry.name for entry in _pytorch_entries(names)},
        keras_names,
        {f"{name}:0" for name in keras_names},
    ]


# Those whose layers carry the names of the released modules.
_TORCH_NETWORKS = ("nafnet", "nafftnet", "mirnet")


def _without_copies(state: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """MIRNet's `state` with one name for each shared array and without its fixed filters."""
    clean: dict[str, NDArray] = {}
    for key, array in state.items():
        if key.endswith(".filt"):
            if not np.allclose(array, blur_kernel(), atol=1e-6):
                raise InputError(
                    f"{key} is not the filter [1, 2, 1] that MIRNet samples down with."
                )
            continue
        name = re.sub(r"\.blocks\.(\d+)\.\d+\.", r".blocks.\1.0.", key)
        if re.search(r"\.blocks\.\d+\.0\.body\.1\.weight$", name):
            name = f"{SHARED_SLOPE}.weight"
        if name in clean and not np.array_equal(clean[name], array):
            raise InputError(f"{key} and {name} are one array in MIRNet, and differ here.")
        clean[name] = array
    return clean


def _torch_entries(model: keras.Model) -> Iterator[Entry]:
    shuffled = {
        layer.input._keras_history.operation.name
        for layer in model.layers
        if isinstance(layer, PixelShuffle)
    }
    for layer in model.layers:
        name = layer.name
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            yield from _pytorch_layer(name, name, DEPTHWISE)
        elif isinstance(layer, keras.layers.Conv2DTranspose):
            yield Entry(f"{name}.weight", name, "kernel", DENSE)
        elif isinstance(layer, keras.layers.PReLU):
            yield Entry(f"{name}.weight", name, "alpha", SLOPE)
        elif isinstance(layer, keras.layers.Conv2D):
            layout = SHUFFLED if name in shuffled else DENSE
            yield Entry(f"{name}.weight", name, "kernel", layout)
            if layer.use_bias:
                yield Entry(f"{name}.bias", name, "bias", SAME)
        elif isinstance(layer, keras.layers.LayerNormalization):
            yield Entry(f"{name}.weight", name, "gamma", SAME)
            yield Entry(f"{name}.bias", name, "beta", SAME)
        elif isinstance(layer, ChannelScale):
            yield Entry(name, name, "scale", CHANNELS)
        elif isinstance(layer, DOConv2D):
            names = {"w": "W", "d": "D", "d_identity": "D_diag", "bias": "bias"}
            for weight, theirs in names.items():
                if hasattr(layer, weight):
                    yield Entry(f"{name}.{theirs}", name, weight, SAME)
        elif isinstance(layer, ReleasedAttention):
            unused = f"{name.removesuffix('2')}.1"
            yield Entry(f"{name}.weight", name, "kernel", TAPS)
            yield Entry(f"{unused}.weight", name, "unused_kernel", DENSE)
            yield Entry(f"{unused}.bias", name, "unused_bias", SAME)


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


def _stages(names: set[str]) -> list[str]:
    """Encoders, then decoders: the order of creation."""
    stages = [n.removesuffix("_conv") for n in names if re.fullmatch(r"(en|de)coder\d+_conv", n)]
    return sorted(stages, key=lambda n: (n.startswith("decoder"), int(re.sub(r"\D", "", n))))


def _keras_entries(names: set[str]) -> Iterator[Entry]:
    stages = _stages(names)
    convs = [f"{s}_{c}" for s in stages for c in _STAGE_CONVS] + list(_TAIL_CONVS)
    depthwise = [f"{s}_block{b}_depthwise" for s in stages for b in (1, 2)]
    depthwise.append("inverse_depthwise")
    for kind, layers in (("conv2d", convs), ("depthwise_conv2d", depthwise)):
        for i, layer in enumerate(layers):
            for weight in ("kernel", "bias"):
                yield Entry(
                    f"{kind}_{i}/{weight}" if i else f"{kind}/{weight}", layer, weight, SAME
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
        yield from _pytorch_layer(f"{root}.0", f"{stage}_conv", DENSE)
        for b in (1, 2):
            yield from _pytorch_block(f"{root}.{b}", f"{stage}_block{b}", 4)
        for theirs, ours in (
            ("spatial_attention_conv", "spatial"),
            ("channel_attention_conv0", "channel0"),
            ("channel_attention_conv1", "channel1"),
            ("out_conv", "out"),
        ):
            yield from _pytorch_layer(f"{root}.3._{theirs}", f"{stage}_attention_{ours}", DENSE)
    yield from _pytorch_block("_inverse_bock", "inverse", 3)  # spelled so in the release
    for i in range(3):
        yield from _pytorch_layer(f"_attention_tail._conv{i}", f"tail_conv{i}", DENSE)


def _pytorch_block(theirs: str, ours: str, convs: int) -> Iterator[Entry]:
    yield from _pytorch_layer(f"{theirs}._dw_conv", f"{ours}_depthwise", DEPTHWISE)
    for i in range(convs):
        yield from _pytorch_layer(f"{theirs}._conv{i}", f"{ours}_conv{i}", DENSE)


def _pytorch_layer(theirs: str, ours: str, layout: Layout) -> Iterator[Entry]:
    yield Entry(f"{theirs}.weight", ours, "kernel", layout)
    yield Entry(f"{theirs}.bias", ours, "bias", SAME)


def _variable(model: keras.Model, entry: Entry) -> keras.Variable:
    return getattr(model.get_layer(entry.layer), entry.weight)


def _check(model: keras.Model, entries: list[Entry], state: Mapping[str, NDArray]) -> None:
    wanted = {entry.name for entry in entries}
    problems = [f"{name} is missing" for name in sorted(wanted - state.keys())]
    problems += [f"{name} is not known" for name in sorted(state.keys() - wanted)]
    for entry in entries:
        if entry.name not in state:
            continue
        ours = tuple(_variable(model, entry).shape)
        theirs = np.shape(state[entry.name])
        expected = entry.layout.shape(ours)
        if theirs != expected:
            problems.append(f"{entry.name} has shape {theirs} where {expected} is expected")
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise InputError(
            f"The released weights do not fit {model.name}: {'; '.join(problems[:5])}{more}."
        )
