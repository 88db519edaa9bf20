"""The network of a run while it learns: its weights, their average, optimizer and teacher."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lpie.backend import Tensor, keras
from lpie.config.config import Config
from lpie.errors import InputError, require
from lpie.models import NETWORKS, build_model
from lpie.models.do_conv import fold, overparameterize
from lpie.models.graph.analysis import analyse, multiple_of
from lpie.models.graph.flat import flat
from lpie.models.graph.initialization import balance
from lpie.models.load import is_file, is_own, load_keras
from lpie.restore.keras_network import forward
from lpie.restore.network import ImageModel
from lpie.training.distribution import Devices
from lpie.training.losses import total_loss
from lpie.training.optimizer import make_optimizer

if TYPE_CHECKING:
    from lpie.models.tfmot.pruning import CompressedTwin
    from lpie.models.tfmot.qat import QuantizedTwin

Images = NDArray[np.float32]


class Learner:
    """A network on one or many devices that takes one step a batch."""

    def __init__(self, config: Config, devices: Devices) -> None:
        self._config, self._devices = config, devices
        _make_deterministic(config.train.seed)
        name, options = config.model.name, config.model.hyperparameters
        self._average = build_model(name, **options)
        _check_patches(self._average, config)
        self._teacher = load_keras(Path(config.train.teacher)) if config.train.teacher else None
        self._twin = _twin(self._average, config, devices)
        with devices.scope():
            self._optimizer = make_optimizer(config.train, summands=devices.summands)
            self._model: Any = self._twin or _in_precision(config)
            self._optimizer.build(self._model.trainable_variables)
            self._step = self._stepper()

    def start(self, degraded: Images) -> None:
        """Fresh weights that suit `degraded`, a whole batch, or those the config names."""
        initial = self._config.train.initial_weights
        if initial:
            self._average.set_weights(_fitting(self._average, initial))
        elif self._config.train.start == "balanced" and not is_own(self._config.model.name):
            network = NETWORKS[self._config.model.name]
            balance(
                self._average,
                degraded,
                residual=network.residual,
                branches=network.branches,
                gates=network.gates,
            )
        weights = self._average.get_weights()
        vector = self._devices.from_first(np.concatenate([w.ravel() for w in weights]))
        parts = np.split(vector, np.cumsum([w.size for w in weights])[:-1])
        with self._devices.scope():
            self._model.set_weights(
                [v.reshape(w.shape) for v, w in zip(parts, weights, strict=True)]
            )
        if self._twin:
            self._twin.calibrate(degraded)

    def step(self, degraded: Images, target: Images) -> float:
        """One step on this process's part of a batch; the loss over the whole of it."""
        if self._teacher is not None:
            target = np.concatenate([target, forward(self._teacher, degraded)], axis=-1)
        losses = []
        for part in np.split(np.arange(len(degraded)), self._config.train.accumulate):
            losses.append(self._step(degraded[part], target[part]))
        return float(np.mean(losses))

    def averaged(self) -> keras.Model:
        """A model, on this process alone, with the moving average of the weights."""
        # Keras starts the average with the first step.
        begun = keras.ops.convert_to_numpy(self._optimizer.iterations) > 0
        if self._config.train.ema_momentum and begun:
            with self._devices.scope():
                variables = self._model.trainable_variables
                raw = [np.array(keras.ops.convert_to_numpy(v)) for v in variables]
                self._optimizer.finalize_variable_values(variables)
                self._average.set_weights(self._weights())
                for variable, value in zip(variables, raw, strict=True):
                    variable.assign(value)
        else:
            self._average.set_weights(self._weights())
        return self._average

    def as_trained(self, model: keras.Model) -> "keras.Model | ImageModel":
        """`model`, rounded as int8 is where the run trains so: what a validation scores."""
        return self._twin.as_exported(model) if self._twin else model

    @property
    def settled(self) -> bool:
        """Whether the weights are of the kind asked for: pruning needs steps for its zeros."""
        return self._twin is None or self._twin.settled

    def loss_parts(self, degraded: Images, target: Images) -> dict[str, float]:
        """Each part of the loss, before its weight, at the present weights."""
        self._average.set_weights(self._weights())
        prediction = forward(self.as_trained(self._average), degraded)
        if self._teacher is not None:
            target = np.concatenate([target, forward(self._teacher, degraded)], axis=-1)
        _, parts = total_loss(self._config.loss, prediction, target)
        return {name: float(part) for name, part in parts.items()}

    @property
    def learning_rate(self) -> float:
        return float(self._optimizer.learning_rate)

    def arrays(self) -> dict[str, NDArray]:
        """Everything that a checkpoint holds, by a stable name."""
        return {k: np.array(keras.ops.convert_to_numpy(v)) for k, v in self._variables().items()}

    def load(self, arrays: dict[str, NDArray]) -> None:
        """Continue from what `arrays` returned."""
        variables = self._variables()
        wanted = {name: tuple(v.shape) for name, v in variables.items()}
        if wanted != {name: array.shape for name, array in arrays.items()}:
            raise InputError("The checkpoint is that of another network. Choose another `workdir`.")
        with self._devices.scope():
            for name, variable in variables.items():
                variable.assign(arrays[name])

    def _stepper(self) -> Any:
        if self._twin:
            return self._twin.stepper(self._optimizer, self._loss)
        self._model.compile(optimizer=self._optimizer, loss=self._loss, jit_compile=_jit())
        return self._devices.stepper(self._model, self._loss)

    def _loss(self, target: Tensor, prediction: Tensor) -> Tensor:
        return total_loss(self._config.loss, prediction, target)[0]

    def _variables(self) -> dict[str, keras.Variable]:
        variables = [*self._model.variables, *self._optimizer.variables]
        return {f"v{i:04d}": variable for i, variable in enumerate(variables)}

    def _weights(self) -> list[NDArray]:
        # Copies: JAX frees the buffers of an array that was given to a step.
        return [np.array(w) for w in self._model.get_weights()]


