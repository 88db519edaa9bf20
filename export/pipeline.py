"""A Keras network to a `.tflite` of fixed sizes, checked before it is written.

An export runs the stages of its recipe (`export/recipes.py`) one after the other. Each stage is a
function below that changes the `Work`.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.errors import InputError, LpieError
from lpie.export.calibration import calibration_tiles, paired_tiles, pairs_for
from lpie.export.int8 import elu, equalization, gptq, io_types, mixed, ranges
from lpie.export.int8.diagnosis import advice, least_exact
from lpie.export.int8.mixed import Mix
from lpie.export.int8.unsigned_activations import make_unsigned
from lpie.export.npu import NpuFile, check_npu_outputs, compile_checked, write_npu_file
from lpie.export.recipes import Recipe, Stage
from lpie.export.request import MAX_DROP_DB, ExportRequest, requested
from lpie.export.rewrites.padding import pads_ends_alone, pads_to, without_padding
from lpie.export.rewrites.targets import rewritten
from lpie.export.tensorflow_converter import convert, make_converter
from lpie.export.verification.parity import Verification, small, verify
from lpie.export.write import check_output, refuse_foreign_ops, versions, write
from lpie.models.do_conv import fold
from lpie.models.graph.analysis import Analysis, analyse
from lpie.models.graph.flat import flat
from lpie.npu.tools import npu_tools
from lpie.restore.keras_network import forward, keras_ends
from lpie.size import Size
from lpie.system.files import sha256
from lpie.tflite.edit import TfliteEditor
from lpie.tflite.model import TfliteModel
from lpie.tflite.receptive_field.ends import ImageEnds
from lpie.tflite.receptive_field.walk import receptive_field
from lpie.tflite.resize import FixedSizeError, resize
from lpie.tflite.signatures import add_size, of_size
from lpie.tflite.spec import ModelSpec

Photos = Sequence[NDArray[np.uint8]]

# Converted and calibrated at this size whatever the final one, so that a 4K export takes no more
# memory than a small one; then the file is resized (exact, see `lpie.tflite.resize.resize`).
TILE = Size(256, 256)


def export_tflite(
    model: keras.Model,
    path: Path | str,
    request: ExportRequest | None = None,
    *,
    photos: Photos | None = None,
    ground_truth: Photos | None = None,
    source: Path | None = None,
    on_progress: Callable[[Mix], None] = lambda mix: None,
    **old: Any,
) -> ModelSpec:
    """Write a Keras network as a `.tflite`, after it was compared with the network.

    The file has batch 1, fixed shapes and builtin ops only; its spec is written beside it
    (FILE.spec.json) and inside it. Nothing is written when the export fails.

    Args:
        model: The network, [N, H, W, 3] float32 in [0, 1] to the same, or to an image that is 2,
            3, 4 ... times as high and wide.
        path: The file to write; its name ends in .tflite.
        request: Recipe, sizes, input type, rewrites, and whether to verify and to overwrite.
            A float32 file of 1920x1080 unless given.
        photos: Real degraded photos [H, W, 3] uint8, sRGB, of any size, as the network will meet
            them: ranges are calibrated and the file is verified on them. Built-in photos with
            Gaussian noise of sigma 25 unless given.
        ground_truth: For the recipe `mixed`: what each of `photos` should become, [H, W, 3] uint8.
        source: The file that the weights came from, whose SHA-256 goes into the spec.
        on_progress: Is called with the sensitivity of each layer once the recipe `mixed` has
            measured them.
        **old: In place of a request the keywords of lpie 0.1: recipe, size and more_sizes (texts,
            or tuples (width, height)), io, max_drop, target, rewrites, verified, force, targets
            (now ground_truth) and progress (now on_progress).

    Returns:
        The spec of the written file.

    Raises:
        InputError: For a size that is not a multiple of the network's, an unknown name, photos
            that are too few, or an existing file without `overwrite`.
        LpieError: When the network needs ops that a phone lacks, or the file strays from the
            network by more than the recipe's budget, with the numbers.
    """
    ground_truth = old.pop("targets", ground_truth)
    on_progress = old.pop("progress", on_progress)
    request = requested(request, old)
    for resizable in (True, False):
        work = _begin(model, Path(path), request, photos, ground_truth)
        work.source, work.on_progress, work.resizable = source, on_progress, resizable
        with contextlib.suppress(*[FixedSizeError] * resizable):
            for stage in work.recipe.stages:
                STAGES[stage](work)
            break
    assert work.spec is not None, "the last stage of every recipe writes the file"
    return work.spec


@dataclass
class Work:
    """An export on its way from `network`, the caller's, by `plain` and `editor` to `spec`."""

    network: keras.Model
    path: Path
    request: ExportRequest
    photos: Photos
    ground_truth: Photos
    analysis: Analysis
    # The network as far as it has been rewritten, without branches that training alone needs.
    plain: keras.Model
    images: tuple[Size, ...]
    # The size of conversion and calibration, and the multiple to which the file will pad.
    tile: Size
    multiple: int = 1
    # By how many times the output is higher and wider than the input.
    scale: int = 1
    source: Path | None = None
    on_progress: Callable[[Mix], None] = lambda mix: None
    # Whether the file may be converted at another size and resized.
    resizable: bool = True
    rewrites: tuple[str, ...] = ()
    tiles: list[NDArray[np.float32]] = field(default_factory=list)
    float_layers: tuple[str, ...] = ()
    editor: TfliteEditor | None = None
    verification: Verification | None = None
    spec: ModelSpec | None = None

    @property
    def channels(self) -> int:
        """Of the images that the network takes."""
        return int(self.network.inputs[0].shape[3])

    @property
    def recipe(self) -> Recipe:
        """The recipe whose stages are run."""
        return self.request.chosen

    @property
    def file(self) -> TfliteEditor:
        """The `.tflite` as far as it is."""
        assert self.editor is not None, "a recipe converts before it changes the file"
        return self.editor


