"""Measures in a browser of this computer without a hand: it opens the page, which does the rest."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from lpie.benchmarks.records.record import read_records
from lpie.benchmarks.records.schema import Record
from lpie.errors import InputError, LpieError
from lpie.web.networks import WebNetwork
from lpie.web.serve import serving

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge")
FIREFOXES = ("firefox", "firefox-esr")
# Where a delegate's work is done in a browser.
ACCELERATORS = {"xnnpack": "wasm", "gpu": "webgpu", "npu": "webnn"}
SETUP_S = 120


@dataclass(frozen=True)
class Wanted:
    """A measurement. sizes: WIDTHxHEIGHT; accelerators: wasm, webgpu, webnn; threads: 0 for all."""

    sizes: Sequence[str]
    accelerators: Sequence[str] = ("wasm",)
    rounds: int = 5
    seconds: float = 1.0
    threads: int = 0
    tile_px: int = 512
    precision: str = "fp32"
    limit_s: float = 1800.0


def measure_in_browser(
    networks: Sequence[WebNetwork], wanted: Wanted, *, runtime: Path | None = None
) -> list[Record]:
    """The records that a browser of this computer measures, in turns.

    Raises `InputError` when there is no browser, `LpieError` when it ends or takes too long.
    """
    query = urlencode(
        {
            "start": 1,
            "networks": ",".join(network.name for network in networks),
            "sizes": ",".join(wanted.sizes),
            "on": ",".join(wanted.accelerators),
            "rounds": wanted.rounds,
            "seconds": wanted.seconds,
            "threads": wanted.threads,
            "mostPx": wanted.tile_px,
            "precision": wanted.precision,
        }
    )
    with tempfile.TemporaryDirectory(prefix="lpie-") as folder:
        records = Path(folder, "records")
        with (
            serving(networks, records=records, port=0, runtime=runtime) as server,
            _browser(f"{server.address}#measure?{query}", Path(folder, "profile")) as process,
        ):
            _wait(process, records, wanted.limit_s)
        return read_records(records)


def _wait(process: "subprocess.Popen[bytes]", records: Path, limit_s: float) -> None:
    end = time.monotonic() + limit_s + SETUP_S
    while not list(records.glob("*.json")):
        if process.poll() is not None:
            raise LpieError("The browser ended before it had measured.")
        if time.monotonic() > end:
            raise LpieError(f"The browser did not measure within {limit_s + SETUP_S:.0f} s.")
        time.sleep(0.1)


@contextlib.contextmanager
def _browser(address: str, profile: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """A browser without a window that has opened `address`."""
    process = subprocess.Popen(
        _command(address, profile), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _command(address: str, profile: Path) -> list[str]:
    own = os.environ.get("LPIE_BROWSER", "")
    for name in (own,) if own else (*CHROMIUMS, *FIREFOXES):
        program = shutil.which(name)
        if program is None:
            continue
        profile.mkdir(exist_ok=True)
        if "firefox" in Path(program).name:
            return [program, "--headless", "--no-remote", "--profile", str(profile), address]
        # The sandbox does not start for root.
        root = ["--no-sandbox"] if os.name == "posix" and os.geteuid() == 0 else []
        flags = ["--headless=new", f"--user-data-dir={profile}", "--no-first-run", *root]
        return [program, *flags, *os.environ.get("LPIE_BROWSER_FLAGS", "").split(), address]
    raise InputError(
        "No browser was found. Install Chromium or Firefox, or name its program in LPIE_BROWSER."
    )