def _in_precision(config: Config) -> keras.Model:
    """The network, computing in the precision asked for; its weights are float32 in any case."""
    if is_file(config.model.name) and config.train.precision != "float32":
        raise InputError(
            "train.precision must be float32 for a network in a file, which says itself what its "
            f"layers compute in. Received: {config.train.precision}."
        )
    kept = keras.config.dtype_policy()
    if config.train.precision == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model(config.model.name, **config.model.hyperparameters)
    finally:
        keras.config.set_dtype_policy(kept)
    if config.train.precision == "float32" and _jit() is False:
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.Conv2D) and _is_pointwise(layer):
                layer.convolution_op = _pointwise
    return model


def _check_patches(model: keras.Model, config: Config) -> None:
    """Raise an `InputError` for a network of one's own that does not take the crops."""
    if not is_own(config.model.name):
        return
    fixed, multiple = model.inputs[0].shape[1:3], multiple_of(model)
    for patch_px, _ in config.stages():
        if None not in fixed and tuple(fixed) != (patch_px, patch_px):
            raise InputError(
                f"data.patch_px must be the size of {model.name}, {fixed[1]}x{fixed[0]}, which "
                f"takes no other. Received: {patch_px}. Build it with Input((None, None, 3))."
            )
        if patch_px % multiple:
            raise InputError(
                f"data.patch_px must be a multiple of {multiple}, as {model.name} needs. "
                f"Received: {patch_px}. Try {-(-patch_px // multiple) * multiple}."
            )


def _twin(
    model: keras.Model, config: Config, devices: Devices
) -> "QuantizedTwin | CompressedTwin | None":
    """The network rounded as in int8, pruned or clustered, in tf_keras; None for plain training."""
    train = config.train
    if not train.compressions():
        return None
    name = "Quantization-aware training" if train.quantization_aware else "Compression"
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"{name} needs Keras on TensorFlow. Received: KERAS_BACKEND={keras.backend.backend()}."
        )
    if devices.replicas > 1:
        raise InputError(f"{name} runs on one device. Received: {devices.replicas} of them.")
    multiple = analyse(model).multiple
    for patch_px, _ in config.stages():
        if patch_px % multiple:  # tf_keras pads nothing inside
            raise InputError(
                f"{name} of {model.name} needs patches of a multiple of {multiple} px. "
                f"Received: {patch_px}."
            )
    require("tensorflow_model_optimization", extra="qat")
    if train.quantization_aware:
        from lpie.models.tfmot.qat import QuantizedTwin

        return QuantizedTwin(model)
    from lpie.models.tfmot.pruning import CompressedTwin

    return CompressedTwin(
        model,
        sparsity=train.sparsity,
        clusters=train.clusters,
        calls=train.steps * train.accumulate,
    )


def _is_pointwise(layer: keras.layers.Conv2D) -> bool:
    return layer.kernel_size == layer.strides == (1, 1) and layer.groups == 1


def _pointwise(inputs: Tensor, kernel: Tensor) -> Tensor:
    """The 1x1 convolution of [N, H, W, C] as a matrix product.

    On CPUs TensorFlow's gradient of the kernel takes twice the time for a convolution.
    """
    shape = keras.ops.shape(inputs)
    product = keras.ops.matmul(keras.ops.reshape(inputs, (-1, shape[-1])), kernel[0, 0])
    return keras.ops.reshape(product, (*shape[:-1], kernel.shape[-1]))


def _fitting(model: keras.Model, source: str) -> list[NDArray]:
    """The weights of the model `source`, which must have the shapes of `model`, DO-Conv or not."""
    loaded = flat(load_keras(Path(source)))
    for variant in (lambda same: same, fold, overparameterize):
        twin = variant(loaded)
        if [tuple(w.shape) for w in twin.weights] == [tuple(w.shape) for w in model.weights]:
            return twin.get_weights()
    raise InputError(
        f"train.initial_weights: {source} is another network than the config's: "
        f"{loaded.name} of {loaded.count_params():,} parameters, not "
        f"{model.name} of {model.count_params():,}, or other widths."
    )


def _make_deterministic(seed: int) -> None:
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def _jit() -> bool | str:
    """Keras' own choice, except on TensorFlow without a GPU: a plain graph, no XLA."""
    if keras.backend.backend() != "tensorflow":
        return "auto"
    import tensorflow as tf

    return "auto" if tf.config.list_physical_devices("GPU") else False
