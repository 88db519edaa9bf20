"""`lpie evaluate`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lpie.cli.export.npu import check_limit, limit_option
from lpie.cli.format import (
    SUITE_HEADER,
    echo,
    json_option,
    literature_table,
    print_json,
    print_table,
    progress_bar,
    suite_environment,
    suite_markdown,
    suite_rows,
    suite_title,
)
from lpie.cli.options import command, option
from lpie.cli.paths import PATH, read_in, refuse_overwriting
from lpie.config.config import config_from
from lpie.errors import InputError
from lpie.system.files import refuse_existing, to_json, write_atomic

if TYPE_CHECKING:
    from lpie.restore.restorer import Restorer

# Options that mean something only with, or only without, a suite.
OF_A_SUITE = ("data", "tasks", "limit", "baselines")
OF_ONE_MODEL = (
    "pairs",
    "clean",
    "builtin",
    "noise_sigma",
    "degradation",
    "clip",
    "quantize",
    "skip_bad",
    "npu",
    "npu_limit_s",
)


@command()
@click.argument("models", metavar="[[TASK=]MODEL]...", nargs=-1)
@click.option(
    "--pairs", type=PATH, help="Folder of photo pairs in degraded/ and target/, matched by name."
)
@click.option(
    "--clean",
    type=PATH,
    help="Clean photos, to be degraded first: a folder with its subfolders, a file or a pattern.",
)
@click.option("--builtin", is_flag=True, help="Use the held-out photograph inside scikit-image.")
@click.option(
    "--noise-sigma",
    type=float,
    help="Strength of the Gaussian noise, in levels of 255.  [default: 25]",
)
@option(
    "--degradation",
    multiple=True,
    metavar="NAME",
    help="Degradation to apply instead of Gaussian noise. Repeatable.",
    advanced=True,
)
@option(
    "--seed",
    default=0,
    show_default=True,
    help="Random seed of the synthetic degradation.",
    advanced=True,
)
@option(
    "--clip",
    is_flag=True,
    help="Clip the degraded input to [0, 1].",
    advanced=True,
)
@option(
    "--quantize",
    is_flag=True,
    help="Round the degraded input to 8 bits.",
    advanced=True,
)
@click.option(
    "--npu",
    metavar="NAME",
    help="Run a .tflite as the NPU of a chip (SM8650) or a phone (galaxy-s24) does: by tiles, on "
    "Qualcomm's own emulator. Needs lpie[npu].",
)
@limit_option()
@click.option("--skip-bad", is_flag=True, help="Skip unreadable images, and list them.")
@click.option(
    "--suite", metavar="NAME", help="Compare models on the images of a test set: dev, awgn or sidd."
)
@click.option(
    "--data",
    type=PATH,
    envvar="LPIE_DEV_DATA",
    show_envvar=True,
    help="Folder with the images of the suite.",
)
@option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME",
    help="Run only this task of the suite. Repeatable.",
    advanced=True,
)
@option(
    "--limit",
    type=int,
    help="Use only this many images of each folder, for a quick look.",
    advanced=True,
)
@option(
    "--baselines/--no-baselines",
    default=True,
    show_default=True,
    help="Also measure the classical methods of the suite.",
    advanced=True,
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="Also write the result to this file, as JSON or, for a suite and a name in .md, tables.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing output.")
@json_option
@click.pass_context
def evaluate(
    context: click.Context,
    models: tuple[str, ...],
    suite: str | None,
    output: Path | None,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure PSNR and SSIM of MODEL: a run, a .keras or .tflite file, or a pretrained network.

    Noise is neither clipped nor rounded, as is usual in the denoising literature.

    With --suite, any number of models are compared on the same images, with the time per megapixel.

    \b
    Examples:
      lpie evaluate denoise --builtin
      lpie evaluate runs/smoke --clean photos/ --noise-sigma 25 --seed 0
      lpie evaluate lpienet_int8_1920x1080.tflite --pairs sidd/ --json
      lpie evaluate lpienet_int8_1920x1080.tflite --npu galaxy-s24 --clean photos/
      lpie evaluate denoise --suite awgn --data sets/
      lpie evaluate denoise=runs/a lowlight=runs/b --suite dev --data dev/ -o table.md
    \f
    \b
    Suites, and what they need in --data:
      awgn   photos in one or more of the folders CBSD68, Kodak24, McMaster and Urban100. They get
             noise of sigma 15, 25 and 50; the published scores of others are shown beside.
      sidd   the two .mat files of SIDD's validation blocks
      dev    clean/kodak24 and clean/set5, and the pairs realnoise_sidd, lowlight_sice,
             lowlight_lol and deblur_gopro, each in degraded/ and target/. Its tasks are denoise,
             realnoise, lowlight and deblur; classical baselines are shown beside.
    """
    foreign = OF_ONE_MODEL if suite is not None else OF_A_SUITE
    for name in foreign:
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise InputError(f"`{name}` works only {'without' if suite else 'with'} --suite.")
    named = [Path(model.partition("=")[2] or model) for model in models]
    folders = [options[name] for name in ("pairs", "clean", "data")]
    refuse_overwriting([output], [*(file for model in named for file in read_in(model)), *folders])
    if output:
        refuse_existing(output, force=force)
    own = {k: v for k, v in options.items() if k == "seed" or k not in foreign}
    if suite is not None:
        _evaluate_suite(models, suite, output, as_json, **own)
    else:
        _evaluate_one(models, output, as_json, **own)


