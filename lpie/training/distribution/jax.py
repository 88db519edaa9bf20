"""Data parallelism by Keras distribution on JAX: GPUs, TPUs, one process or several."""

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.errors import InputError, LpieError
from lpie.training.distribution import Loss, Step, keras_stepper, too_few
from lpie.training.distribution.job import CONNECT_LIMIT_S, Job
from lpie.training.distribution.relay import relay

# At its end JAX would abort the process with a stack trace: the job's own limit comes first.
JAX_LIMIT_S = int(2 * CONNECT_LIMIT_S)


class JaxDevices:
    """All devices of the job under one `keras.distribution.DataParallel`."""

    def __init__(self, simulated: int, wanted: int | str, job: Job | None = None) -> None:
        if simulated:
            _simulate(simulated)
        if job:
            _join(job)
        devices = jax.devices()
        count = len(devices) if job or wanted in ("all", "tpu") else int(wanted)
        if count > len(devices):
            raise too_few(count, devices)
        self.process, self.processes = jax.process_index(), jax.process_count()
        self.replicas, self.summands = count, 1  # the gradient is that of the whole batch
        self._distribution = keras.distribution.DataParallel(
            devices=devices[:count], auto_shard_dataset=False
        )

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        keras.distribution.set_distribution(self._distribution)
        try:
            yield
        finally:
            keras.distribution.set_distribution(None)

    def stepper(self, model: Any, loss: Loss) -> Step:
        step = keras_stepper(model)

        def shared(degraded: NDArray, target: NDArray) -> float:
            with self.scope():  # Keras spreads the batch over the devices
                return step(degraded, target)

        return shared

    def from_first(self, array: NDArray) -> NDArray:
        if self.processes == 1:
            return array
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.broadcast_one_to_all(array))


def _simulate(count: int) -> None:
    try:
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", count)
    except RuntimeError:
        raise InputError(
            "Devices can be simulated only before JAX is first used in a process."
        ) from None


def _join(job: Job) -> None:
    """Make the devices of all processes one set."""
    first = job.hosts[0]
    if job.host:
        # JAX aborts a process whose connection to host 0 breaks, before it could say why.
        first = f"127.0.0.1:{relay(job.first)}"
    try:
        jax.distributed.initialize(
            first, len(job.hosts), job.host, initialization_timeout=JAX_LIMIT_S
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise LpieError(f"Could not join the other hosts at {first}: {reason}") from None
