"""Pruning and weight clustering by tensorflow-model-optimization: a network's twin whose kernels
end with zeros (Zhu and Gupta, 2017, arXiv:1710.01878) or share a few values (Han et al., ICLR 2016,
arXiv:1510.00149), so that its file packs smaller."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray
from tensorflow_model_optimization.clustering.keras import CentroidInitialization, cluster_weights
from tensorflow_model_optimization.sparsity.keras import PolynomialDecay, prune_low_magnitude

from lpie.backend import Tensor, keras
from lpie.errors import InputError
from lpie.models.tfmot.keras2 import Loss, Stepper, check_same, stepper, translated

LEAST_WEIGHTS = 64  # smaller kernels take no room worth saving
RAMP = 2 / 3  # of the steps: then the zeros stay where they are, and the other weights settle
UPDATES = 20  # of the zeros on that way


class CompressedTwin:
    """A network in tf_keras, with the same weights, whose kernels are pruned or clustered.

    sparsity: the share of each kernel's weights that ends at zero. clusters: how many different
    values each kernel has from the start; exactly one of both is set. calls: how often the stepper
    will run. Kernels of fewer than 64 weights, or than two for each cluster, stay as they are, and
    so do depthwise ones, for which tensorflow-model-optimization knows neither. Takes and returns
    [N, H, W, 3] RGB in [0, 1]. Raises an `InputError` that names a layer without a tf_keras twin.
    """

    def __init__(
        self, model: keras.Model, *, sparsity: float = 0.0, clusters: int = 0, calls: int = 1
    ) -> None:
        every, self._ramp = _schedule(calls) if sparsity else (1, 0)
        self._source, self._options = model, (sparsity, clusters, calls)
        self._used = _masked if sparsity else _snapped
        wrap = _pruning(sparsity, every, self._ramp) if sparsity else _clustering(clusters)
        self._wrapped = list[tf_keras.layers.Layer]()

        def compressed(layer: tf_keras.layers.Layer, tensor: int | None) -> tf_keras.layers.Layer:
            if not _is_large(layer, max(LEAST_WEIGHTS, 2 * clusters)):
                return layer
            self._wrapped.append(wrap(layer))
            return self._wrapped[-1]

        self._model, self._weights = translated(model, compressed)
        if not self._wrapped:
            raise InputError(f"{model.name} has no kernel that is large enough to be compressed.")
        self._own = _own_variables(self._wrapped, self._weights)
        if sparsity:
            for layer in self._wrapped:
                layer.pruning_step.assign(0)  # as UpdatePruningStep would: -1 is refused

    def __call__(self, images: Tensor, training: bool = False) -> Tensor:
        return self._model(images, training=training)

    @property
    def settled(self) -> bool:
        """Whether all zeros are there, so that the weights are as sparse as asked."""
        return not self._ramp or int(self._wrapped[0].pruning_step) >= self._ramp

    @property
    def trainable_variables(self) -> list[tf.Variable]:
        """The weights of the network in its order, before they are masked or snapped, and what the
        clusters' values are."""
        return [*self._weights, *(variable for variable in self._own if variable.trainable)]

    @property
    def variables(self) -> list[tf.Variable]:
        """The weights of the network in its order, then masks, thresholds and steps, or clusters'
        values and who has which."""
        return [*self._weights, *self._own]

    def get_weights(self) -> list[NDArray]:
        """The weights of the network, in its order, as they are used: masked, or snapped."""
        used = {id(kernel): values for kernel, values in map(self._used, self._wrapped)}
        return [np.array(used.get(id(variable), variable)) for variable in self._weights]

    def set_weights(self, weights: Sequence[NDArray]) -> None:
        """Begin anew with the weights of the network, in its order: clusters are chosen for them,
        by k-means++."""
        sparsity, clusters, calls = self._options
        self._source.set_weights(weights)
        fresh = CompressedTwin(self._source, sparsity=sparsity, clusters=clusters, calls=calls)
        for mine, its in zip(self.variables, fresh.variables, strict=True):
            mine.assign(its)

    def as_exported(self, model: keras.Model) -> keras.Model:
        """`model` itself: it has the weights as they are used."""
        return model

    def stepper(self, optimizer: keras.optimizers.Optimizer, loss: Loss) -> Stepper:
        """A step over a batch by Keras' `optimizer`: (degraded, target) to the loss before it."""
        return stepper(self, self.trainable_variables, optimizer, loss)

    def calibrate(self, images: NDArray[np.float32]) -> None:
        """Raise an `LpieError` where the twin is not the network, on [N, H, W, 3] `images`."""
        self._source.set_weights(self.get_weights())
        check_same(self._source, self(images).numpy(), images)


def _schedule(calls: int) -> tuple[int, int]:
    """(calls between updates of the zeros, the call after which they stay)."""
    ramp = max(int(RAMP * calls), 1)
    every = max(ramp // UPDATES, 1)
    return every, ramp // every * every  # the last update is at the end


def _pruning(
    sparsity: float, every: int, ramp: int
) -> Callable[[tf_keras.layers.Layer], tf_keras.layers.Layer]:
    schedule = PolynomialDecay(0.0, sparsity, begin_step=0, end_step=ramp, frequency=every)
    return lambda layer: prune_low_magnitude(layer, pruning_schedule=schedule)


def _clustering(clusters: int) -> Callable[[tf_keras.layers.Layer], tf_keras.layers.Layer]:
    start = CentroidInitialization.KMEANS_PLUS_PLUS
    return lambda layer: cluster_weights(
        layer, number_of_clusters=clusters, cluster_centroids_init=start
    )


def _is_large(layer: tf_keras.layers.Layer, least: int) -> bool:
    """Whether `layer` is a convolution, not a depthwise one, of at least so many weights."""
    return type(layer) is tf_keras.layers.Conv2D and np.prod(layer.kernel.shape) >= least


def _masked(wrapped: tf_keras.layers.Layer) -> tuple[tf.Variable, NDArray]:
    """(the kernel's variable, its values with zeros), as a step has them before it moves them."""
    ((kernel, mask, _),) = wrapped.pruning_vars
    return kernel, (kernel * mask).numpy()


def _snapped(wrapped: tf_keras.layers.Layer) -> tuple[tf.Variable, NDArray]:
    """(the kernel's variable, the value of the nearest cluster for each weight)."""
    wrapped.update_clustered_weights_associations()
    snapped = wrapped.get_weight_from_layer("kernel").numpy()
    return wrapped.original_clusterable_weights["kernel"], snapped


def _own_variables(
    wrapped: Sequence[tf_keras.layers.Layer], weights: Sequence[tf.Variable]
) -> list[tf.Variable]:
    """What tensorflow-model-optimization added to the `weights` of the network, in order."""
    known = {id(variable) for variable in weights}
    return [
        variable for layer in wrapped for variable in layer.weights if id(variable) not in known
    ]
