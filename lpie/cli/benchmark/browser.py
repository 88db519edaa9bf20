"""`lpie bench --device browser`: in a browser of this computer."""

from typing import TYPE_CHECKING

from lpie.cli.benchmark.bench_options import Options
from lpie.errors import InputError, require, unknown_name
from lpie.size import Size

if TYPE_CHECKING:
    from lpie.benchmarks.records.schema import Record

BROWSER = "browser"
# What the page can do; other options would be ignored, so they are refused.
HONOURED = {
    "models",
    "device",
    "sizes",
    "delegates",
    "threads",
    "rounds",
    "seconds",
    "limit_s",
    "output",
    "as_json",
}


def measured_in_browser(options: Options, typed: set[str]) -> "list[Record]":
    """The records of `options.models` in a browser, in turns."""
    if set(options.device) != {BROWSER}:
        raise InputError("`device` browser measures alone: omit the other devices.")
    for name in sorted(typed - HONOURED):
        raise InputError(f"A browser cannot be told this: omit `{name}` beside --device browser.")
    if not options.models:
        raise InputError("Name MODELS to time: .tflite files or pretrained networks.")
    require("uvicorn", extra="web")
    from lpie.benchmarks.harness.delegate import parse_delegate
    from lpie.web.drive import ACCELERATORS, Wanted, measure_in_browser
    from lpie.web.networks import web_network

    delegates = options.delegates or ("xnnpack",)
    chosen = [parse_delegate(name) for name in delegates]
    for delegate in chosen:
        if delegate.name not in ACCELERATORS:
            raise unknown_name("delegate of a browser", str(delegate), ACCELERATORS)
    half = {name.endswith("-fp16") for name in delegates if name.startswith("gpu")}
    if len(half) > 1:
        raise InputError("Give one precision of the GPU for a browser.")
    if len(options.threads or ()) > 1:
        raise InputError("Give one number of `threads` for a browser.")
    sizes = [Size.parse(size) for size in options.sizes or ("256x256", "fhd")]
    wanted = Wanted(
        sizes=[str(size) for size in sizes],
        accelerators=list(dict.fromkeys(ACCELERATORS[delegate.name] for delegate in chosen)),
        threads=next(iter(options.threads or ()), 0),
        precision="fp16" if True in half else "fp32",
        **{
            name: value
            for name in ("rounds", "seconds", "limit_s")
            if (value := getattr(options, name, None)) is not None
        },
    )
    return measure_in_browser([web_network(model) for model in options.models], wanted)
