"""`lpie export`."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpie.cli.export.npu import check_limit, limit_option, npu_option
from lpie.cli.format import echo, json_option, print_json, verdict_line, verdict_table
from lpie.cli.options import command, option
from lpie.cli.paths import PATH, read_in, refuse_overwriting
from lpie.export.recipes import ALL
from lpie.export.request import MAX_DROP_DB, ExportRequest
from lpie.size import Size
from lpie.system.files import compressed_bytes

if TYPE_CHECKING:
    from lpie.export.int8.mixed import Mix
    from lpie.export.recipes import Recipe
    from lpie.export.request import IoName
    from lpie.tflite.spec import ModelSpec

# Of each family the one that takes most; `lpie inspect` asks them all.
DELEGATES = ("gpu", "gpu-gl", "mldrift", "nnapi-31", "xnnpack")


def _help() -> str:
    """The text of `lpie export --help`, with the recipes as they are defined."""
    width = max(len(_names(recipe)) for recipe in ALL) + 2
    lines: list[str] = []
    for recipe in ALL:
        first, *more = recipe.summary.splitlines()
        lines += [f"  {_names(recipe):{width}}{first}", *(f"  {'':{width}}{x}" for x in more)]
    return "\n".join([ABOUT, "\b", "Recipes:", *lines, "", EXAMPLES])


def _names(recipe: "Recipe") -> str:
    return ", ".join([*recipe.aliases, recipe.name])


ABOUT = """\
Write MODEL (a run, a .keras file or a pretrained network) as a .tflite of fixed size.

The file is compared with the Keras network on photos before it is written. A file that strays
too far from the network is not written, and the command exits with 1.
"""
EXAMPLES = """\
\b
Examples:
  lpie export denoise --recipe float16 --size fhd
  lpie export denoise-lpienet --recipe float16 --target gpu
  lpie export runs/smoke --recipe int8 --size 1920x1080 -o lpienet_int8.tflite
\f
\b
More examples:
  lpie export denoise --recipe mixed --max-drop 0.1 --pairs photos/
  lpie export denoise --recipe int8 --size fhd --npu galaxy-s24 -o out/
  lpie export best.keras --size 512x512 --photos noisy/ --json
  lpie export denoise --size 256x256 --size fhd --size 1080x1920
  lpie export runs/smoke --recipe float16 --size 512x512 --into-app
