"""The speed of a `.tflite` on this machine by tile size, measured once and then remembered."""

import contextlib
import dataclasses
import importlib.metadata
import math
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lpie.errors import InputError
from lpie.restore.tile_policy import PROBE_RUNS, PROBE_SIDES_PX, Rates, shares
from lpie.size import Size
from lpie.system.documents import parse_json, read_file
from lpie.system.environment import cache_folder, cpu_name
from lpie.system.files import to_json, write_atomic
from lpie.tflite.interpreter import RuntimeName, Session
from lpie.tflite.model import TfliteModel

LONGEST_CACHE = 10_000_000  # bytes; it has some hundred for each file that was ever timed


def known_rates(key: str, threads: int) -> list[Rates] | None:
    """The rates that were measured for `key` (see `rates_key`), or None."""
    stored = remembered(key, "rates")
    # Another version's, or damaged: measure again.
    with contextlib.suppress(TypeError, ValueError, AttributeError):
        rates = [_rates(entry) for entry in stored or []]
        ways = set(shares(threads))
        if rates and all((r.workers, r.threads) in ways and _plausible(r) for r in rates):
            return rates
    return None


def unmeasured_rates(threads: int) -> list[Rates]:
    """Rates to plan by before any measurement: one interpreter per core, any tile alike.

    Threads of one interpreter wait for each other at each op; interpreters do not.
    """
    return [Rates(workers, threads // workers) for workers, _ in shares(threads)][:1]


def busy() -> bool:
    """Whether other work wants the cores: what is measured then would mislead for ever."""
    return os.getloadavg()[0] > (os.cpu_count() or 1)


def measure_rates(
    model: TfliteModel,
    key: str,
    *,
    threads: int,
    runtime: RuntimeName,
    multiple: int,
    channels: int = 3,
    fits: Callable[[int, int], bool],
) -> list[Rates]:
    """Time `model` on tiles, remember the rates under `key`, and return them.

    fits: whether so many interpreters for a tile of that area (px) may be opened.
    """
    rates = []
    for workers, threads_each in shares(threads):
        sides = [side // multiple * multiple for side in PROBE_SIDES_PX if fits(workers, side**2)]
        ends = sorted({*sides[:1], *sides[-1:]})
        # Runs as long as each other: a short one more often has the machine to itself.
        timed = [
            _time(
                model,
                (side, side, channels),
                workers,
                threads_each,
                runtime,
                repeats=(ends[-1] // side) ** 2,
            )
            for side in ends
        ]
        if timed:
            areas, speeds, setups = zip(*timed, strict=True)
            rates.append(Rates(workers, threads_each, areas, speeds, max(setups)))
    if not rates:
        return unmeasured_rates(threads)
    remember(key, "rates", [dataclasses.asdict(rate) for rate in rates])
    return rates


def rates_key(model: TfliteModel, threads: int, runtime: RuntimeName) -> str:
    """All that rates depend on: the model's SHA-256, the runtime, its version, CPU and threads."""
    version = importlib.metadata.version(runtime)
    return f"{model.sha256} {runtime} {version} {cpu_name()} {threads} threads"


def remember(key: str, name: str, value: object) -> None:
    """Keep a fact about `key` for later processes."""
    path = cache_file()
    if path is None:
        return
    cache = _read()
    # A home that cannot be written to must not stop a restoration: it will only be measured again.
    with contextlib.suppress(OSError, InputError):
        write_atomic(path, to_json({**cache, key: {**cache.get(key, {}), name: value}}))


def remembered(key: str, name: str) -> Any:
    """The value that `remember` kept, or None."""
    return _read().get(key, {}).get(name)


def cache_file() -> Path | None:
    """The file that measurements are kept in; None where there is no place for it."""
    folder = cache_folder()
    return folder / "rates.json" if folder else None


def _time(
    model: TfliteModel,
    shape: tuple[int, int, int],
    workers: int,
    threads: int,
    runtime: RuntimeName,
    *,
    repeats: int,
) -> tuple[float, float, float]:
    """(area in px, pixels per second of all workers, set-up seconds per pixel of one)."""
    side = shape[0]
    resized = model.resized(Size(side, side))
    sessions = [Session(resized, threads=threads, runtime=runtime) for _ in range(workers)]
    setup = sum(session.setup_s for session in sessions) / workers
    image = np.random.default_rng(0).random(shape, np.float32)

    def work(session: Session) -> None:
        for _ in range(repeats):
            session.run(image)

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, sessions))
        times = []
        for _ in range(PROBE_RUNS):
            start = time.perf_counter()
            list(pool.map(work, sessions))
            times.append(time.perf_counter() - start)
    for session in sessions:
        session.close()
    return float(side**2), workers * repeats * side**2 / min(times), setup / side**2


def _read() -> dict[str, dict[str, Any]]:
    """What is remembered; nothing of a file that cannot be read, which is then written anew."""
    path = cache_file()
    try:
        cache = parse_json(read_file(path, most=LONGEST_CACHE)) if path else {}
    except (OSError, ValueError):
        return {}
    entries = cache.items() if isinstance(cache, dict) else ()
    return {key: facts for key, facts in entries if isinstance(facts, dict)}


def _rates(entry: Mapping[str, Any]) -> Rates:
    """The rates of which `dataclasses.asdict` and JSON made `entry`."""
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}
    return Rates(**values)


def _plausible(rates: Rates) -> bool:
    numbers = (*rates.areas_px, *rates.pixels_per_s, rates.setup_s_per_pixel)
    equal = len(rates.areas_px) == len(rates.pixels_per_s) > 0
    return equal and all(isinstance(n, float | int) and 0 < n < math.inf for n in numbers)
