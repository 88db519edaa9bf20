"""`lpie export`."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpie.cli.format import json_option, print_json, verdict_line, verdict_table
from lpie.system.files import compressed_bytes

if TYPE_CHECKING:
    from lpie.export.int8.mixed import Mix
    from lpie.tflite.spec import ModelSpec

# Of each family the one that takes most; `lpie inspect` asks them all.
DELEGATES = ("gpu", "gpu-gl", "mldrift", "nnapi-31", "xnnpack")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--recipe", default="float32", show_default=True, help="See below.")
@click.option(
    "--size",
    "sizes",
    multiple=True,
    default=("fhd",),
    help="WIDTHxHEIGHT, fhd or 4k; several make a file of as many signatures.  [default: fhd]",
)
@click.option("--io", help="What an int8 file takes and returns: uint8, int8 or float32.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The .tflite file.  [default: in the run's exports/, or beside MODEL]",
)
@click.option(
    "--photos",
    type=click.Path(path_type=Path),
    help="Degraded photos to calibrate and verify on.  [default: those of the run, or built-in]",
)
@click.option(
    "--max-drop",
    type=float,
    help="How many dB a mixed file may lose on --photos.  [default: 0.1]",
)
@click.option("--target", help="cpu, gpu or nnapi: rewrite the network for it, exactly.")
@click.option("--rewrite", "rewrites", multiple=True, help="This rewrite too; repeatable.")
@click.option(
    "--into-app",
    "app",
    type=click.Path(path_type=Path),
    is_flag=False,
    flag_value="android_demo",
    help="Also build the Android demo in this folder with it.  [default folder: android_demo]",
)
@click.option("--no-verify", is_flag=True, help="Write it unchecked; the spec says so.")
@click.option("--force", is_flag=True, help="Overwrite the file.")
@json_option
def export(
    model: Path,
    recipe: str,
    sizes: tuple[str, ...],
    io: str | None,
    output: Path | None,
    photos: Path | None,
    max_drop: float | None,
    target: str | None,
    rewrites: tuple[str, ...],
    app: Path | None,
    no_verify: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write MODEL (a run, a .keras file or a pretrained network) as a .tflite of a fixed size.

    The file is compared with the Keras network on real photos before it is written; an export
    that strays too far is not written, and the command exits with 1.

    \b
    Recipes:
      float32, float16
      dynamic_wi8_afp32   int8 weights, float32 activations: small, for CPUs
      int8                int8 weights and activations (static_wi8_ai8), uint8 in and out
      qat_int8            int8 of a run of `lpie quantize-aware`
      mixed               int8, and float where it takes that to lose at most --max-drop dB;
                          --photos then holds degraded/ and target/
      static_wi8_ai16     int8 weights, int16 activations: for NPUs; slow on CPUs

    \b
    Examples:
      lpie export denoise --recipe float16 --size fhd
      lpie export denoise-lpienet --recipe float16 --target gpu
      lpie export runs/smoke --recipe int8 --size 1920x1080 -o lpienet_int8.tflite
      lpie export denoise --recipe mixed --max-drop 0.1
      lpie export best.keras --size 512x512 --photos noisy/ --json
      lpie export denoise --size 256x256 --size fhd --size 1080x1920
      lpie export runs/smoke --recipe float16 --size 512x512 --into-app
    """
    from lpie.export.android_app import check_app, put_into_app
    from lpie.export.int8.io_types import check_io
    from lpie.export.int8.mixed import check_max_drop
    from lpie.export.recipes import find_recipe
    from lpie.export.rewrites.targets import chosen_passes
    from lpie.size import Size

    find_recipe(recipe)
    chosen_passes(target, rewrites, recipe=recipe)
    check_io(io, recipe)
    check_max_drop(max_drop, recipe)
    image, *others = map(Size.parse, sizes)
    from lpie.export.calibration_photos import pairs_for, photos_for
    from lpie.export.delegates import check_delegate
    from lpie.export.int8.diagnosis import float_ops
    from lpie.export.pipeline import export_tflite
    from lpie.export.write import check_target
    from lpie.models.load import load_keras
    from lpie.tflite.model import TfliteModel
    from lpie.weights import is_name

    network = load_keras(model)
    folder = model / "exports" if model.is_dir() else model.parent
    stem = model.name if is_name(model) else network.name
    path = output or folder / f"{stem}_{recipe}_{image}.tflite"
    check_target(path, force)
    if app:
        check_app(app)
    if recipe == "qat_int8":
        _check_quantization_aware(model)
    mixed = recipe == "mixed"
    degraded, targets = pairs_for(model, photos) if mixed else (photos_for(model, photos), None)
    spec = export_tflite(
        network,
        path,
        recipe=recipe,
        size=str(image),
        more_sizes=[*map(str, others)],
        io=io,
        photos=degraded,
        targets=targets,
        max_drop=max_drop,
        target=target,
        rewrites=rewrites,
        progress=lambda found: click.echo(_ranking(found), err=True),
        source=_source(model),
        verified=not no_verify,
        force=force,
    )
    if app:
        click.echo(f"The Android demo will be built with it: {put_into_app(path, app)}", err=True)
    file = TfliteModel.read(path)
    verdicts = [check_delegate(file, name) for name in DELEGATES]
    left = float_ops(file) if find_recipe(recipe).static and not mixed else {}
    if as_json:
        packed = {"compressed_bytes": compressed_bytes(path)}
        limits = {"float_ops": left, "delegates": [verdict_table(verdict) for verdict in verdicts]}
        print_json({"path": str(path), **dataclasses.asdict(spec), **packed, **limits})
        return
    _show(path, spec)
    if spec.rewrites:
        click.echo(f"Rewritten: {', '.join(spec.rewrites)}")
    if spec.float_layers:
        click.echo(f"Left in float: {', '.join(spec.float_layers)}")
    if left:
        ops = ", ".join(f"{count} {op}" for op, count in left.items())
        click.echo(f"Left in float, as TensorFlow's quantizer knows no int8 form: {ops}")
    for verdict in verdicts:
        click.echo(verdict_line(verdict))