"""


@command(help=_help())
@click.argument("model", type=PATH)
@click.option(
    "--recipe",
    default=ExportRequest.recipe,
    show_default=True,
    help="How weights and activations are stored; see Recipes.",
)
@click.option(
    "--size",
    "sizes",
    multiple=True,
    help="Image size: WIDTHxHEIGHT, fhd or 4k. Repeat it for a file with a signature for each "
    "size.  [default: fhd]",
)
@option(
    "--io",
    help="Input and output type of an int8 file: uint8, int8 or float32.  [default: uint8]",
    advanced=True,
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="The .tflite file or folder to write.  [default: a run's exports/, or beside it]",
)
@click.option(
    "--photos",
    type=PATH,
    help="Folder of degraded photos to calibrate and verify on.  [default: those of the run, or "
    "built-in ones]",
)
@option(
    "--pairs",
    type=PATH,
    help="For the recipe mixed: folder with degraded/ photos and their ground truth in target/.  "
    "[default: those of the run, or built-in ones]",
    advanced=True,
)
@option(
    "--max-drop",
    "max_drop_db",
    type=float,
    help="For the recipe mixed: how many dB of PSNR the file may lose on --pairs.  "
    f"[default: {MAX_DROP_DB}]",
    advanced=True,
)
@click.option(
    "--target",
    "hardware_target",
    help="Apply the exact rewrites that suit this hardware: cpu, gpu or nnapi.",
)
@option(
    "--rewrite",
    "rewrites",
    multiple=True,
    help="Apply this exact rewrite too, by its name. Repeatable.",
    advanced=True,
)
@npu_option("Also compile it for this NPU, such as SM8650 or galaxy-s24. Repeatable.")
@option(
    "--ai-pack",
    type=PATH,
    help="With --npu: also write this folder, from which Google Play delivers to each phone the "
    "file of its chip.",
    advanced=True,
)
@limit_option()
@option(
    "--into-web",
    "web",
    type=PATH,
    help="Also put the file into the page that `lpie serve --export` wrote to this folder.",
    advanced=True,
)
@option(
    "--into-app",
    "app",
    type=PATH,
    is_flag=False,
    flag_value="android_demo",
    help="Copy the file into the source of the Android demo in this folder.  [default folder: "
    "android_demo]",
    advanced=True,
)
@option(
    "--no-verify",
    is_flag=True,
    help="Skip verification (recorded as unverified in the spec).",
    advanced=True,
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@json_option
def export(
    model: Path,
    recipe: str,
    sizes: tuple[str, ...],
    io: "IoName | None",
    output: Path | None,
    photos: Path | None,
    pairs: Path | None,
    max_drop_db: float | None,
    hardware_target: str | None,
    rewrites: tuple[str, ...],
    npus: tuple[str, ...],
    ai_pack: Path | None,
    npu_limit_s: float,
    web: Path | None,
    app: Path | None,
    no_verify: bool,
    force: bool,
    as_json: bool,
) -> None:
    check_limit(npu_limit_s)
    request = ExportRequest(
        recipe=recipe,
        sizes=sizes or ExportRequest.sizes,
        io=io,
        hardware_target=hardware_target,
        rewrites=rewrites,
        npus=npus,
        npu_limit_s=npu_limit_s,
        max_drop_db=max_drop_db,
        verify=not no_verify,
        overwrite=force,
    )
    pairs = _pairs(request, photos, pairs)
    from lpie.export.ai_pack import check_ai_pack, write_ai_pack
    from lpie.npu.tools import npu_tools

    if ai_pack:
        check_ai_pack(ai_pack, request.chips, overwrite=force)
    if request.chips:
        npu_tools()
    from lpie.export.android_app import ASSETS, check_app, put_into_app
    from lpie.export.calibration import pairs_for, photos_for
    from lpie.export.npu import check_npu_outputs, npu_path
    from lpie.export.pipeline import export_tflite
    from lpie.export.write import check_output
    from lpie.models.load import load_keras
    from lpie.tflite.spec import spec_path

    network = load_keras(model)
    own_size = [side for one in network.inputs or [] for side in one.shape[1:3]]
    if not sizes and len(own_size) == 2 and None not in own_size:
        request = dataclasses.replace(request, sizes=(Size(*own_size),))
    folder = model / "exports" if model.is_dir() else model.parent
    name = _file_name(model, network.name, request)
    is_folder = output is not None and (output.is_dir() or bool(npus and not output.suffix))
    path = output / name if output and is_folder else output or folder / name
    check_output(path, force)
    check_npu_outputs(path, request.chips, force)
    copies = [app / ASSETS / "model.tflite"] if app else []
    compiled = {chip: npu_path(path, chip) for chip in request.chips}
    files = [path, *compiled.values(), *copies]
    refuse_overwriting([*files, *map(spec_path, files)], [*read_in(model), photos, pairs])
    if app:
        check_app(app)
    if web:
        from lpie.web.site import check_site

        check_site(web)
    if request.chosen.needs_qat:
        _check_quantization_aware(model)
    if request.chosen.needs_pairs:
        degraded, ground_truth = pairs_for(model, pairs)
    else:
        degraded, ground_truth = photos_for(model, photos), None
    spec = export_tflite(
        network,
        path,
        request,
        photos=degraded,
        ground_truth=ground_truth,
        source=_source(model),
        on_progress=lambda mix: echo(*_ranking(mix), err=True),
    )
    if app:
        echo(f"The Android demo will be built with it: {put_into_app(path, app)}", err=True)
    if web:
        from lpie.web.site import put_into_site

        put_into_site(path, web)
        echo(f"The page in {web} has it.", err=True)
    pack = write_ai_pack(ai_pack, path, compiled) if ai_pack else []
    _report(path, spec, [*compiled.values()], pack, request, as_json=as_json)


def _file_name(model: Path, network: str, request: ExportRequest) -> str:
    """The file's name: after the file or the pretrained name that was typed, else the network."""
    from lpie.weights import is_name

    stem = model.stem if model.is_file() else model.name if is_name(model) else network
    return f"{stem}_{request.recipe}_{request.images[0]}.tflite"


def _pairs(request: ExportRequest, photos: Path | None, pairs: Path | None) -> Path | None:
    """The folder of pairs, which lpie 0.1 took by --photos."""
    from lpie.errors import InputError

    if pairs and not request.chosen.needs_pairs:
        raise InputError(
            f"Only the recipe mixed takes `pairs`. Received: the recipe {request.recipe}. "
            "Give degraded photos by `photos`."
        )
    if pairs and photos:
        raise InputError(
            "Give `pairs` or `photos`, not both: the recipe mixed is calibrated and verified on "
            f"the pairs. Received: {pairs} and {photos}."
        )
    return pairs or photos


