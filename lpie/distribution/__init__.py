"""Which devices a training step runs on: one, several of this machine, or those of many."""

import contextlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from lpie.errors import InputError

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
        """The array that process 0 gave; every process must call it at the same point."""


def find_devices(wanted: str = "1", *, hosts: Sequence[str] = (), host: int = 0) -> Devices:
    """The devices `wanted`: a number, `all`, `tpu`, or `cpu:N` for N simulated ones.

    hosts: `address:port` of every process of the job, the same list for all of them; host: which
    of them this one is. Must be called before any model is made. Raises `InputError` when there
    are fewer devices than asked for.
    """
    simulated, count = _parse(wanted)
    if hosts and not 0 <= host < len(hosts):
        raise InputError(f"`host` must be 0 to {len(hosts) - 1}. Received: {host}.")
    if wanted == "1" and len(hosts) < 2:
        return OneDevice()
    from lpie.backend import keras

    if keras.backend.backend() == "jax":
        from lpie.distribution.jax import JaxDevices

        return JaxDevices(simulated, count, hosts, host)
    if keras.backend.backend() == "tensorflow":
        from lpie.distribution.tensorflow import find_strategy

        return find_strategy(simulated, count, hosts, host)
    raise InputError(
        "Training on several devices needs Keras on TensorFlow or JAX. "
        f"Received: KERAS_BACKEND={keras.backend.backend()}."
    )


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
    """Keras' own step of a compiled model."""
    return lambda x, y: float(model.train_on_batch(x, y, return_dict=True)["loss"])


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


def too_few(wanted: int, found: Sequence[Any]) -> InputError:
    """The sentence for a machine that lacks the devices asked for."""
    return InputError(
        f"{wanted} devices were asked for, and this machine has {len(found)}: "
        f"{', '.join(map(str, found))}."
    )
