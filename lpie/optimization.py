"""The optimizer of a run: AdamW under a cosine with linear warm-up, weights averaged."""

from typing import Any

from lpie.backend import keras
from lpie.config import TrainConfig


def make_optimizer(config: TrainConfig, *, summands: int = 1) -> Any:
    """Adam or AdamW, with clipping by the global norm and the weights' moving average.

    summands: how many shares of the gradient the optimizer adds up after it has clipped each.
    """
    return AveragingAdam(
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
    def ema_momentum(self) -> Any:
        parts = self.gradient_accumulation_steps or 1
        if parts == 1:
            return self._momentum
        ends_step = keras.ops.equal((self._iterations + 1) % parts, 0)
        return keras.ops.where(ends_step, self._momentum, 1.0)  # 1 leaves the average as it is

    @ema_momentum.setter
    def ema_momentum(self, value: float) -> None:
        self._momentum = value


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

    def __call__(self, step: Any) -> Any:
        return self._cosine(step // self._parts)
