"""What the verbs print: JSON for programs; tables, verdicts and progress for people."""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from lpie.printable import printable
from lpie.system.files import to_json

if TYPE_CHECKING:
    from lpie.export.delegates import Verdict
    from lpie.export.delegates.float16_range import Peak
    from lpie.export.delegates.gpu_run import GpuRun

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object only.")


def echo(*lines: object, err: bool = False) -> None:
    """Print `lines`, whatever foreign text they hold: a terminal acts on nothing in them.

    Every verb prints by this function, `print_json` or `print_table`.

    Args:
        lines: The lines, each of which stays one.
        err: Whether to print on standard error.
    """
    for line in lines:
        click.echo(printable(line), err=err)


def print_json(value: Any) -> None:
    """Print `value` as one JSON document on standard output, in ASCII."""
    click.echo(to_json(value), nl=False)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print aligned columns: the first to the left, the others to the right."""
    table = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    for row in table:
        cells = [
            text.ljust(width) if i == 0 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        echo("  ".join(cells).rstrip())


def progress_bar(items: Sequence[Any], *, unit: str, disable: bool = False) -> Iterator[Any]:
    """Yield `items` one by one, with a progress bar on standard error."""
    return iter(tqdm(items, unit=unit, disable=disable, dynamic_ncols=True, leave=False))


class PhotoBar:
    """Progress over photos on standard error, with the name of the one in work.

    Of a single photo it counts the pixels. disable: show nothing; nothing is shown either where
    standard error is no terminal.
    """

    def __init__(self, *, disable: bool) -> None:
        options = {"dynamic_ncols": True, "leave": False}
        self._bar = tqdm(disable=True if disable else None, **options)
        self._pixels = 0

    def __enter__(self) -> "PhotoBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def start(self, index: int, count: int, photo: Path) -> None:
        """Show that `photo`, of number `index` from 0 on, is in work."""
        if self._bar.disable:
            return
        self._pixels, self._bar.total, self._bar.n = 0, count, index
        self._bar.unit = "photo"
        self._name = printable(photo.name)[-40:]
        self._bar.set_postfix_str(self._name)

    def progress(self, pixels: int) -> None:
        """Show that `pixels` more of the photo are restored."""
        self._pixels += pixels
        if not self._bar.disable:
            self._bar.set_postfix_str(f"{self._name}, {self._pixels / 1e6:.1f} MP", refresh=False)
            self._bar.update(0)

    def print(self, *lines: str) -> None:
        """Print `lines` on standard output, above the bar."""
        with tqdm.external_write_mode():
            echo(*lines)


# The tables of `lpie evaluate --suite`.
SUITE_HEADER = ("method", "told", "PSNR dB", "SSIM", "gain dB", "s/MP")


def suite_title(table: dict[str, Any]) -> str:
    """Return one line: the task, its images, how they were degraded and how many they are."""
    count = len(table["degraded"]["images"])
    return (
        f"{table['task']}: {table['folder']}, {table['degradation']}, "
        f"{count} image{'s' if count != 1 else ''}"
    )


def suite_rows(table: dict[str, Any]) -> list[list[str]]:
    """Return the cells under `SUITE_HEADER`: the degraded input, then every method."""
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
        *(_published_row(row, start["psnr_db"]) for row in table["published"]),
    ]


def _published_row(row: dict[str, Any], degraded_db: float) -> list[str]:
    gain = row["psnr_db"] - degraded_db
    return [f"{row['method']}, published", "", f"{row['psnr_db']:.2f}", "", f"{gain:+.2f}", ""]


def literature_table(result: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows of PSNR by set and sigma, as papers print it.

    No rows for another suite than that of the literature.
    """
    if result["suite"] != "awgn":
        return [], []
    tables = result["tables"]
    header = ["PSNR dB", *(f"{t['folder']} {t['noise_sigma']:g}" for t in tables)]
    scores: dict[str, dict[int, float]] = {}
    for column, table in enumerate(tables):
        named = {row["method"]: row["psnr_db"] for row in reversed(table["methods"])}
        theirs = {f"{row['method']}, published": row["psnr_db"] for row in table["published"]}
        for method, psnr_db in {**named, **theirs}.items():
            scores.setdefault(method, {})[column] = psnr_db
    columns = range(len(tables))
    return header, [
        [method, *(f"{row[c]:.2f}" if c in row else "" for c in columns)]
        for method, row in scores.items()
    ]


