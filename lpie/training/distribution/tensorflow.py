"""Data parallelism by `tf.distribute`: MirroredStrategy, MultiWorkerMirrored and TPU."""

import contextlib
import json
import os
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lpie.errors import InputError, LpieError
from lpie.training.distribution import Loss, Step, too_few
from lpie.training.distribution.job import Job


def find_strategy(simulated: int, wanted: int | str, job: Job | None = None) -> "TensorflowDevices":
    """The devices under the strategy that suits them."""
    if job:
        return _join(simulated, wanted, job)
    if simulated:
        _simulate(simulated)
    if wanted == "tpu":
        return TensorflowDevices(_tpu_strategy(), 0, 1)
    devices = tf.config.list_logical_devices("CPU" if simulated else "GPU")
    devices = devices or tf.config.list_logical_devices("CPU")
    count = len(devices) if wanted == "all" else int(wanted)
    if count > len(devices):
        raise too_few(count, [device.name for device in devices])
    names = [device.name for device in devices[:count]]
    return TensorflowDevices(tf.distribute.MirroredStrategy(names), 0, 1)


class TensorflowDevices:
    """The replicas of a `tf.distribute` strategy."""

    def __init__(self, strategy: Any, process: int, processes: int) -> None:
        self._strategy = strategy
        self.replicas = self.summands = strategy.num_replicas_in_sync
        self.process, self.processes = process, processes
        self._total = tf.function(self._sum_of_first, reduce_retracing=True)

    def scope(self) -> contextlib.AbstractContextManager:
        return self._strategy.scope()

    def stepper(self, model: Any, loss: Loss) -> Step:
        """Not Keras' own step, which clips the gradients of each replica before it adds them up:
        its weights depend on the number of replicas."""

        @tf.function(jit_compile=bool(tf.config.list_physical_devices("GPU")))
        def gradients(degraded: Any, target: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss(target, model(degraded, training=True))
            return value, tape.gradient(value, model.trainable_variables)

        def replica_step(degraded: Any, target: Any) -> Any:
            value, means = gradients(degraded, target)
            context = tf.distribute.get_replica_context()
            value, means = context.all_reduce(tf.distribute.ReduceOp.MEAN, (value, means))
            # The optimizer adds up what the replicas give it.
            shares = [gradient / self.replicas for gradient in means]
            model.optimizer.apply(shares, model.trainable_variables)
            return value

        @tf.function
        def step(degraded: Any, target: Any) -> Any:
            return self._strategy.run(replica_step, args=(degraded, target))

        def shared(degraded: NDArray, target: NDArray) -> float:
            with self._strategy.scope():
                values = step(self._spread(degraded), self._spread(target))
            return float(self._strategy.experimental_local_results(values)[0])

        return shared

    def _spread(self, batch: NDArray) -> Any:
        """Each local replica's slice of `batch`."""
        count = self.replicas // self.processes
        slices = np.split(batch, count)
        first = self.process * count

        def take(context: Any) -> Any:
            return tf.constant(slices[context.replica_id_in_sync_group - first])

        return self._strategy.experimental_distribute_values_from_function(take)

    def from_first(self, array: NDArray) -> NDArray:
        if self.processes == 1:
            return array
        # The first replica of process 0 gives the array, every other one zeros.
        return self._total(tf.constant(array)).numpy()

    def _sum_of_first(self, array: Any) -> Any:
        def give(array: Any) -> Any:
            first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
            return array if first else tf.zeros_like(array)

        return self._strategy.reduce("SUM", self._strategy.run(give, args=(array,)), axis=None)


def _join(simulated: int, wanted: int | str, job: Job) -> TensorflowDevices:
    """All devices of all processes. Its collectives have no time limit: `job` ends them."""
    if simulated or wanted == "tpu":
        raise InputError(
            "With `hosts` TensorFlow uses the CPUs and GPUs that exist: `devices` must be all."
        )
    task = {"type": "worker", "index": job.host}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": job.hosts}, "task": task})
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    return TensorflowDevices(strategy, job.host, len(job.hosts))


def _simulate(count: int) -> None:
    cpu = tf.config.list_physical_devices("CPU")[0]
    simulated = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    try:
        tf.config.set_logical_device_configuration(cpu, simulated)
    except RuntimeError:
        raise InputError(
            "Devices can be simulated only before TensorFlow is first used in a process."
        ) from None


def _tpu_strategy() -> Any:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver("local")
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, tf.errors.OpError) as error:
        reason = str(error).splitlines()[0]
        raise LpieError(f"TensorFlow finds no TPU on this machine: {reason}") from None
    return tf.distribute.TPUStrategy(resolver)
