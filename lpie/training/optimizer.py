"""The optimizer of a run: AdamW or Muon under a cosine with linear warm-up, weights averaged."""

from lpie.backend import Tensor, keras
from lpie.config.config import TrainConfig

MOMENTUM = 0.95  # of Muon
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of the quintic that Muon iterates


def make_optimizer(config: TrainConfig, *, summands: int = 1) -> keras.optimizers.Optimizer:
    """AdamW or Muon, with clipping by the global norm and the weights' moving average.

    summands: how many shares of the gradient the optimizer adds up after it has clipped each.
    """
    kind = {"adam": AveragingAdam, "muon": Muon}[config.optimizer]
    return kind(
        _Schedule(config),
        weight_decay=config.weight_decay or None,  # decoupled, as in AdamW
        global_clipnorm=config.clip_norm / summands or None,
        use_ema=config.ema_momentum > 0,
        ema_momentum=config.ema_momentum,
        gradient_accumulation_steps=config.accumulate if config.accumulate > 1 else None,
    )


class AveragingAdam(keras.optimizers.Adam):
    """Keras' Adam, which would average the weights after every part of an accumulated step."""

    @property
    def ema_momentum(self) -> Tensor:
        parts = self.gradient_accumulation_steps or 1
        if parts == 1:
            return self._momentum
        ends_step = keras.ops.equal((self._iterations + 1) % parts, 0)
        return keras.ops.where(ends_step, self._momentum, 1.0)  # 1 leaves the average as it is

    @ema_momentum.setter
    def ema_momentum(self, value: float) -> None:
        self._momentum = value


class Muon(AveragingAdam):
    """Muon (Jordan et al., 2024, https://kellerjordan.github.io/posts/muon) for the kernels of
    convolutions that mix channels; Adam for all else. Keras' own takes no convolutions.

    A step moves a kernel by its momentum with all singular values made about 1, scaled to the size
    of Adam's steps (Liu et al., 2025, arXiv:2502.16982), so both want the same learning rate.
    """

    def update_step(self, gradient: Tensor, variable: Tensor, learning_rate: Tensor) -> None:
        shape = tuple(variable.shape)
        if len(shape) != 4 or shape[-1] == 1:  # [k, k, C, 1]: depthwise
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[self._get_variable_index(variable)]
        gradient = keras.ops.cast(gradient, variable.dtype)
        self.assign_add(momentum, (gradient - momentum) * (1 - MOMENTUM))
        nesterov = momentum * MOMENTUM + gradient * (1 - MOMENTUM)
        matrix = keras.ops.reshape(nesterov, (-1, shape[-1]))
        step = orthogonalized(matrix) * (0.2 * max(matrix.shape) ** 0.5)
        step = keras.ops.reshape(step, shape) * keras.ops.cast(learning_rate, variable.dtype)
        self.assign_sub(variable, step)


def orthogonalized(matrix: Tensor) -> Tensor:
    """[M, N] with the same singular vectors and all singular values between about 0.7 and 1.2."""
    tall = matrix.shape[0] > matrix.shape[1]
    x = keras.ops.transpose(matrix) if tall else matrix
    x = x / (keras.ops.norm(x) + 1e-12)
    a, b, c = NEWTON_SCHULZ
    for _ in range(5):
        gram = keras.ops.matmul(x, keras.ops.transpose(x))
        x = a * x + keras.ops.matmul(b * gram + c * keras.ops.matmul(gram, gram), x)
    return keras.ops.transpose(x) if tall else x


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """Keras' cosine over steps; its optimizer counts every part of an accumulated one."""

    def __init__(self, config: TrainConfig) -> None:
        warmup = min(config.warmup_steps, config.steps // 2)
        self._parts = config.accumulate
        self._cosine = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else config.learning_rate,
            decay_steps=config.steps - warmup,
            alpha=config.final_learning_rate / config.learning_rate,
            warmup_target=config.learning_rate if warmup else None,
            warmup_steps=warmup,
        )

    def __call__(self, step: Tensor) -> Tensor:
        return self._cosine(step // self._parts)