def suite_environment(result: dict[str, Any]) -> str:
    """Return one line: what ran where, on how many threads, when."""
    where = result["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    return (
        f"Suite {result['suite']}, seed {result['seed']}, {where['date']}; {where['cpu']}, "
        f"{where['cores']} cores (models), {where['opencv_threads']} threads (OpenCV), 1 "
        f"(scikit-image), load {where['load']} at the start; Python {where['python']}, {versions}."
    )


def suite_markdown(result: dict[str, Any]) -> str:
    """Return the result of a suite as Markdown, without the single images."""
    parts = [suite_environment(result)]
    about: dict[str, None] = {}  # an ordered set: one method may differ between tasks
    for table in result["tables"]:
        parts += [f"### {suite_title(table)}", _grid(suite_rows(table))]
        about |= {f"- {r['method']} ({r['told']}): {r['about']}": None for r in table["methods"]}
    header, rows = literature_table(result)
    if rows:
        parts += ["### All sets", _grid(rows, header)]
    if about:
        parts.append("\n".join(about))
    return "\n\n".join(parts) + "\n"


def _grid(rows: Sequence[Sequence[str]], header: Sequence[str] = SUITE_HEADER) -> str:
    from lpie.benchmarks.reports.table import markdown

    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    words = 2 if header is SUITE_HEADER else 1
    return markdown(header, cells, words=words, aligned=False)


# What `lpie inspect` and `lpie export` say about a file.
MOST_PEAKS = 3


def verdict_table(verdict: "Verdict") -> dict[str, Any]:
    """Return a verdict as plain values."""
    facts = ("full", "kills_delegate")
    return {**dataclasses.asdict(verdict), **{name: getattr(verdict, name) for name in facts}}


def print_inspection(report: dict[str, Any], verdicts: Sequence["Verdict"]) -> None:
    """Print what `lpie inspect` reports of a file."""
    echo(f"{report['file']}: {report['file_bytes'] / 1e3:.1f} kB")
    if report["compiled_for"]:
        echo(f"compiled for {report['compiled_for']}, and runs there alone")
    if report["spec"]:
        echo(_spec_line(report["spec"]))
    for side in ("inputs", "outputs"):
        for tensor in report[side]:
            echo(f"{side[:-1]}: {_tensor_line(tensor)}")
    echo(_tiles_line(report["tiles"]))
    if len(report["graphs"]) > 1:
        for number, graph in enumerate(report["graphs"]):
            echo(_graph_line(number, graph))
        echo("What follows is about graph 0, which an interpreter runs unless told otherwise:")
    per_pixel = report["macs_per_pixel"]
    rest = "" if per_pixel is None else f", {per_pixel:.0f} per pixel"
    echo(f"{report['parameters']} parameters, {report['macs'] / 1e9:.3f} GMACs{rest}")
    echo(f"XNNPACK peak memory: about {report['xnnpack_peak_mb']:.0f} MB (estimated)")
    echo(_gpu_line(report["gpu_memory"]))
    echo(f"memory traffic: {report['moved_mb']:.0f} MB (assuming no cache hits)")
    echo("")
    print_table(("op", "count"), [(op, str(n)) for op, n in report["op_counts"].items()])
    echo("")
    for verdict in verdicts:
        echo(verdict_line(verdict))


def _tiles_line(tiles: dict[str, Any]) -> str:
    """How `lpie restore` uses a file, in one line."""
    if "scale" not in tiles:
        return f"lpie restore: refused. {tiles['reason']}."
    sizes = f", multiples of {tiles['multiple']} px" if tiles["multiple"] > 1 else ""
    facts = sizes + (f", output x{tiles['scale']}" if tiles["scale"] > 1 else "")
    if tiles["halo_px"] is None:
        return f"lpie restore: tiles are not exact{facts}. {tiles['reason']}."
    own = "" if tiles["resizable"] else " of its own size"
    return f"lpie restore: exact tiles{own}, halo {tiles['halo_px']} px{facts}"


