"""A Keras network to a `.tflite` of a fixed size, checked before it is written."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.errors import InputError, LpieError
from lpie.export.calibration import calibration_tiles, paired_tiles
from lpie.export.calibration_photos import pairs_for
from lpie.export.int8.diagnosis import least_exact
from lpie.export.int8.elu import fold_elu
from lpie.export.int8.equalization import equalize
from lpie.export.int8.gptq import preround
from lpie.export.int8.io_types import check_io, set_ends
from lpie.export.int8.mixed import MAX_DROP_DB, Mix, check_max_drop, mix
from lpie.export.int8.ranges import narrow
from lpie.export.recipes import find_recipe
from lpie.export.rewrites.padding import pads_ends_alone, pads_to, without_padding
from lpie.export.rewrites.targets import chosen_passes, rewritten
from lpie.export.tensorflow_converter import convert, make_converter
from lpie.export.verification.parity import Verification, small, verify
from lpie.export.write import check_target, refuse_foreign_ops, versions, write
from lpie.models.do_conv import fold
from lpie.models.graph.analysis import analyse
from lpie.restore.keras_network import forward
from lpie.system.files import sha256
from lpie.tflite import model as flatbuffer
from lpie.tflite.model import type_name
from lpie.tflite.resize import resize
from lpie.tflite.signatures import add_size, of_size, sizes
from lpie.tflite.spec import ModelSpec, parse_size

# Converted and calibrated at this size whatever the final one, so that a 4K export takes no more
# memory than a small one; then the graph is resized (exact, see `lpie.tflite.resize.resize`).
TILE_PX = 256


def export_tflite(
    model: keras.Model,
    path: Path | str,
    *,
    recipe: str = "float32",
    size: str | tuple[int, int] = "fhd",
    more_sizes: Sequence[str | tuple[int, int]] = (),
    io: str | None = None,
    photos: Sequence[NDArray[np.uint8]] | None = None,
    targets: Sequence[NDArray[np.uint8]] | None = None,
    max_drop: float | None = None,
    target: str | None = None,
    rewrites: Sequence[str] = (),
    progress: Callable[[Mix], None] = lambda mix: None,
    source: Path | None = None,
    verified: bool = True,
    force: bool = False,
) -> ModelSpec:
    """Write `model` to `path` for images of `size` (width, height) and return its spec.

    more_sizes: others for the same file, which has a signature WIDTHxHEIGHT for each size then.
    recipe: a name of `lpie.export.recipes.RECIPES`. io: what an `int8` file takes and returns,
    `uint8` unless given, `int8` or `float32`. photos: real degraded photos, [H, W, 3] uint8
    of any size, as the network will meet them (built-in ones with noise of sigma 25 unless given):
    what is quantized is calibrated on them, and the export verified. targets: what they should be,
    for the recipe `mixed`, which loses at most `max_drop` dB on them, 0.1 unless given, and hands
    `progress` what it found. target: `cpu`, `gpu` or `nnapi`, for the exact rewrites that suit it,
    beside those called `rewrites` (`lpie.export.rewrites.targets`). source: the file the model came from,
    for the spec. The file has batch 1, a fixed shape and builtin ops only; its spec is written
    beside and inside it.

    Raises `InputError` for a size that is not a multiple of the network's, an unknown name or
    an existing file without `force`; `LpieError` when the export strays from the Keras network by
    more than the recipe's budget, with the numbers. Then nothing is written. `verified=False`
    writes it unchecked, and the spec says so.
    """
    path = Path(path)
    check_target(path, force)
    stored = find_recipe(recipe)
    check_io(io, recipe)
    check_max_drop(max_drop, recipe)
    passes = chosen_passes(target, rewrites, recipe=recipe)
    plain = fold(model)
    found = analyse(plain)
    (width, height), *others = _parsed((size, *more_sizes), found.multiple)
    if photos is None and targets is None:
        photos, targets = pairs_for()
    if photos is None or (recipe == "mixed" and len(targets or ()) != len(photos)):
        raise InputError("The recipe mixed needs `photos` and what each should be: `targets`.")
    plain, applied = rewritten(plain, passes)
    tile, tiles = (height, width), []
    multiple = pads_to(plain)
    if found.scalable and (pads_ends_alone(plain) or not (width % multiple or height % multiple)):
        tile, plain = (TILE_PX, TILE_PX), without_padding(plain)
    if stored.weights == "int8":
        tiles = calibration_tiles(photos, *tile)
    if stored.activations == "int8":
        plain = equalize(plain, tiles)
    if stored.weights == "int8":
        plain = preround(plain, tiles)
    float_layers: tuple[str, ...] = ()
    if recipe == "mixed":
        allowed = MAX_DROP_DB if max_drop is None else max_drop
        mixture = _mixed(model, plain, tile, tiles, photos, targets or (), allowed)
        progress(mixture)
        graph, float_layers = mixture.graph, mixture.float_layers
    else:
        graph = _converted(plain, recipe, tile, tiles, io or "uint8")
    resize(graph, height, width, multiple)
    refuse_foreign_ops(graph)
    for other in others:
        add_size(graph, *other, multiple)
    result = _verified(model, graph, photos, recipe) if verified else None
    if result and not result.passed:
        reasons = _inexact_ops(plain, recipe, tile, tiles)
        raise LpieError(f"The export was not written: {result.sentence()}.{reasons}")
    main = graph.subgraphs[0]
    spec = ModelSpec(
        network=model.name,
        recipe=recipe,
        width=width,
        height=height,
        multiple=found.multiple,
        halo_px=found.halo_px,
        parameters=found.parameters,
        input_dtype=type_name(main.tensors[main.inputs[0]].type),
        output_dtype=type_name(main.tensors[main.outputs[0]].type),
        float_layers=float_layers,
        signatures=tuple(sizes(graph)),
        rewrites=applied,
        source_sha256=sha256(source) if source else "",
        versions=versions(),
        verified=result.to_dict() if result else None,
        file=path.name,
    )
    return write(path, graph, spec)


def _parsed(sizes: Sequence[str | tuple[int, int]], multiple: int) -> list[tuple[int, int]]:
    """(width, height) of each, all different."""
    texts = [each if isinstance(each, str) else "x".join(map(str, each)) for each in sizes]
    found = [parse_size(text, multiple=multiple) for text in texts]
    for width, height in found:
        if found.count((width, height)) > 1:
            raise InputError(f"The size {width}x{height} was given twice.")
    return found


def _converted(
    model: keras.Model,
    recipe: str,
    size: tuple[int, int],
    tiles: list[NDArray[np.float32]],
    io: str,
) -> Any:
    """The graph of `model` at (height, width) `size`; an int8 one takes and returns `io`."""
    graph = flatbuffer.parse_tflite(convert(model, recipe, size, tiles))
    if find_recipe(recipe).activations == "int8":
        fold_elu(graph)
        narrow(graph, tiles)
        set_ends(graph, io)
    return graph


def _verified(
    model: keras.Model, graph: Any, photos: Sequence[NDArray[np.uint8]], recipe: str
) -> Verification:
    """The first size of `graph` that fails, or else the first of all, beside `model`."""
    files: dict[tuple[int, int], bytes] = {}  # large sizes are one at which they are verified
    for single in [of_size(graph, name) for name in sizes(graph)] or [graph]:
        data = small(flatbuffer.serialise(single))
        files.setdefault(flatbuffer.image_size(flatbuffer.parse_tflite(data)), data)
    found = [verify(model, data, photos, recipe=recipe) for data in files.values()]
    return next((each for each in found if not each.passed), found[0])


def _mixed(
    model: keras.Model,
    plain: keras.Model,
    size: tuple[int, int],
    tiles: list[NDArray[np.float32]],
    photos: Sequence[NDArray[np.uint8]],
    targets: Sequence[NDArray[np.uint8]],
    max_drop: float,
) -> Mix:
    """The int8 graph of `plain` that loses at most `max_drop` dB against `model` on the photos."""
    degraded, target = paired_tiles(photos, targets, *size)
    restored = [forward(model, tile[None])[0] for tile in degraded]
    converter = make_converter(plain, "int8", size, tiles)
    return mix(converter, tiles, degraded, target, restored, max_drop)


def _inexact_ops(
    model: keras.Model, recipe: str, tile: tuple[int, int], tiles: list[NDArray[np.float32]]
) -> str:
    """A sentence on the ops that lose most to 8 bits; nothing where activations have more."""
    if find_recipe(recipe).activations != "int8":
        return ""
    worst = least_exact(make_converter(model, recipe, tile, tiles), tiles[:2])
    if not worst:
        return ""
    names = ", ".join(each.sentence() for each in worst)
    return (
        f" In 8 bits these ops err most, in steps of their output's 256 (rounding alone: 0.3): "
        f"{names}. Keep the network in float16, or train it with smaller ranges there."
    )
