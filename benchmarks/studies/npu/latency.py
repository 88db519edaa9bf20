"""Asks the maker's estimate of every network whose latency was published, for `lpie predict`.

    python -m lpie.benchmarks.studies.npu.latency npu_latency.csv

It writes `benchmarks/predict/npu_published.csv`, from which `lpie predict` fits each phone, and
prints how far the fits miss networks that they have not seen. It resumes: rows that are there are
kept. The whole takes about half an hour on 2 cores, most of it for the last two networks.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import click

from lpie.benchmarks.predict import npu
from lpie.benchmarks.studies.npu.reference import NETWORKS, build
from lpie.benchmarks.studies.study import sentences
from lpie.npu.estimate.vendor import VendorEstimate, estimate_onnx

FILE = Path(npu.__file__).with_name(npu.DATA)
ABOUT = """\
# measured (SM...): milliseconds of one inference on the NPU as Qualcomm published them for its
# TFLite models: github.com/quic/ai-hub-models, BSD-3-Clause, commit 52c080d of 2026-02-12.
# estimate_ms and bytes: what Qualcomm's compiler expects on a Hexagon V73 of the same network with
# random weights: onnxruntime-qnn 2.7.0, python -m lpie.benchmarks.studies.npu.latency
"""
COLUMNS = (
    "network", "size", "precision", "kind", "estimate_ms", "lower_ms", "upper_ms", "read_bytes",
    "written_bytes", "spill_bytes", "fill_bytes", "unpriced", *npu.DEVICES,
)  # fmt: skip
# Networks that return images; and one that differs from another by its training alone.
IMAGES = {"unet_segmentation", "fcn_resnet50", "quicksrnetsmall", "quicksrnetmedium",
          "quicksrnetlarge", "sesr_m5", "xlsr", "real_esrgan_general_x4v3",
          "real_esrgan_x4plus"}  # fmt: skip
TWINS = {"esrgan": "real_esrgan_x4plus"}


@click.command(help=__doc__)
@click.argument("published", type=click.Path(path_type=Path, exists=True))
@click.option("--limit", default=3600.0, show_default=True, help="Seconds for one network.")
def main(published: Path, limit: float) -> None:
    """Estimate what is missing, and print the errors of all fits."""
    measured = read_measured(published)
    rows = read_rows()
    with sentences():
        for network, precision in wanted(measured):
            if (network, precision) not in rows:
                expected = estimate_onnx(
                    build(network, int8=precision == "w8a8"),
                    hexagon="V73",
                    name=f"{network} in {precision}",
                    limit_s=limit,
                )
                rows[network, precision] = row_of(network, precision, expected, measured)
                write_rows(rows)
                click.echo(f"{network} {precision}: {expected.ms:.3f} ms", err=True)
    click.echo(errors_table())


def read_measured(path: Path) -> dict[tuple[str, str], dict[str, str]]:
    """Published milliseconds on NPUs: {(network, precision): {chip: ms}}."""
    socs = {device: soc for soc, device in npu.DEVICES.items()}
    measured: dict[tuple[str, str], dict[str, str]] = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            soc = socs.get(row["device"].removesuffix(" (Proxy)"))
            name = TWINS.get(row["model"], row["model"])
            if soc and row["compute_unit"] == "NPU":
                measured.setdefault((name, row["precision"]), {})[soc] = row["latency_ms"]
    return measured


def wanted(measured: dict[tuple[str, str], dict[str, str]]) -> Iterator[tuple[str, str]]:
    """Networks that can be built here and were measured, the small ones first."""
    for network in NETWORKS:
        for precision in ("float", "w8a8"):
            if (network, precision) in measured:
                yield network, precision


def row_of(
    network: str,
    precision: str,
    expected: VendorEstimate,
    measured: dict[tuple[str, str], dict[str, str]],
) -> dict[str, str]:
    """A row of the table."""
    height, width, _ = NETWORKS[network]
    numbers = {
        "estimate_ms": f"{expected.ms:.3f}",
        "lower_ms": f"{expected.lower_ms:.3f}",
        "upper_ms": f"{expected.upper_ms:.3f}",
        "read_bytes": str(expected.read_bytes),
        "written_bytes": str(expected.written_bytes),
        "spill_bytes": str(expected.spill_bytes),
        "fill_bytes": str(expected.fill_bytes),
        "unpriced": str(expected.unpriced),
    }
    return {
        "network": network,
        "size": f"{width}x{height}",
        "precision": precision,
        "kind": "image" if network in IMAGES else "classes",
        **numbers,
        **measured[network, precision],
    }


def read_rows() -> dict[tuple[str, str], dict[str, str]]:
    """The rows that are there, by network and precision."""
    if not FILE.exists():
        return {}
    lines = [line for line in FILE.read_text().splitlines() if not line.startswith("#")]
    return {(row["network"], row["precision"]): row for row in csv.DictReader(lines)}


def write_rows(rows: dict[tuple[str, str], dict[str, str]]) -> None:
    """Write the table anew."""
    with FILE.open("w", newline="") as file:
        file.write(ABOUT)
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


def errors_table() -> str:
    """A Markdown table of the fits and their errors."""
    npu.published_npu.cache_clear()
    npu.fit_npu.cache_clear()
    lines = [
        "| device | chip | rows, networks | float, int8, GB | mean, median, worst | images | "
        "interval | held |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for fit in npu.npu_fits():
        lines.append(
            f"| {fit.device} | {fit.chip.soc} | {fit.rows}, {fit.networks} | "
            f"{fit.float_factor:.3f} e + {fit.float_ms:.3f}, "
            f"{fit.int8_factor:.3f} e + {fit.int8_ms:.3f}, "
            f"{fit.ms_per_gb:.2f} ms | {fit.mean_error:.1%}, "
            f"{fit.median_error:.0%}, {fit.worst_error:.0%} | {fit.image_error:.1%} | "
            f"x {fit.lower:.2f} to {fit.upper:.2f} | {fit.covered:.0%} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
