"""What `lpie inspect`, `verify` and `export` share about NPUs: the options, and how a compile is
told."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lpie.cli.options import Decorator, option

if TYPE_CHECKING:
    from lpie.npu.chips import NpuChip
    from lpie.npu.compile import Compiled
    from lpie.tflite.model import TfliteModel

# As `lpie.npu.compile.LIMIT_S`, which must not be loaded for a --help.
LIMIT_S = 900.0
LAYERS_SHOWN = 4
CHIPS_HELP = "a chip (SM8650, snapdragon-8-gen-3) or a phone (galaxy-s24)"


def npu_option(words: str) -> Decorator:
    """The option --npu, repeatable. words: what it is for."""
    return option("--npu", "npus", multiple=True, metavar="NAME", help=words)


def limit_option() -> Decorator:
    """The option --npu-limit."""
    return option(
        "--npu-limit",
        "npu_limit_s",
        type=float,
        default=LIMIT_S,
        show_default=True,
        help="Timeout of one compile, and of one run on the emulator, for --npu, in seconds.",
        advanced=True,
    )


def compiled_for(
    model: "TfliteModel", chips: list["NpuChip"], limit_s: float
) -> Iterator["Compiled"]:
    """The file compiled for each chip in turn."""
    from lpie.errors import InputError
    from lpie.npu.compile import compile_for

    if model.compiled_for_npu:
        raise InputError(
            f"{model.name} is compiled for an NPU already. Give the file that it came from."
        )
    for chip in chips:
        yield compile_for(model, chip, limit_s=limit_s)


def check_limit(limit_s: float) -> None:
    """Refuse a time limit that is none."""
    from lpie.errors import InputError

    if not 0 < limit_s < 1e7:
        raise InputError(
            f"--npu-limit must be a number of seconds above 0. Received: {limit_s:g}. "
            f"Try {LIMIT_S:g}."
        )


def npu_table(compiled: "Compiled") -> dict[str, Any]:
    """A compile, ready for JSON."""
    chip = compiled.chip
    return {
        "chip": chip.soc,
        "name": chip.marketing,
        "hexagon": chip.hexagon,
        "vtcm_mb": chip.vtcm_mb,
        "ops": compiled.ops,
        "accepted": compiled.accepted,
        "partitions": compiled.partitions,
        "full": compiled.full,
        "refused": [dataclasses.asdict(refusal) for refusal in compiled.refused],
        "dram_bytes": dataclasses.asdict(compiled.traffic),
        "compiled_bytes": len(compiled.data) or None,
        "compile_s": round(compiled.seconds, 2),
        "failure": compiled.failure,
        "versions": compiled.versions,
    }


def npu_lines(compiled: "Compiled") -> Iterator[str]:
    """A compile in a few lines."""
    chip, traffic = compiled.chip, compiled.traffic
    name = f"{chip} Hexagon {chip.hexagon}"
    if compiled.failure:
        yield compiled.failure
        return
    parts = f"{compiled.partitions} partition{'' if compiled.partitions == 1 else 's'}"
    if compiled.full:
        yield f"{name}: takes all {compiled.ops} ops, {parts}"
    else:
        yield f"{name}: refused {len(compiled.refused)} of {compiled.ops} ops, {parts}"
        yield from _refusal_lines(compiled)
    once = "one run of each size" if compiled.sizes > 1 else "one run"
    yield (
        f"  DRAM in {once}: {_mb(traffic.read)} read, {_mb(traffic.written)} written, of which "
        f"{_mb(traffic.spilled)} spilled and {_mb(traffic.filled)} filled, as the NPU's own memory "
        f"has {chip.vtcm_mb} MiB"
    )
    yield f"  compiled to {_mb(len(compiled.data))} in {compiled.seconds:.1f} s"


def _refusal_lines(compiled: "Compiled") -> Iterator[str]:
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for refusal in compiled.refused:
        groups[refusal.op, refusal.reason].append(refusal.layer)
    for (op, reason), layers in groups.items():
        named = [layer for layer in dict.fromkeys(layers) if layer]
        shown = ", ".join(named[:LAYERS_SHOWN])
        more = f" and {len(named) - LAYERS_SHOWN} more" if len(named) > LAYERS_SHOWN else ""
        where = f" ({shown}{more})" if named else ""
        yield f"  {len(layers)} {op}{where}: {reason}"


def _mb(size: int) -> str:
    """A number of bytes in 10^6 of them."""
    return "0 MB" if not size else f"{size / 1e6:.3g} MB" if size < 1e9 else f"{size / 1e6:.0f} MB"
