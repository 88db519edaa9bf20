"""A Keras network to a `.tflite` of a fixed size, checked before it is written."""

from collections.abc import Callable, Sequence
from pathlib import Path

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
from lpie.export.int8.io_types import check_io, set_io
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
from lpie.size import Size
from lpie.system.files import sha256
from lpie.tflite.edit import TfliteEditor
from lpie.tflite.model import TfliteModel
from lpie.tflite.resize import resize
from lpie.tflite.signatures import add_size, of_size
from lpie.tflite.spec import ModelSpec

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
    image, *others = _sizes((size, *more_sizes), found.multiple)
    if photos is None and targets is None:
        photos, targets = pairs_for()
    if photos is None or (recipe == "mixed" and len(targets or ()) != len(photos)):
        raise InputError("The recipe mixed needs `photos` and what each should be: `targets`.")
    plain, applied = rewritten(plain, passes)
    tile, tiles = image, []
    multiple = pads_to(plain)
    if found.scalable and (pads_ends_alone(plain) or image.rounded_up(multiple) == image):
        tile, plain = Size(TILE_PX, TILE_PX), without_padding(plain)
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
        editor, float_layers = mixture.model.edit(), mixture.float_layers
    else:
        editor = _converted(plain, recipe, tile, tiles, io or "uint8")
    resize(editor, image, multiple=multiple)
    refuse_foreign_ops(editor.view())
    for other in others:
        add_size(editor, other, multiple=multiple)
    file = editor.finish()
    result = _verified(model, file, photos, recipe) if verified else None
    if result and not result.passed:
        reasons = _inexact_ops(plain, recipe, tile, tiles)
        raise LpieError(f"The export was not written: {result.sentence()}.{reasons}")
    spec = ModelSpec(
        network=model.name,
        recipe=recipe,
        width=image.width,
        height=image.height,
        multiple=found.multiple,
        halo_px=found.halo_px,
        parameters=found.parameters,
        input_dtype=file.inputs[0].dtype,
        output_dtype=file.outputs[0].dtype,
        float_layers=float_layers,
        signatures=file.sizes,
        rewrites=applied,
        source_sha256=sha256(source) if source else "",
        versions=versions(),
        verified=result.to_dict() if result else None,
        file=path.name,
    )
    return write(path, file, spec)


def _sizes(sizes: Sequence[str | tuple[int, int]], multiple: int) -> list[Size]:
    """The sizes as `Size`, all different; a tuple is (width, height)."""
    texts = [size if isinstance(size, str) else "x".join(map(str, size)) for size in sizes]
    parsed = [Size.parse(text, multiple=multiple) for text in texts]
    for size in parsed:
        if parsed.count(size) > 1:
            raise InputError(f"The size {size} was given twice.")
    return parsed


def _converted(
    model: keras.Model,
    recipe: str,
    size: tuple[int, int],
    tiles: list[NDArray[np.float32]],
    io: str,
) -> TfliteEditor:
    """The file of `model` at (height, width) `size`; an int8 one takes and returns `io`."""
    editor = TfliteModel.parse(convert(model, recipe, size, tiles)).edit()
    if find_recipe(recipe).activations == "int8":
        fold_elu(editor)
        narrow(editor, tiles)
        set_io(editor, io)
    return editor


def _verified(
    model: keras.Model, file: TfliteModel, photos: Sequence[NDArray[np.uint8]], recipe: str
) -> Verification:
    """The first size of `file` that fails, or else the first of all, beside `model`."""
    files: dict[Size, TfliteModel] = {}  # large sizes are one at which they are verified
    for single in [of_size(file, name) for name in file.sizes] or [file]:
        checked = small(single)
        files.setdefault(checked.image, checked)
    results = [verify(model, checked, photos, recipe=recipe) for checked in files.values()]
    return next((result for result in results if not result.passed), results[0])


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