def _begin(
    model: keras.Model,
    path: Path,
    request: ExportRequest,
    photos: Photos | None,
    ground_truth: Photos | None,
) -> Work:
    """What can be checked before the first stage is checked here."""
    check_output(path, request.overwrite)
    if request.npus:
        npu_tools()
        check_npu_outputs(path, request.chips, request.overwrite)
    plain = fold(flat(model, precision="float32"))
    ends = keras_ends(plain)
    _check_ends(model, ends, request)
    scale = ends.scale or 1
    if scale > 1 and request.chosen.needs_pairs:
        raise InputError(
            f"The recipe {request.recipe} is for networks whose output is as large as the input; "
            f"this one enlarges {scale} times. Use float16 or int8."
        )
    analysis = analyse(plain)
    images = request.images_in_multiples_of(analysis.multiple)
    if photos is None and ground_truth is None:
        photos, ground_truth = pairs_for()
    unpaired = request.chosen.needs_pairs and len(ground_truth or ()) != len(photos or ())
    if photos is None or unpaired:
        raise InputError(
            f"The recipe {request.recipe} needs `photos` and what each should be: `ground_truth`."
        )
    return Work(
        network=model,
        path=path,
        request=request,
        photos=photos,
        ground_truth=ground_truth or (),
        analysis=analysis,
        plain=plain,
        images=images,
        tile=images[0],
        scale=scale,
    )


def _check_ends(model: keras.Model, ends: ImageEnds, request: ExportRequest) -> None:
    """Raise an `InputError` for images that are not exported, or of another size than asked."""
    if (ends.channels, ends.result_channels) not in ((3, 3), (1, 1)):
        raise InputError(
            f"{model.name} takes images of {ends.channels} channels and returns "
            f"{ends.result_channels}. lpie exports networks from 3 to 3 and from 1 to 1."
        )
    if ends.size and set(request.images) != {ends.size}:
        raise InputError(
            f"{model.name} takes images of {ends.size} alone. `size` must be that. "
            f"Received: {', '.join(map(str, request.images))}."
        )


def _rewrite(work: Work) -> None:
    """Apply the exact rewrites that were asked for."""
    work.plain, work.rewrites = rewritten(work.plain, work.request.chosen_rewrites)


def _choose_tile(work: Work) -> None:
    """Convert at 256x256 where the file can be resized afterwards, else at the size asked for."""
    image, work.multiple = work.images[0], pads_to(work.plain)
    fits = image.rounded_up(work.multiple) == image
    if work.resizable and work.analysis.scalable and (fits or pads_ends_alone(work.plain)):
        tile = TILE.rounded_up(work.analysis.multiple)
        work.tile, work.plain = tile, without_padding(work.plain)


def _calibrate(work: Work) -> None:
    """Cut the tiles that ranges and roundings are chosen on."""
    work.tiles = calibration_tiles(work.photos, *work.tile, channels=work.channels)


def _equalize(work: Work) -> None:
    """Let the channels of each map span alike."""
    work.plain = equalization.equalize(work.plain, work.tiles)


def _gptq(work: Work) -> None:
    """Round kernels so that their errors cancel."""
    work.plain = gptq.preround(work.plain, work.tiles)


def _convert(work: Work) -> None:
    """Run TensorFlow's converter."""
    data = convert(work.plain, work.request.recipe, work.tile, work.tiles)
    work.editor = TfliteModel.parse(data, trusted=True).edit()


def _mix(work: Work) -> None:
    """Convert to int8 and leave the most sensitive layers in float."""
    pairs = work.photos, work.ground_truth
    degraded, target = paired_tiles(*pairs, *work.tile, channels=work.channels)
    network = flat(work.network, precision="float32")
    restored = [forward(network, tile[None])[0] for tile in degraded]
    converter = make_converter(work.plain, work.request.recipe, work.tile, work.tiles)
    max_drop_db = work.request.max_drop_db
    allowed_db = MAX_DROP_DB if max_drop_db is None else max_drop_db
    mix = mixed.mix(converter, work.tiles, degraded, target, restored, allowed_db)
    work.on_progress(mix)
    work.editor, work.float_layers = mix.model.edit(), mix.float_layers