def _evaluate_suite(
    models: tuple[str, ...],
    suite: str,
    output: Path | None,
    as_json: bool,
    data: Path | None,
    **options: Any,
) -> None:
    from lpie.evaluation.suite import compare

    result = compare(
        models,
        suite=suite,
        data=data,
        progress=lambda items: progress_bar(items, unit="image", disable=as_json),
        **options,
    )
    if as_json:
        print_json(result)
    else:
        for table in result["tables"]:
            echo(suite_title(table))
            print_table(SUITE_HEADER, suite_rows(table))
            echo("")
        header, rows = literature_table(result)
        if rows:
            print_table(header, rows)
            echo("")
        echo(suite_environment(result))
    if output:  # last: what cannot be written is not lost
        as_tables = output.suffix.lower() == ".md"
        write_atomic(output, suite_markdown(result) if as_tables else to_json(result))


def _evaluate_one(
    models: tuple[str, ...],
    output: Path | None,
    as_json: bool,
    noise_sigma: float | None,
    degradation: tuple[str, ...],
    npu: str | None,
    npu_limit_s: float,
    **options: Any,
) -> None:
    from lpie.evaluation.evaluate import evaluate as run_evaluation

    if len(models) != 1:
        raise InputError(
            f"Give one MODEL, or --suite to compare several. Received: {len(models)} models."
        )
    degrade: dict[str, Any] = {"kinds": degradation} if degradation else {}
    if noise_sigma is not None:
        degrade["noise_sigma"] = noise_sigma
    result = run_evaluation(
        _on_npu(models[0], npu, npu_limit_s) if npu else Path(models[0]),
        degrade=config_from({"data": {"degrade": degrade}}).data.degrade,
        progress=lambda items: progress_bar(items, unit="image", disable=as_json),
        **options,
    )
    if npu:
        from lpie.npu.chips import npu_chip

        chip = npu_chip(npu)
        result |= {
            "model": models[0],
            "npu": {"chip": chip.soc, "by": f"Qualcomm's emulator of {chip}"},
        }
    if as_json:
        print_json(result)
    else:
        _print_scores(result)
        if npu:
            echo(f"On {result['npu']['by']}.")
    if output:  # last: what cannot be written is not lost
        write_atomic(output, to_json(result))


def _on_npu(model: str, name: str, limit_s: float) -> "Restorer":
    """The file, run as the NPU of a chip does."""
    from lpie.evaluation.npu import NpuNetwork
    from lpie.npu.chips import npu_chip
    from lpie.restore.restorer import Restorer

    check_limit(limit_s)
    return Restorer(NpuNetwork(model, npu_chip(name), limit_s=limit_s), max_memory_mb=math.inf)


def _print_scores(result: dict[str, Any]) -> None:
    rows = [[image["name"], *_cells(image)] for image in result["images"]]
    print_table(
        ["image", "PSNR dB", "SSIM", "degraded dB", "degraded SSIM"],
        [*rows, ["mean", *_cells(result)]],
    )
    for reason in result["skipped"]:
        echo(f"Left out: {reason}", err=True)


def _cells(scores: dict[str, Any]) -> list[str]:
    digits = {"psnr_db": 2, "ssim": 4, "degraded_psnr_db": 2, "degraded_ssim": 4}
    return [f"{scores[key]:.{n}f}" for key, n in digits.items()]
