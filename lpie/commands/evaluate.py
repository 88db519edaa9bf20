"""`lpie evaluate`."""

from pathlib import Path
from typing import Any

import click

from lpie.commands.output import json_option, print_json, print_table, progress_bar
from lpie.config import config_from
from lpie.files import to_json, write_atomic

DIR = click.Path(path_type=Path)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--pairs", type=DIR, help="A folder with degraded/ and target/, matched by name.")
@click.option("--clean", type=DIR, help="A folder of photos that get degraded first.")
@click.option("--builtin", is_flag=True, help="The held-out photograph inside scikit-image.")
@click.option("--noise-sigma", type=float, help="Gaussian noise, in levels of 255.  [default: 25]")
@click.option("--degradation", multiple=True, help="Instead of Gaussian noise; may be repeated.")
@click.option("--seed", default=0, show_default=True, help="Of the degradation.")
@click.option("--clip", is_flag=True, help="Clip the degraded input to [0, 1].")
@click.option("--quantize", is_flag=True, help="Round the degraded input to 8 bits.")
@click.option("--skip-bad", is_flag=True, help="Leave unreadable images out and count them.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Also write the JSON here.")
@json_option
def evaluate(
    model: Path,
    pairs: Path | None,
    clean: Path | None,
    builtin: bool,
    noise_sigma: float | None,
    degradation: tuple[str, ...],
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure PSNR and SSIM of MODEL: a run, a .keras or a .tflite file.

    Noise is neither clipped nor rounded, as the denoising literature adds it.

    \b
    Examples:
      lpie evaluate runs/smoke --builtin
      lpie evaluate runs/smoke --clean photos/ --noise-sigma 25 --seed 0
      lpie evaluate lpienet_int8_1920x1080.tflite --pairs sidd/ --json
    """
    from lpie.evaluation import evaluate as run_evaluation

    degrade: dict[str, Any] = {"kinds": degradation} if degradation else {}
    if noise_sigma is not None:
        degrade["noise_sigma"] = noise_sigma
    config = config_from({"data": {"degrade": degrade}}).data.degrade
    result = run_evaluation(
        model,
        pairs=pairs,
        clean=clean,
        builtin=builtin,
        degrade=config,
        progress=lambda items: progress_bar(items, unit="image", disable=as_json),
        **options,
    )
    if output:
        write_atomic(output, to_json(result))
    if as_json:
        print_json(result)
        return
    rows = [[image["name"], *_cells(image)] for image in result["images"]]
    print_table(
        ["image", "PSNR dB", "SSIM", "degraded dB", "degraded SSIM"],
        [*rows, ["mean", *_cells(result)]],
    )
    for reason in result["skipped"]:
        click.echo(f"Left out: {reason}", err=True)


def _cells(scores: dict[str, Any]) -> list[str]:
    digits = {"psnr_db": 2, "ssim": 4, "degraded_psnr_db": 2, "degraded_ssim": 4}
    return [f"{scores[key]:.{n}f}" for key, n in digits.items()]
