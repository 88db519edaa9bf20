"""A suite's result as tables for people, in a terminal or in Markdown."""

from collections.abc import Sequence
from typing import Any

HEADER = ("method", "told", "PSNR dB", "SSIM", "gain dB", "s/MP")


def title(table: dict[str, Any]) -> str:
    """One line: the task, its images, how they were degraded and how many they are."""
    count = len(table["degraded"]["images"])
    return (
        f"{table['task']}: {table['folder']}, {table['degradation']}, "
        f"{count} image{'s' if count != 1 else ''}"
    )


def rows(table: dict[str, Any]) -> list[list[str]]:
    """The cells under `HEADER`: the degraded input, then every method."""
    start = table["degraded"]
    return [
        ["degraded input", "", f"{start['psnr_db']:.2f}", f"{start['ssim']:.4f}", "", ""],
        *(
            [
                row["method"],
                row["told"],
                f"{row['psnr_db']:.2f}",
                f"{row['ssim']:.4f}",
                f"{row['gain_db']:+.2f}",
                f"{row['s_per_megapixel']:.3g}",
            ]
            for row in table["methods"]
        ),
    ]


def conditions(result: dict[str, Any]) -> str:
    """One line: what ran where, on how many threads, when."""
    where = result["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    return (
        f"Suite {result['suite']}, seed {result['seed']}, {where['date']}; {where['cpu']}, "
        f"{where['cores']} cores (models), {where['opencv_threads']} threads (OpenCV), 1 "
        f"(scikit-image), load {where['load']} at the start; Python {where['python']}, {versions}."
    )


def markdown(result: dict[str, Any]) -> str:
    """The whole result but the single images."""
    parts = [conditions(result)]
    about: dict[str, None] = {}  # an ordered set: one method may differ between tasks
    for table in result["tables"]:
        parts += [f"### {title(table)}", _grid([HEADER, *rows(table)])]
        about |= {f"- {r['method']} ({r['told']}): {r['about']}": None for r in table["methods"]}
    if about:
        parts.append("\n".join(about))
    return "\n\n".join(parts) + "\n"


def _grid(table: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table]
    return "\n".join([lines[0], "|---|---|" + "---:|" * (len(HEADER) - 2), *lines[1:]])
