"""Training steps as `lpie train` takes them; KERAS_BACKEND chooses the backend."""

import dataclasses
import importlib.metadata
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import keras
from lpie.benchmarks.runners.run_tflite import answer_requests, read_job
from lpie.config.config import Config, LossConfig, config_from
from lpie.training.distribution import find_devices
from lpie.training.learner import Learner
from lpie.training.losses import total_loss


def main() -> None:
    """Answers requests for steps and for a reference to compare another training with."""
    job = read_job()
    config = config_from(job["settings"])
    train = dataclasses.replace(config.train, precision=job["precision"])
    config = dataclasses.replace(config, train=train)
    learner = Learner(config, find_devices(job["devices"]))
    degraded, target = np.load(job["batches"])
    learner.start(degraded[0])

    def reply(request: dict[str, Any]) -> dict[str, Any]:
        if "reference" not in request:
            return take_steps(learner, degraded, target, request["steps"])
        np.savez(request["reference"], **reference(learner, config, degraded, target))  # type: ignore[arg-type]
        return {}

    answer_requests(_about(), reply)


def take_steps(learner: Learner, degraded: NDArray, target: NDArray, count: int) -> dict[str, Any]:
    """The seconds that `count` steps took, each of which fetches its loss, as `lpie train` does."""
    start = time.perf_counter()
    losses = [
        learner.step(degraded[i % len(degraded)], target[i % len(degraded)]) for i in range(count)
    ]
    return {"seconds": time.perf_counter() - start, "loss": float(np.mean(losses))}


def reference(
    learner: Learner, config: Config, degraded: NDArray, target: NDArray
) -> dict[str, NDArray]:
    """The batches, the weights before and after a step on each, and the first loss and gradient."""
    model = learner.averaged()
    start = [np.array(w) for w in model.get_weights()]
    loss, gradient = _first_gradient(model, config.loss, degraded[0], target[0])
    for batch in zip(degraded, target, strict=True):
        learner.step(*batch)
    end = learner.averaged().get_weights()
    arrays = {"degraded": degraded, "target": target, "loss": loss}
    for kind, values in (("start", start), ("gradient", gradient), ("end", end)):
        arrays |= {f"{kind}/{n}": v for n, v in zip(_names(model), values, strict=True)}
    return arrays


def _names(model: keras.Model) -> list[str]:
    return [f"{layer.name}/{w.name}" for layer in model.layers for w in layer.weights]


def _first_gradient(
    model: keras.Model, config: LossConfig, degraded: NDArray, target: NDArray
) -> tuple[NDArray, Sequence[NDArray]]:
    if keras.backend.backend() == "jax":
        import jax

        def value_at(weights: Any) -> Any:
            prediction, _ = model.stateless_call(weights, [], degraded)
            return total_loss(config, prediction, target)[0]

        value, gradients = jax.value_and_grad(value_at)(
            [w.value for w in model.trainable_variables]
        )
        return np.asarray(value), [np.asarray(g) for g in gradients]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = total_loss(config, model(degraded, training=True), tf.constant(target))[0]
    return value.numpy(), [g.numpy() for g in tape.gradient(value, model.trainable_weights)]


def _about() -> dict[str, Any]:
    """The device, by name where it is an accelerator, and the versions of what runs on it."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        (first, *_), kind = jax.devices(), jax.default_backend()
        name = first.device_kind if kind != "cpu" else "cpu"
    else:
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
        name = tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else "cpu"
    versions = {package: importlib.metadata.version(package) for package in ("keras", backend)}
    return {"device": name, "versions": versions}


if __name__ == "__main__":
    main()