def _fold_elu(work: Work) -> None:
    """Turn the float ELUs of an int8 file into int8 ones."""
    elu.fold_elu(work.file)


def _narrow_ranges(work: Work) -> None:
    """Choose the ranges of activations that err least."""
    ranges.narrow(work.file, work.tiles)


def _set_io(work: Work) -> None:
    """Set the type that an int8 file takes and returns."""
    io_types.set_io(work.file, work.request.io or "uint8")


def _resize(work: Work) -> None:
    """Give the file the first size that was asked for."""
    resize(work.file, work.images[0], multiple=work.multiple)


def _refuse_foreign_ops(work: Work) -> None:
    """Refuse a file with ops that a phone's runtime lacks."""
    refuse_foreign_ops(work.file.view())


def _add_sizes(work: Work) -> None:
    """Give the file a signature for each further size."""
    for size in work.images[1:]:
        add_size(work.file, size, multiple=work.multiple)


def _verify(work: Work) -> None:
    """Compare the file with the network, at every size at which files are compared."""
    if not work.request.verify:
        return
    file = work.file.view()
    files: dict[Size, TfliteModel] = {}  # large sizes are one at which they are verified
    for single in [of_size(file, name) for name in file.sizes] or [file]:
        checked = small(single)
        files.setdefault(checked.image, checked)
    recipe = work.request.recipe
    results = [verify(work.network, one, work.photos, recipe=recipe) for one in files.values()]
    work.verification = next((r for r in results if not r.passed), results[0])
    if not work.verification.passed:
        raise LpieError(
            f"The export was not written: {work.verification.sentence()}.{_advice(work)}"
        )


def _advice(work: Work) -> str:
    """What loses most in 8 bits and what helps; nothing where activations have more bits."""
    if work.recipe.activations != "int8":
        return ""
    converter = make_converter(work.plain, work.request.recipe, work.tile, work.tiles)
    worst = least_exact(converter, work.tiles[:2])
    return advice(worst, {type(layer).__name__ for layer in work.plain.layers}, work.recipe)


def _make_unsigned(work: Work) -> None:
    """Turn 16-bit activations into unsigned ones, after TFLite has verified them as int16."""
    make_unsigned(work.file)


def _write(work: Work) -> None:
    """Write the file and its spec, and what it is compiled to for each NPU."""
    spec = _spec(work)
    work.file.write_note(spec.to_json())
    data = work.file.to_bytes()
    compiled = _compile(work, data)
    work.spec = write(work.path, data, spec)
    for npu in compiled:
        write_npu_file(work.path, npu, work.spec)


def _compile(work: Work, data: bytes) -> list[NpuFile]:
    """The file compiled for each NPU that was asked for, and checked."""
    if not work.request.chips:
        return []
    whole = TfliteModel.parse(data, str(work.path), trusted=True)
    budget = work.recipe.npu_budget if work.request.verify else None
    limit_s = work.request.npu_limit_s
    return [
        compile_checked(work.network, whole, chip, work.photos, budget, limit_s=limit_s)
        for chip in work.request.chips
    ]


def _spec(work: Work) -> ModelSpec:
    """The spec as it stands inside the file."""
    file, image, result = work.file.view(), work.images[0], work.verification
    # What is unknown of a layer is read off the ops that it became.
    reach = receptive_field(file) if work.analysis.unknown else work.analysis
    return ModelSpec(
        network=work.network.name,
        recipe=work.request.recipe,
        width=image.width,
        height=image.height,
        multiple=reach.multiple,
        halo_px=reach.halo_px,
        scale=work.scale,
        parameters=work.analysis.parameters,
        input_dtype=file.inputs[0].dtype,
        output_dtype=file.outputs[0].dtype,
        float_layers=work.float_layers,
        signatures=file.sizes,
        rewrites=work.rewrites,
        source_sha256=sha256(work.source) if work.source else "",
        versions=versions(),
        verified=result.to_dict() if result else None,
        file=work.path.name,
    )


STAGES: Mapping[Stage, Callable[[Work], None]] = {
    "rewrite": _rewrite,
    "choose_tile": _choose_tile,
    "calibrate": _calibrate,
    "equalize": _equalize,
    "gptq": _gptq,
    "convert": _convert,
    "mix": _mix,
    "fold_elu": _fold_elu,
    "narrow_ranges": _narrow_ranges,
    "set_io": _set_io,
    "resize": _resize,
    "refuse_foreign_ops": _refuse_foreign_ops,
    "add_sizes": _add_sizes,
    "verify": _verify,
    "make_unsigned": _make_unsigned,
    "write": _write,
}
