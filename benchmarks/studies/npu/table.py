"""What phones' NPUs take, move and compute of networks: the table of docs/results/npu.md.

    python -m lpie.benchmarks.studies.npu.table npu.jsonl --clean PHOTOS --size 256x256

Each row is appended to the file as soon as it is known, and rows that are there are not measured
again, so that the whole can be done in parts. Files of other sizes than 256x256 are the same
networks resized. dB are of 256x256 px from the middle of each photo, with noise, on the emulator.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from lpie.benchmarks.predict.npu import fit_npu, predicted_ms
from lpie.benchmarks.studies.networks import DEEP
from lpie.benchmarks.studies.study import sentences
from lpie.errors import InputError, LpieError
from lpie.image.image import read_image, to_float
from lpie.image.metrics import psnr
from lpie.npu.chips import NpuChip, npu_chip
from lpie.npu.compile import Compiled, compile_for
from lpie.npu.emulate import NpuInterpreter
from lpie.npu.estimate.vendor import vendor_estimate
from lpie.size import Size
from lpie.tflite.model import TfliteModel
from lpie.tflite.scales import from_levels, to_levels

TILE = Size(256, 256)
NETWORKS = ("denoise-s", "denoise", "denoise-lpienet-relu", "denoise-lpienet", "nafnet-8",
            "plainnet-8")  # fmt: skip
RECIPES = ("float32", "int8", "npu")
CHIPS = ("SM8350", "SM8450", "SM8550", "SM8650", "SM8750", "SM8850", "SM7675", "SM6650")
PHONE = "SM8650"  # whose time is told
# With random weights, at their published depth.
UNTRAINED: dict[str, dict[str, Any]] = {
    "nafnet-8": {"width": 8, **DEEP},
    "plainnet-8": {"width": 8, "block": "plain", **DEEP},
}


@click.command(help=__doc__)
@click.argument("rows", type=click.Path(path_type=Path))
@click.option("--clean", type=click.Path(path_type=Path, exists=True), required=True,
              help="Folder of clean photos to measure dB on.")  # fmt: skip
@click.option("--size", "sizes", multiple=True, default=("256x256",), show_default=True,
              help="Image size; repeatable.")  # fmt: skip
@click.option("--network", "networks", multiple=True, default=NETWORKS, help="Repeatable.")
@click.option("--recipe", "recipes", multiple=True, default=RECIPES, help="Repeatable.")
@click.option("--chip", "chips", multiple=True, default=CHIPS, help="Repeatable.")
@click.option("--photos", default=4, show_default=True, help="How many photos to measure dB on.")
@click.option("--noise-sigma", default=15.0, show_default=True, help="On a scale of 255.")
@click.option("--limit", default=1800.0, show_default=True, help="Seconds for one step.")
def main(
    rows: Path,
    clean: Path,
    sizes: Sequence[str],
    networks: Sequence[str],
    recipes: Sequence[str],
    chips: Sequence[str],
    photos: int,
    noise_sigma: float,
    limit: float,
) -> None:
    """Measure what is missing, and print the table."""
    pairs = list(noisy_pairs(clean, photos, noise_sigma))
    done = read(rows)
    with sentences():
        for network in networks:
            for recipe in recipes:
                wanted = [
                    (size, soc)
                    for size in sizes
                    for soc in chips
                    if (network, recipe, size, soc) not in done
                ]
                if wanted:
                    model = exported(network, recipe, rows.parent)
                    for size, soc in wanted:
                        row = measured(model, size, npu_chip(soc), pairs, limit)
                        row = {"network": network, "recipe": recipe, **row}
                        with rows.open("a") as file:
                            file.write(json.dumps(row) + "\n")
                        click.echo(json.dumps(row), err=True)
    click.echo(markdown_of(read(rows)))


def exported(network: str, recipe: str, folder: Path) -> TfliteModel | str:
    """The file of a network at 256x256, kept in `folder`; the reason where there is none."""
    path = folder / f"{network}_{recipe}.tflite"
    if not path.exists():
        try:
            _export(network, recipe, path)
        except LpieError as error:
            return str(error)
    return TfliteModel.parse(path.read_bytes(), path.name, trusted=True)


def _export(network: str, recipe: str, path: Path) -> None:
    from lpie.export.pipeline import export_tflite
    from lpie.export.request import ExportRequest
    from lpie.models import build_model
    from lpie.models.load import load_keras

    if network in UNTRAINED:
        model = build_model("nafnet", **UNTRAINED[network])
    else:
        model = load_keras(Path(network))
    # What is asked here is what the NPU makes of a file, also of one that loses much.
    request = ExportRequest(recipe=recipe, sizes=(TILE,), verify=False)
    export_tflite(model, path, request)


def measured(
    model: TfliteModel | str,
    size: str,
    chip: NpuChip,
    pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    limit_s: float,
) -> dict[str, Any]:
    """A row of the table for one file, size and chip."""
    row: dict[str, Any] = {"size": size, "chip": chip.soc}
    if isinstance(model, str):
        return {**row, "failure": model}
    sized = model.resized(Size.parse(size))
    compiled = compile_for(sized, chip, limit_s=limit_s)
    if compiled.failure:
        return {**row, "failure": compiled.failure}
    row |= {
        "ops": compiled.ops,
        "taken": compiled.accepted,
        "partitions": compiled.partitions,
        "read_mb": compiled.traffic.read / 1e6,
        "written_mb": compiled.traffic.written / 1e6,
    }
    if chip.soc == PHONE:
        row |= _times(sized, chip, limit_s)
        if Size.parse(size) == TILE and compiled.full:
            row["psnr_db"] = _psnr_db(compiled, pairs, limit_s)
    return row


def _times(model: TfliteModel, chip: NpuChip, limit_s: float) -> dict[str, Any]:
    """The maker's estimate of V73 and V81, and the phone's time; nothing where it refuses."""
    try:
        v73, v81 = (vendor_estimate(model, hexagon=h, limit_s=limit_s) for h in ("V73", "V81"))
    except LpieError as error:
        return {"no_estimate": str(error)}
    floats = any(tensor.dtype == "float32" for tensor in model.inputs)
    spilled_gb = (v73.spill_bytes + v73.fill_bytes) / 1e9
    return {
        "v73_ms": v73.ms,
        "v81_ms": v81.ms,
        "phone_ms": predicted_ms(fit_npu(chip), v73.ms, spilled_gb, floats=floats),
        "unpriced": v73.unpriced,
    }


def _psnr_db(
    compiled: Compiled,
    pairs: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    limit_s: float,
) -> float:
    """The mean PSNR of what the emulator makes of noisy crops."""
    model = compiled.model()
    interpreter = NpuInterpreter(model, limit_s=limit_s)
    taken, returned = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scores = []
    for clean, noisy in pairs:
        levels = to_levels(noisy[None], taken["dtype"], *taken["quantization"])
        interpreter.set_tensor(taken["index"], levels)
        interpreter.invoke()
        output = interpreter.get_tensor(returned["index"])
        restored = from_levels(output, *returned["quantization"])[0]
        scores.append(psnr(np.clip(restored, 0, 1), clean))
    interpreter.close()
    return float(np.mean(scores))


def noisy_pairs(
    folder: Path, count: int, sigma: float
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """(clean, noisy): the middle of each photo, [256, 256, 3] float32 in [0, 1]."""
    for number, path in enumerate(sorted(folder.iterdir())[:count]):
        photo = to_float(read_image(path))
        h, w, _ = photo.shape
        if h < TILE.height or w < TILE.width:
            raise InputError(f"{path} must be of 256x256 or more. It is {w}x{h}.")
        y, x = (h - TILE.height) // 2, (w - TILE.width) // 2
        clean = photo[y : y + TILE.height, x : x + TILE.width]
        noise = np.random.default_rng(number).normal(0, sigma / 255, clean.shape)
        yield clean, np.clip(clean + noise, 0, 1).astype(np.float32)


def read(path: Path) -> dict[tuple[str, str, str, str], dict[str, Any]]:
    """The rows that are there, by network, recipe, size and chip."""
    lines = path.read_text().splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return {(r["network"], r["recipe"], r["size"], r["chip"]): r for r in rows}


def markdown_of(rows: dict[tuple[str, str, str, str], dict[str, Any]]) -> str:
    """A line for each file and size: the phone's numbers, and the partitions on all chips."""
    chips = [soc for soc in CHIPS if any(key[3] == soc for key in rows)]
    lines = [
        f"| network | recipe | size | DRAM MB | V73, V81 ms | {PHONE} ms | dB | "
        + " | ".join(chips)
        + " |",
        "|---" * (7 + len(chips)) + "|",
    ]
    for network, recipe, size in dict.fromkeys(key[:3] for key in rows):
        row = rows.get((network, recipe, size, PHONE), {})
        parts = [_partitions(rows.get((network, recipe, size, soc))) for soc in chips]
        lines.append(
            f"| {network} | {recipe} | {size} | {_dram(row)} | {_pair(row)} | "
            f"{_number(row, 'phone_ms', 3)} | {_decibels(row)} | {' | '.join(parts)} |"
        )
    return "\n".join(lines)


def _dram(row: dict[str, Any]) -> str:
    return f"{row['read_mb'] + row['written_mb']:,.1f}" if "read_mb" in row else ""


def _pair(row: dict[str, Any]) -> str:
    if "v73_ms" not in row:
        return ""
    mark = "*" if row["unpriced"] else ""
    return f"{row['v73_ms']:.3g}, {row['v81_ms']:.3g}{mark}"


def _decibels(row: dict[str, Any]) -> str:
    return f"{row['psnr_db']:.2f}" if "psnr_db" in row else ""


def _number(row: dict[str, Any], name: str, digits: int) -> str:
    return f"{row[name]:.{digits}g}" if name in row else ""


def _partitions(row: dict[str, Any] | None) -> str:
    """How many partitions, with the share of ops where that is not all; `no` where none."""
    if row is None:
        return ""
    if "failure" in row:
        return "no"
    whole = row["taken"] == row["ops"]
    return str(row["partitions"]) if whole else f"{row['partitions']} ({row['taken']}/{row['ops']})"


if __name__ == "__main__":
    main()
