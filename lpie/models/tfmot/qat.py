"""Quantization-aware training by tensorflow-model-optimization: a network's twin that rounds as its
int8 file does (Jacob et al., CVPR 2018, arXiv:1712.05877)."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tf_keras
from numpy.typing import NDArray

from lpie.backend import Tensor, keras
from lpie.models.graph.analysis import analyse
from lpie.models.graph.channel_scales import channel_factors
from lpie.models.graph.facts import facts_of
from lpie.models.graph.walk import calls
from lpie.models.tfmot.keras2 import Loss, Stepper, check_same, stepper, translated
from lpie.models.tfmot.quantize_configs import Factors, Range, Watching, rounded
from lpie.tflite.scales import Scale, to_scale

IMAGE: Scale = to_scale(0.0, 1.0)
SIGMOID: Scale = (1 / 256, -128)  # as every runtime has it


class QuantizedTwin:
    """A network in tf_keras, with the same weights, in which all is rounded as in int8.

    Kernels lie on 255 levels for each filter, what layers return on 256 in ranges that `calibrate`
    chooses, of channels that it makes span alike as `lpie export` does. Takes and returns
    [N, H, W, 3] RGB in [0, 1]. Raises an `InputError` that names a layer without a tf_keras twin.
    """

    fixed = None
    settled = True

    def __init__(self, model: keras.Model) -> None:
        self._source, analysis = model, analyse(model)
        self.multiple, self.halo_px = analysis.multiple, analysis.halo_px
        self._watching = Watching()
        self._other: QuantizedTwin | None = None
        ranges = _ranges(model)
        self._factors = {id(output): Factors() for _, _, (output, *_) in calls(model)}
        read = {
            layer.name: self._factors[id(inputs[0])] for layer, inputs, _ in calls(model) if inputs
        }
        apart: list[Range] = []  # of what there is before a sigmoid, which has no factors

        def wrap(layer: tf_keras.layers.Layer, tensor: int | None) -> tf_keras.layers.Layer:
            its_read = read.get(layer.name, Factors())
            if tensor is not None:
                its_range, factors = ranges[tensor], self._factors[tensor]
            else:
                its_range, factors = Range(), Factors()
                apart.append(its_range)
            return rounded(layer, its_range, factors, its_read, self._watching)

        self._model, self.trainable_variables = translated(model, wrap)
        self._ranges = [*{id(one): one for one in [*ranges.values(), *apart]}.values()]

    def __call__(self, images: Tensor, training: bool = False) -> Tensor:
        return self._model(images, training=training)

    def run(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the network makes of one image, [H, W, 3]: for a `Restorer`."""
        return self(image[None]).numpy()[0]

    @property
    def variables(self) -> list[tf.Variable]:
        """The weights of the network in its order, then the ranges and the channels' factors."""
        return [*self.trainable_variables, *self._calibrated()]

    def get_weights(self) -> list[NDArray]:
        """The weights of the network, in its order."""
        return [variable.numpy() for variable in self.trainable_variables]

    def set_weights(self, weights: Sequence[NDArray]) -> None:
        """Take the weights of the network, in its order."""
        for variable, weight in zip(self.trainable_variables, weights, strict=True):
            variable.assign(weight)

    def as_exported(self, model: keras.Model) -> "QuantizedTwin":
        """Another twin, with the weights of `model`, else the same; the same one each time."""
        self._other = self._other or QuantizedTwin(self._source)
        self._other.set_weights(model.get_weights())
        for mine, its in zip(self._calibrated(), self._other._calibrated(), strict=True):
            its.assign(mine)
        return self._other

    def stepper(self, optimizer: keras.optimizers.Optimizer, loss: Loss) -> Stepper:
        """A step over a batch by Keras' `optimizer`: (degraded, target) to the loss before it."""
        return stepper(self, self.trainable_variables, optimizer, loss)

    def calibrate(self, images: NDArray[np.float32]) -> None:
        """Choose the channels' factors, and all ranges by their error, on [N, H, W, 3] `images`.

        Raises an `LpieError` where the twin, before anything is rounded, is not the network.
        """
        self._source.set_weights(self.get_weights())
        chosen = channel_factors(self._source, [*images])
        for tensor, factors in self._factors.items():
            factors.variable.assign(chosen[tensor])
        self._watching.on = True
        exact = self(images).numpy()
        self._watching.on = False
        check_same(self._source, exact, images)
        for its_range in self._ranges:
            its_range.choose()

    def _calibrated(self) -> list[tf.Variable]:
        """The ranges and factors that `calibrate` chose."""
        factors = [one.variable for one in self._factors.values()]
        return [*(one.variable for one in self._ranges), *factors]


def _ranges(model: keras.Model) -> dict[int, Range]:
    """The range of each tensor of `model`."""
    ranges: dict[int, Range] = {}
    for layer, inputs, (output, *_) in calls(model):
        facts = facts_of(layer)
        if isinstance(layer, keras.layers.InputLayer) or output is model.outputs[0]:
            ranges[id(output)] = Range(IMAGE)
        elif facts and facts.moves:
            moved = inputs[:1] if facts.moves == "first" else inputs
            tied = [ranges[id(tensor)] for tensor in moved]
            # A fixed one, as a sigmoid's, would clip the others.
            common = next((one for one in tied if not one.is_fixed), tied[0])
            for tensor, its in ranges.items():
                ranges[tensor] = common if any(its is one for one in tied) else its
            ranges[id(output)] = common
        elif getattr(layer, "activation", None) is keras.activations.sigmoid:
            ranges[id(output)] = Range(SIGMOID)
        else:
            ranges[id(output)] = Range()
    return ranges
