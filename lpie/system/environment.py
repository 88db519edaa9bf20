"""The environment of a measurement: the processor, its threads, the packages and the day."""

import datetime
import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import cv2

# The packages that restore or measure; one that is not installed is left out.
PACKAGES = (
    "lpie",
    "numpy",
    "opencv-python-headless",
    "scikit-image",
    "tensorflow",
    "jax",
    "keras",
    "ai-edge-litert",
)


def environment() -> dict[str, Any]:
    """Processor, cores, OpenCV's threads, load, system, versions and date, as JSON holds them.

    load: how many processes wanted a core in the last minute; near 0 when the machine was free.
    """
    return {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "opencv_threads": cv2.getNumThreads(),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "date": datetime.date.today().isoformat(),
    }


def cpu_name() -> str:
    """The processor's name by the operating system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def cache_folder() -> Path | None:
    """Where measurements of this computer are kept: $XDG_CACHE_HOME/lpie, else ~/.cache/lpie.

    None where the user has no home, as in some containers.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base, "lpie") if os.path.isabs(base) else None


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
