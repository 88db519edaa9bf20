"""The devices that a training step runs on: one, several of this machine, or those of many."""

import contextlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from lpie import __version__
from lpie.config.config import Config, to_dict
from lpie.errors import InputError

if TYPE_CHECKING:
    from lpie.training.distribution.job import Job

Loss = Callable[[Any, Any], Any]  # (target, prediction)
Step = Callable[[NDArray, NDArray], float]


class Devices(Protocol):
    """Data-parallel devices: each replica sees its share of a batch; all hold the same weights."""

    replicas: int  # over all processes
    summands: int  # gradients that the optimizer itself adds up
    process: int
    processes: int

    def scope(self) -> contextlib.AbstractContextManager:
        """Models and optimizers made inside live on all replicas."""

    def stepper(self, model: Any, loss: Loss) -> Step:
        """A step of `model`, made and compiled in the scope, over the whole batch.

        It takes this process's part of the batch, [N / processes, H, W, C] degraded and target,
        and returns the loss over all of it.
        """

    def from_first(self, array: NDArray) -> NDArray:
        """The array of process 0; every process must call it at the same point."""


@contextlib.contextmanager
def take_part(
    hosts: Sequence[str],
    host: int,
    config: Config,
    workdir: Path = Path(),
    secret_file: Path | None = None,
) -> Iterator["Job | None"]:
    """A block that every process of a job enters and leaves together; None without `hosts`.

    hosts: `address:port` of every process of the job, the same list for all of them; host: which
    of them this one is; workdir: a folder that all share, for the job's secret unless that is in
    `secret_file` or in the environment. Raises an `LpieError` when another process stops.
    """
    if not hosts:
        if host:
            raise InputError(f"`host` is one of `hosts`, which is empty. Received: {host}.")
        if secret_file is not None:
            raise InputError("`secret_file` is for several `hosts`, which is empty.")
        yield None
        return
    from lpie.training.distribution.job import Job
    from lpie.training.distribution.secret import find_secret

    with Job(hosts, host, _terms(config), find_secret(workdir, secret_file)) as job:
        yield job


def find_devices(wanted: str = "1", *, job: "Job | None" = None) -> Devices:
    """The devices `wanted`: a number, `all`, `tpu`, or `cpu:N` for N simulated ones.

    job: the processes whose devices work together. Must be called before any model is made.
    Raises `InputError` when there are fewer devices than asked for.
    """
    simulated, count = _parse(wanted)
    if job and not simulated and count not in ("all", "tpu", 1):
        raise InputError(
            "With `hosts` each process uses all its devices: `devices` must be all. "
            f"Received: {wanted}."
        )
    if wanted == "1" and job is None:
        return OneDevice()
    from lpie.backend import keras

    if keras.backend.backend() == "jax":
        from lpie.training.distribution.jax import JaxDevices

        find: Callable[..., Devices] = JaxDevices
    elif keras.backend.backend() == "tensorflow":
        from lpie.training.distribution.tensorflow import find_strategy

        find = find_strategy
    else:
        raise InputError(
            "Training on several devices needs Keras on TensorFlow or JAX. "
            f"Received: KERAS_BACKEND={keras.backend.backend()}."
        )
    with job.connecting() if job else contextlib.nullcontext():
        return find(simulated, count, job)


class OneDevice:
    """One device in one process: Keras' own choice."""

    replicas = summands = processes = 1
    process = 0

    def scope(self) -> contextlib.AbstractContextManager:
        return contextlib.nullcontext()

    def stepper(self, model: Any, loss: Loss) -> Step:
        return keras_stepper(model)

    def from_first(self, array: NDArray) -> NDArray:
        return array


def keras_stepper(model: Any) -> Step:
    """Keras' own step of a compiled model, traced anew when the shape of the batch changes.

    On TensorFlow Keras would trace it for images of any size, in which neither all layers nor the
    losses work.
    """
    shape: tuple = ()

    def step(degraded: NDArray, target: NDArray) -> float:
        nonlocal shape
        if degraded.shape != shape:
            shape, model.train_function = degraded.shape, None
        return float(model.train_on_batch(degraded, target, return_dict=True)["loss"])

    return step


def _parse(wanted: str) -> tuple[int, int | str]:
    """(how many to simulate or 0, the number wanted or `all` or `tpu`)."""
    match = re.fullmatch(r"(cpu:)?([1-9]\d{0,3})", wanted)
    if match:
        count = int(match[2])
        return (count if match[1] else 0), count
    if wanted in ("all", "tpu"):
        return 0, wanted
    raise InputError(
        f"`devices` must be a number, all, tpu or cpu:N (simulated). Received: {wanted!r}."
    )


def _terms(config: Config) -> dict[str, Any]:
    """The settings that must be the same in all processes; folders may differ between machines."""
    from lpie.backend import keras

    settings = to_dict(config)
    for name in ("folder", "validation_folder", "real_pairs", "workers"):
        del settings["data"][name]
    for name in ("initial_weights", "teacher"):
        del settings["train"][name]
    return {"lpie": __version__, "KERAS_BACKEND": keras.backend.backend(), **settings}


def too_few(wanted: int, devices: Sequence[Any]) -> InputError:
    """The error for a machine that has fewer devices than `wanted`."""
    return InputError(
        f"`devices` must be at most {len(devices)} on this machine: "
        f"{', '.join(map(str, devices))}. Received: {wanted}."
    )