def _check_quantization_aware(model: Path) -> None:
    """Refuse a run, or a pretrained network, that was not trained as int8; a file does not say."""
    from lpie.config.config import config_from
    from lpie.errors import InputError
    from lpie.training.run import settings_of

    if model.is_file() or config_from(settings_of(model)).train.quantization_aware:
        return
    raise InputError(
        f"{model} was not trained as int8. Run `lpie quantize-aware {model} --workdir RUN` and "
        "export that, or choose the recipe int8."
    )


def _ranking(found: "Mix") -> str:
    """What each layer loses alone, down to the last that stays in float and a few more."""
    shown = found.ranking[: len(found.float_layers) + 5]
    lines = [f"{each.lost_db:8.3f} dB  {each.op} in {each.layer}" for each in shown]
    return "\n".join(
        [
            f"In int8 the network loses {found.int8_db:.3f} dB, each layer alone:",
            *lines,
            f"With the first {len(found.float_layers)} in float it loses {found.lost_db:.3f} dB.",
        ]
    )


def _show(path: Path, spec: "ModelSpec") -> None:
    """What was written, and how exact it is."""
    size = ", ".join(spec.signatures) or f"{spec.width}x{spec.height}"
    stored, packed = (spec.file_bytes or 0) / 1e3, compressed_bytes(path) / 1e3
    click.echo(f"{path}: {spec.recipe}, {size}, {stored:.0f} kB (compressed {packed:.0f} kB)")
    if not spec.verified:
        click.echo("Not verified.")
        return
    shown = {k: spec.verified[k] for k in spec.verified["budget"]}
    numbers = ", ".join(f"{key} {value:.5g}" for key, value in shown.items())
    count = spec.verified["photos"]
    on = f"{count} picture{'s' if count > 1 else ''} of {spec.verified['size']}"
    click.echo(f"Compared with the Keras network on {on}: {numbers}")


def _source(model: Path) -> Path:
    """The file that the model's weights come from."""
    from lpie.weights import is_name, pretrained_file

    if is_name(model):
        return pretrained_file(str(model), ".npz")
    return model / "best.keras" if model.is_dir() else model
