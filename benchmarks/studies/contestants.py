"""Who trains in a comparison, and how its process is started."""

import dataclasses
import math
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lpie.benchmarks.harness.child import Child
from lpie.benchmarks.studies.study import photo_like
from lpie.config.config import Config, to_dict

PRECISIONS = ("float32", "bfloat16")
BATCHES = 4  # different ones, in turn
NOISE = 25 / 255


@dataclasses.dataclass(frozen=True)
class Contestant:
    """One way to train LPIENet: lpie on a backend of Keras, or PyTorch."""

    backend: str
    precision: str = "float32"
    devices: str = "1"
    layout: str = ""  # of PyTorch's tensors
    compiled: bool = False

    @property
    def name(self) -> str:
        devices = "" if self.devices == "1" else f"on {self.devices}"
        words = self.backend, self.precision, devices, self.layout, "compiled" * self.compiled
        return " ".join(word for word in words if word)


def contestants(
    backends: Sequence[str],
    *,
    precisions: Sequence[str] = PRECISIONS,
    batch_size: int,
    compiled: bool = False,
) -> list[Contestant]:
    """Every way that is worth timing: on a CPU, in float32, also a replica for each core."""
    cores = 1 if shutil.which("nvidia-smi") else len(os.sched_getaffinity(0))
    replicas = math.gcd(batch_size, cores)
    found = []
    for backend in backends:
        for precision in precisions:
            if backend == "torch":
                found += _torch(precision, compiled)
            else:
                found.append(Contestant(backend, precision))
        if backend != "torch" and "float32" in precisions and replicas > 1:
            found.append(Contestant(backend, devices=f"cpu:{replicas}"))
    return found


def _torch(precision: str, compiled: bool) -> list[Contestant]:
    """Both layouts in float32; elsewhere only that which suits convolutions."""
    last = Contestant("torch", precision, layout="channels_last")
    default = [Contestant("torch", layout="default")] if precision == "float32" else []
    return [*default, last, *([dataclasses.replace(last, compiled=True)] if compiled else [])]


def start(
    contestant: Contestant, config: Config, batches: Path, *, torch_python: str = sys.executable
) -> Child:
    """Its process, ready to take steps over `batches` with the settings of `config`."""
    program = "torch_steps" if contestant.backend == "torch" else "keras_steps"
    if contestant.backend == "torch":
        command = [torch_python, str(Path(__file__).parent / "children" / f"{program}.py")]
    else:
        command = [sys.executable, "-m", f"lpie.benchmarks.studies.children.{program}"]
    job = {**dataclasses.asdict(contestant), "settings": to_dict(config), "batches": str(batches)}
    return Child(contestant.name, command, job, variables=_variables(contestant))


def _variables(contestant: Contestant) -> dict[str, str]:
    keras = {} if contestant.backend == "torch" else {"KERAS_BACKEND": contestant.backend}
    # Several processes share a GPU: each takes the memory that it uses, not all of it.
    shared = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    return {**keras, **shared}


def write_batches(path: Path, *, patch_px: int, batch_size: int) -> Path:
    """`path`, holding [2, K, N, P, P, 3] float32: noisy and clean batches for every contestant."""
    rng = np.random.default_rng(0)
    target = np.broadcast_to(
        photo_like(patch_px, patch_px), (BATCHES, batch_size, patch_px, patch_px, 3)
    )
    noise = rng.standard_normal(target.shape, np.float32) * np.float32(NOISE)
    np.save(path, np.stack([target + noise, target]))
    return path
