"""`lpie data`."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from lpie.cli.format import echo, json_option, print_json, progress_bar
from lpie.cli.main import SuggestingGroup
from lpie.cli.paths import PATH
from lpie.data.datasets.patches import PrepareConfig

DEFAULTS = PrepareConfig()


@click.group(cls=SuggestingGroup)
def data() -> None:
    """Cut data sets into patches for fast training: they are read without decoding.

    \b
    Examples:
      lpie data list
      lpie data prepare gopro GOPRO_Large.zip prepared/gopro
      lpie data list --json
    """


@data.command("list", short_help="List the known data sets, their layouts and download pages.")
@json_option
def list_layouts(as_json: bool) -> None:
    """List the known data sets, the layout of each download and its page.

    \b
    Examples:
      lpie data list
      lpie data list --json
    """
    from lpie.data.datasets.layouts import LAYOUTS

    keys = ("about", "expected", "url", "photos")
    rows = [
        {"name": name, **{key: getattr(layout, key) for key in keys}}
        for name, layout in LAYOUTS.items()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        photos = ", ".join(f"{split} {count:,}" for split, count in row["photos"].items())
        echo(f"{row['name']}: {row['about']}" + (f" ({photos})" if photos else ""))
        echo(f"  layout  {row['expected']}")
        if row["url"]:
            echo(f"  from    {row['url']}")


@data.command(short_help="Cut a downloaded data set into patches.")
@click.argument("name")
@click.argument("source", type=PATH)
@click.argument("out", type=PATH)
@click.option(
    "--patch",
    "patch_px",
    default=DEFAULTS.patch_px,
    show_default=True,
    help="Width and height of a patch, in pixels.",
)
@click.option(
    "--stride",
    "stride_px",
    default=DEFAULTS.stride_px,
    show_default=True,
    help="Distance from one patch to the next, in pixels.",
)
@click.option(
    "--shard-mb",
    default=DEFAULTS.shard_mb,
    show_default=True,
    help="Size of a shard (one file of patches), in MB.",
)
@click.option(
    "--workers",
    default=DEFAULTS.workers,
    show_default=True,
    help="Number of threads that decode photos.",
)
@click.option(
    "--skip-bad", is_flag=True, help="Skip photos that cannot be used, and report how many."
)
@click.option(
    "--verify",
    is_flag=True,
    help="Only check the files in OUT against their checksums; SOURCE is not read.",
)
@json_option
def prepare(
    name: str, source: Path, out: Path, verify: bool, as_json: bool, **options: Any
) -> None:
    """Cut the data set NAME, downloaded to SOURCE, into patches in the folder OUT.

    SOURCE is the unpacked folder or its .zip, .tar or .tar.gz; `lpie data list` shows the names
    and layouts. The splits become the folders OUT/train, OUT/validation and so on, each of shards.
    Run the same command again to resume.

    \b
    Examples:
      lpie data prepare sidd SIDD_Medium_Srgb.zip prepared/sidd
      lpie data prepare gopro GOPRO_Large prepared/gopro --patch 512 --stride 256
      lpie data prepare pairs mine/ prepared/mine --skip-bad --json
      lpie data prepare sidd SIDD_Medium_Srgb.zip prepared/sidd --verify
    """
    from lpie.data.datasets import prepare as preparing

    def bar(items: Any) -> Any:
        return progress_bar(items, unit="file" if verify else "photo", disable=as_json)

    if verify:
        result = preparing.verify(name, out, progress=bar)
    else:
        config = dataclasses.replace(DEFAULTS, **options)
        result = preparing.prepare(name, source, out, config, progress=bar)
    if as_json:
        print_json(result)
        return
    _print(result)


def _print(result: dict[str, Any]) -> None:
    if result["was_complete"]:
        echo("Nothing to do: all patches are there.")
    for split, row in result["splits"].items():
        for reason in row["left_out"]:
            echo(f"Left out: {reason}", err=True)
        original = row["photos_of_the_original"]
        of = f" (of {original:,} in the whole download)" if original else ""
        echo(
            f"{result['folder']}/{split}: {_count(row['photos'], 'photo')}{of}, "
            f"{_count(row['patches'], 'patch', 'es')} of {result['patch_px']} px in "
            f"{_count(row['shards'], 'shard')}"
        )
    if "verified_files" in result:
        echo(f"{_count(result['verified_files'], 'file')} match their checksums.")


def _count(count: int, noun: str, plural: str = "s") -> str:
    return f"{count:,} {noun}{plural if count != 1 else ''}"