def _report(
    path: Path,
    spec: "ModelSpec",
    compiled: list[Path],
    pack: list[Path],
    request: ExportRequest,
    *,
    as_json: bool,
) -> None:
    """Print what was written, how exact it is, and what delegates make of it."""
    from lpie.export.delegates import check_delegate
    from lpie.export.int8.diagnosis import float_ops
    from lpie.tflite.model import TfliteModel

    file = TfliteModel.read(path)
    verdicts = [check_delegate(file, name) for name in DELEGATES]
    left = float_ops(file) if request.chosen.fully_quantized else {}
    if as_json:
        packed = {"compressed_bytes": compressed_bytes(path)}
        limits = {"float_ops": left, "delegates": [verdict_table(verdict) for verdict in verdicts]}
        table = {"path": str(path), **dataclasses.asdict(spec), **packed, **limits}
        if compiled:
            table["npu_files"] = [
                {"path": str(file), **dataclasses.asdict(_spec_of(file))} for file in compiled
            ]
            table["ai_pack"] = [str(file) for file in pack]
        print_json(table)
        return
    _show(path, spec)
    if spec.rewrites:
        echo(f"Rewritten: {', '.join(spec.rewrites)}")
    if spec.float_layers:
        echo(f"Left in float: {', '.join(spec.float_layers)}")
    if left:
        ops = ", ".join(f"{count} {op}" for op, count in left.items())
        echo(f"Left in float, as TensorFlow's quantizer knows no int8 form: {ops}")
    for verdict in verdicts:
        echo(verdict_line(verdict))
    for compiled_file in compiled:
        echo(*_npu_file_lines(compiled_file))
    if pack:
        echo(f"{len(pack)} files for Google Play: {', '.join(map(str, pack))}")


def _spec_of(file: Path) -> "ModelSpec":
    """The spec beside a file that was just written."""
    from lpie.tflite.spec import ModelSpec, spec_path

    return ModelSpec.from_json(spec_path(file).read_text())


def _npu_file_lines(file: Path) -> Iterator[str]:
    """What was compiled for an NPU, how much of it that runs, and what the emulator measured."""
    spec = _spec_of(file)
    npu = spec.npu or {}
    parts = f"{npu['partitions']} partition{'' if npu['partitions'] == 1 else 's'}"
    moved = npu["dram_bytes"]["read"] + npu["dram_bytes"]["written"]
    yield (
        f"{file}: {(spec.file_bytes or 0) / 1e3:.0f} kB; {npu['chip']} takes {npu['accepted']} of "
        f"{npu['ops']} ops, {parts}, {moved / 1e6:.3g} MB of DRAM traffic in one run"
        f"{' of each size' if spec.signatures else ''}"
    )
    if npu["accepted"] < npu["ops"]:
        yield f"  The rest runs on the CPU; lpie inspect FILE --npu {npu['chip']} says why."
    checked = npu["verified"]
    if not checked:
        yield "  Not verified."
        return
    numbers = ", ".join(f"{key} {checked[key]:.5g}" for key in checked["budget"])
    size = f"{spec.width}x{spec.height}"
    other = "" if checked["size"] == size else f" (the same network; the file is of {size})"
    yield f"  {checked['by']} at {checked['size']}{other}, beside the Keras network: {numbers}"


def _check_quantization_aware(model: Path) -> None:
    """Refuse a run, or a pretrained network, without QAT; a .keras file does not say."""
    from lpie.config.config import config_from
    from lpie.errors import InputError
    from lpie.training.run import settings_of

    if model.is_file() or config_from(settings_of(model)).train.quantization_aware:
        return
    raise InputError(
        f"{model} was not fine-tuned with quantization-aware training. Run "
        f"`lpie quantize-aware {model} --workdir RUN` and export that, or choose the recipe int8."
    )


def _ranking(mix: "Mix") -> list[str]:
    """What each layer loses alone, down to the last that stays in float and a few more."""
    shown = mix.ranking[: len(mix.float_layers) + 5]
    lines = [f"{layer.lost_db:8.3f} dB  {layer.op} in {layer.layer}" for layer in shown]
    return [
        f"In int8 the network loses {mix.int8_db:.3f} dB, each layer alone:",
        *lines,
        f"With the first {len(mix.float_layers)} in float it loses {mix.lost_db:.3f} dB.",
    ]


def _show(path: Path, spec: "ModelSpec") -> None:
    """What was written, and how exact it is."""
    size = ", ".join(spec.signatures) or f"{spec.width}x{spec.height}"
    stored, packed = (spec.file_bytes or 0) / 1e3, compressed_bytes(path) / 1e3
    echo(f"{path}: {spec.recipe}, {size}, {stored:.0f} kB (compressed {packed:.0f} kB)")
    if not spec.verified:
        echo("Not verified.")
        return
    shown = {k: spec.verified[k] for k in spec.verified["budget"]}
    numbers = ", ".join(f"{key} {value:.5g}" for key, value in shown.items())
    count = spec.verified["photos"]
    on = f"{count} picture{'s' if count > 1 else ''} of {spec.verified['size']}"
    echo(f"Compared with the Keras network on {on}: {numbers}")


def _source(model: Path) -> Path:
    """The file that the model's weights come from."""
    from lpie.weights import is_name, pretrained_file

    if is_name(model):
        return pretrained_file(str(model), ".npz")
    return model / "best.keras" if model.is_dir() else model
