"""What `lpie inspect` and `lpie export` say of a file, in lines."""

import dataclasses
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import click

from lpie.cli.format import print_table

if TYPE_CHECKING:
    from lpie.export.delegates import Verdict
    from lpie.export.delegates.float16_range import Peak
    from lpie.export.delegates.gpu_run import GpuRun

MOST_PEAKS = 3


def verdict_table(verdict: "Verdict") -> dict[str, Any]:
    """A verdict as plain values."""
    facts = ("full", "kills_delegate")
    return {**dataclasses.asdict(verdict), **{name: getattr(verdict, name) for name in facts}}


def show(report: dict[str, Any], verdicts: list["Verdict"]) -> None:
    click.echo(f"{report['file']}: {report['file_bytes'] / 1e3:.1f} kB")
    if report["spec"]:
        click.echo(_spec_line(report["spec"]))
    for side in ("inputs", "outputs"):
        for tensor in report[side]:
            click.echo(f"{side[:-1]}: {_tensor_line(tensor)}")
    per_pixel = report["macs_per_pixel"]
    rest = "" if per_pixel is None else f", {per_pixel:.0f} per pixel"
    click.echo(f"{report['parameters']} parameters, {report['macs'] / 1e9:.3f} GMACs{rest}")
    click.echo(f"XNNPACK peak memory: about {report['xnnpack_peak_mb']:.0f} MB (estimated)")
    click.echo(_gpu_line(report["gpu_memory"]))
    click.echo(f"read and written by all ops: {report['moved_mb']:.0f} MB, were nothing cached")
    click.echo("")
    print_table(("op", "count"), [(op, str(n)) for op, n in report["op_counts"].items()])
    click.echo("")
    for verdict in verdicts:
        click.echo(verdict_line(verdict))


def verdict_line(verdict: "Verdict") -> str:
    """A verdict in one line, its refusals grouped by op and reason."""
    ops = verdict.accepted + len(verdict.refused)
    pieces = f"{verdict.partitions} partition{'' if verdict.partitions == 1 else 's'}"
    if verdict.full:
        return f"{verdict.delegate}: takes all {ops} ops, {pieces}"
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    # Reasons that fail the whole delegate come first.
    for refusal in sorted(verdict.refused, key=lambda refusal: not refusal.fatal):
        groups[refusal.reason][refusal.op] += 1
    reasons = "; ".join(
        f"{reason}: " + ", ".join(f"{n} {op}" for op, n in ops_of.items())
        for reason, ops_of in groups.items()
    )
    outcome = "the delegate fails" if verdict.kills_delegate else pieces
    return f"{verdict.delegate}: refused {len(verdict.refused)} of {ops} ops, {outcome}: {reasons}"


def run_line(run: "GpuRun") -> str:
    """A run on a GPU in one line."""
    where = f"{run.runtime} on {run.adapter}"
    if run.full:
        found = ", ".join(f"{d:.2g} in {kind}" for kind, d in run.differences.items())
        return f"{where}: runs all of it, differs from the CPU by at most {found}"
    return f"{where}: {run.failure or 'leaves to the CPU: ' + '; '.join(run.refused)}"


def _gpu_line(memory: dict[str, Any]) -> str:
    """What tensors need on a phone's GPU, and which limits they meet."""
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
    """The highest values, and whether float16 holds all of them."""
    high = [peak for peak in peaks if peak.overflows]
    named = ", ".join(
        f"{peak.op} {peak.index} ({peak.value:.3g}"
        + (f", sums below {peak.total:.3g})" if peak.total else ")")
        for peak in (high or peaks)[:MOST_PEAKS]
    )
    verdict = f"{len(high)} ops may overflow" if high else "nothing overflows; the highest"
    return f"float16 on these photos: {verdict}: {named}"
