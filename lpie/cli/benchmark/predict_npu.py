"""`lpie predict --unit npu` for phones whose NPU's maker offers an estimate."""

import dataclasses
from typing import TYPE_CHECKING, Any

from lpie.cli.format import echo, print_table
from lpie.errors import InputError

if TYPE_CHECKING:
    from lpie.benchmarks.predict.npu import NpuFit
    from lpie.tflite.model import TfliteModel

NAMES = {"float32": "fp16", "float16": "fp16", "int8": "int8", "uint8": "int8", "int16": "int16",
         "uint16": "int16"}  # fmt: skip


def npu_estimate(model: "TfliteModel", phone: str, precision: str | None) -> dict[str, Any]:
    """Return what is estimated of `model` on the NPU of a phone, ready for JSON."""
    from lpie.benchmarks.predict.npu import find_npu, fit_npu, predicted_ms
    from lpie.npu.estimate.vendor import vendor_estimate

    chip = find_npu(phone)
    computed = computed_in(model)
    if precision is not None and precision not in computed:
        raise InputError(
            f"--precision must be what the file computes in: {' and '.join(computed)}. Received: "
            f"{precision}. Export another file for that, as by lpie export --recipe int8."
        )
    floats = any(tensor.dtype == "float32" for tensor in model.inputs)
    if floats and chip.floats != "right":
        raise InputError(
            f"The NPU of {chip} refuses float networks. Export one in int8: lpie export MODEL "
            "--recipe int8."
        )
    fit, vendor = fit_npu(chip), vendor_estimate(model)
    spilled = vendor.spill_bytes + vendor.fill_bytes
    ms = predicted_ms(fit, vendor.ms, spilled / 1e9, floats=floats)
    return {
        "phone": phone,
        "soc": chip.soc,
        "unit": "npu",
        "precision": " and ".join(computed),
        "estimate": {"ms": ms, "lower_ms": ms * fit.lower, "upper_ms": ms * fit.upper},
        "vendor": dataclasses.asdict(vendor),
        "fit": plain_fit(fit),
        "limits": limits(fit, vendor.ms, computed),
    }


def computed_in(model: "TfliteModel") -> list[str]:
    """The number formats of what its ops return, the most frequent first."""
    kinds = [NAMES.get(t.dtype, t.dtype) for op in model.ops if not op.folded for t in op.outputs]
    return sorted(set(kinds), key=lambda kind: -kinds.count(kind))


def limits(fit: "NpuFit", vendor_ms: float, computed: list[str]) -> list[str]:
    """Why the estimate may be worse than its interval says, as sentences."""
    reasons = []
    if vendor_ms > fit.largest_ms:
        reasons.append(
            f"The network is larger than all that were published: the compiler expected at most "
            f"{fit.largest_ms:.0f} ms of those."
        )
    if "int16" in computed:
        reasons.append("No latency of a network with 16-bit activations was published.")
    if len(computed) > 1:
        reasons.append("No latency of a network of several number formats was published.")
    return reasons


def plain_fit(fit: "NpuFit") -> dict[str, Any]:
    """A fit, ready for JSON."""
    return {**vars(fit), "chip": fit.chip.soc}


def print_npu_estimate(report: dict[str, Any]) -> None:
    """Print what `npu_estimate` returned."""
    estimate, vendor, fit = report["estimate"], report["vendor"], report["fit"]
    echo(
        f"{report['file']} at {report['size']} on {report['phone']} ({report['soc']}), NPU, "
        f"{report['precision']}: an estimated {estimate['ms']:.3g} ms, "
        f"{estimate['lower_ms']:.2g} to {estimate['upper_ms']:.2g} ms. Estimated, never measured "
        "on a phone."
    )
    dram = sum(vendor[f"{part}_bytes"] for part in ("read", "written", "spill", "fill"))
    echo(
        f"Qualcomm's compiler expects {vendor['ms']:.3g} ms ({vendor['lower_ms']:.3g} to "
        f"{vendor['upper_ms']:.3g}) on a Hexagon {vendor['hexagon']}, and {dram / 1e6:,.1f} MB "
        f"from and to DRAM, {(vendor['spill_bytes'] + vendor['fill_bytes']) / 1e6:,.1f} MB of them "
        "for lack of memory in the NPU."
    )
    if vendor["unpriced"]:
        kinds = ", ".join(vendor["unpriced_ops"]) or "unnamed"
        echo(
            f"It knows no cost of {vendor['unpriced']} parts ({kinds}), which the estimate "
            "therefore counts as nothing."
        )
    echo(_fitted(fit))
    for reason in report["limits"]:
        echo(reason)


def _fitted(fit: dict[str, Any]) -> str:
    return (
        f"The phone's time was fitted to {fit['rows']} latencies of {fit['networks']} networks on "
        f"{fit['device']}, which Qualcomm published. A network left out of the fit was missed by "
        f"{fit['mean_error']:.0%} on average, {fit['median_error']:.0%} in the median and "
        f"{fit['worst_error']:.0%} at worst ({fit['image_error']:.0%} on average where it returns "
        f"an image); the interval held {fit['covered']:.0%} of them."
    )


def print_npu_fits(fits: list[dict[str, Any]]) -> None:
    """Print how far each phone's fit misses networks that it has not seen."""
    echo("NPU estimates beside published latencies, each network left out of its own fit:")
    cells = [
        [
            f"{fit['device']} ({fit['chip']})",
            f"{fit['rows']} of {fit['networks']}",
            f"{fit['mean_error']:.0%}",
            f"{fit['image_error']:.0%}",
            f"{fit['median_error']:.0%}",
            f"{fit['worst_error']:.0%}",
            f"x {fit['lower']:.2f} to {fit['upper']:.2f} holds {fit['covered']:.0%}",
        ]
        for fit in fits
    ]
    head = ["device", "rows of networks", "mean", "images", "median", "worst", "interval"]
    print_table(head, cells)