def verdict_line(verdict: "Verdict") -> str:
    """Return a verdict in one line, its refusals grouped by op and reason."""
    ops = verdict.accepted + len(verdict.refused)
    partitions = f"{verdict.partitions} partition{'' if verdict.partitions == 1 else 's'}"
    if verdict.full:
        return f"{verdict.delegate}: takes all {ops} ops, {partitions}"
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    # Reasons that fail the whole delegate come first.
    for refusal in sorted(verdict.refused, key=lambda refusal: not refusal.fatal):
        groups[refusal.reason][refusal.op] += 1
    reasons = "; ".join(
        f"{reason}: " + ", ".join(f"{n} {op}" for op, n in ops_of.items())
        for reason, ops_of in groups.items()
    )
    outcome = "the delegate fails" if verdict.kills_delegate else partitions
    return f"{verdict.delegate}: refused {len(verdict.refused)} of {ops} ops, {outcome}: {reasons}"


def run_line(run: "GpuRun") -> str:
    """Return a run on a GPU in one line."""
    where = f"{run.runtime} on {run.adapter}"
    if run.full:
        differences = ", ".join(f"{d:.2g} in {kind}" for kind, d in run.differences.items())
        return f"{where}: runs all of it, differs from the CPU by at most {differences}"
    return f"{where}: {run.failure or 'leaves to the CPU: ' + '; '.join(run.refused)}"


def _gpu_line(memory: dict[str, Any]) -> str:
    """Return what tensors need on a phone's GPU, and which limits they exceed."""
    lying, turned = memory["untextured"], memory["untextured_turned"]
    met = []
    if lying or turned:
        note = f" ({turned} with the image turned)" if turned != lying else ""
        met.append(f"; {lying} of {memory['tensors']} tensors are slower buffers{note}")
    if memory["beyond_opengl"]:
        met.append(f"; {memory['beyond_opengl']} larger than OpenGL's 128 MiB")
    if memory["beyond_allocation"]:
        met.append(f"; {memory['beyond_allocation']} larger than the 1 GiB of one OpenCL buffer")
    return (
        f"GPU memory in float16: about {memory['live_mb']:.0f} MB at once, the largest tensor "
        f"{memory['largest_mb']:.0f} MB (estimated){''.join(met)}"
    )


def _graph_line(number: int, graph: dict[str, Any]) -> str:
    names = ", ".join(graph["signatures"])
    name = f" {graph['name']}" if graph["name"] else ""
    asked = f" (signature {names})" if names else ""
    return (
        f"graph {number}{name}{asked}: {graph['ops']} ops, {graph['parameters']} parameters, "
        f"{graph['macs'] / 1e9:.3f} GMACs"
    )


def _spec_line(spec: dict[str, Any]) -> str:
    size = ", ".join(spec["signatures"]) or f"{spec['width']}x{spec['height']}"
    return (
        f"{spec['network']}, {spec['recipe']}, {size}, "
        f"sides in multiples of {spec['multiple']} px, halo {spec['halo_px']} px"
    )


def _tensor_line(tensor: dict[str, Any]) -> str:
    text = f"{tensor['dtype']} {tensor['shape']}"
    if tensor["scale"] is None:
        return text
    return f"{text}, scale {tensor['scale']:.8g}, zero point {tensor['zero_point']}"


def peaks_line(peaks: list["Peak"]) -> str:
    """Return the highest values, and whether float16 holds all of them."""
    high = [peak for peak in peaks if peak.overflows]
    named = ", ".join(
        f"{peak.op} {peak.index} ({peak.value:.3g}"
        + (f", sums below {peak.total:.3g})" if peak.total else ")")
        for peak in (high or peaks)[:MOST_PEAKS]
    )
    verdict = f"{len(high)} ops may overflow" if high else "nothing overflows; the highest"
    return f"float16 on these photos: {verdict}: {named}"
