"""Training: one loop for every network, resumable to the same weights."""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lpie.backend import keras
from lpie.config import Config, TrainConfig, load_config
from lpie.data import sources
from lpie.data.batches import batches, load_photos
from lpie.errors import InputError, LpieError
from lpie.evaluation import mean_scores, score
from lpie.events import EventWriter
from lpie.files import atomic_path
from lpie.image import to_uint8, write_image
from lpie.losses import total_loss
from lpie.models import build_model
from lpie.restorer import Restorer, load_keras
from lpie.run import Run, write_failure

CHECKPOINT_EVERY = 200  # steps; a checkpoint is 2 MB for LPIENet


def train(
    config: Config | Path | str, workdir: Path | str, *, progress: bool = True
) -> dict[str, Any]:
    """Train as `config`, settings or a TOML file, says in the folder `workdir`; again resumes.

    A run that was killed at any moment and called again ends with the same weights as one that
    was not (same seed, same machine, CPU). Returns the final and best validation scores. Leaves
    `best.keras`, `last.keras` (averaged weights), `log.jsonl`, TensorBoard events and sample
    pictures in `workdir`. Raises `LpieError` when the loss is not finite or the disk is full; the
    last good checkpoint stays.
    """
    if not isinstance(config, Config):
        config = load_config(Path(config))
    training, validation = sources.training_and_validation(config.data)
    photos, skipped = load_photos(training, config.data)
    held_back = list(
        sources.samples(
            validation, config.data.degrade, seed=config.train.seed,
            bad=skipped if config.data.skip_bad else None,
        )
    )  # fmt: skip
    if not held_back:
        raise InputError(f"No usable photo is left to validate on. {' '.join(skipped[:1])}")
    run = Run(Path(workdir), config)
    with run.alone():
        trainer = _Trainer(config, run, held_back)
        trainer.resume()
        try:
            trainer.fit(photos, progress)
            return {**trainer.finish(), "photos": len(photos), "skipped": skipped}
        except OSError as error:
            raise write_failure(error, trainer.saved_step) from error


class _Trainer:
    """The live state of a run: model, averaged twin, optimizer, step and best score."""

    def __init__(self, config: Config, run: Run, validation: list[sources.Sample]) -> None:
        self._config, self._run, self._validation = config, run, validation
        _make_deterministic(config.train.seed)
        self._model = build_model(config.model.name, **config.model.hyperparameters)
        self._average = build_model(config.model.name, **config.model.hyperparameters)
        self._optimizer = _optimizer(config.train)
        self._model.compile(
            optimizer=self._optimizer,
            loss=lambda target, prediction: total_loss(config.loss, prediction, target)[0],
            jit_compile=_jit(),
        )
        self._optimizer.build(self._model.trainable_variables)
        self._step = self.saved_step = 0
        self._state: dict[str, Any] = {"best_psnr_db": -math.inf, "best_step": 0}
        self._shown: dict[str, str] = {}

    def resume(self) -> None:
        """Continue from the run's checkpoint, if it has one."""
        stored = self._run.load_checkpoint()
        if stored is None:
            return
        arrays, state = stored
        for name, variable in self._variables().items():
            variable.assign(arrays[name])
        self._state = state
        self._step = self.saved_step = state["step"]

    def fit(self, photos: list[Any], progress: bool) -> None:
        """Steps up to the configured number, logging, validating and saving on the way."""
        train, data = self._config.train, self._config.data
        feed = batches(
            photos, data, batch_size=train.batch_size, seed=train.seed,
            first=self._step, stop=train.steps,
        )  # fmt: skip
        writer = EventWriter(self._run.folder / "tensorboard")
        bar = tqdm(
            total=train.steps, initial=self._step, disable=not progress, unit="step",
            dynamic_ncols=True,
        )  # fmt: skip
        clock = time.perf_counter()
        with bar, writer:
            for degraded, target in feed:
                loss = float(self._model.train_on_batch(degraded, target))
                self._step += 1
                bar.update()
                self._require_finite("The loss", loss)
                if self._due(train.log_every):
                    now = time.perf_counter()
                    rate = train.batch_size * train.log_every / (now - clock)
                    self._log_training(writer, bar, loss, rate, degraded, target)
                    clock = now
                paused = time.perf_counter()  # the rate is that of training alone
                if self._due(train.validate_every):
                    self._validate(writer, bar)
                if self._due(CHECKPOINT_EVERY) or self._due(train.validate_every):
                    self._save()
                clock += time.perf_counter() - paused

    def finish(self) -> dict[str, Any]:
        """Sample pictures of the best model, and the run's scores."""
        restorer = Restorer(load_keras(self._run.folder))
        for sample in self._validation[:4]:
            stem = Path(sample.name).stem
            pictures = {
                "degraded": sample.degraded,
                "restored": restorer.restore(sample.degraded),
                "target": sample.target,
            }
            for kind, image in pictures.items():
                write_image(self._run.folder / "samples" / f"{stem}.{kind}.png", to_uint8(image))
        return {"run": str(self._run.folder), "steps": self._step, **self._state}

    def _require_finite(self, what: str, values: Any) -> None:
        """Stop before anything that is not finite reaches a checkpoint or a saved model."""
        if not np.isfinite(values).all():
            raise LpieError(
                f"{what} is not finite at step {self._step}. The checkpoint of step "
                f"{self.saved_step} is kept; try a lower train.learning_rate."
            )

    def _due(self, every: int) -> bool:
        return self._step % every == 0 or self._step == self._config.train.steps

    def _variables(self) -> dict[str, Any]:
        """Everything that a checkpoint holds, by a stable name."""
        variables = [*self._model.variables, *self._optimizer.variables]
        return {f"v{i:04d}": variable for i, variable in enumerate(variables)}

    def _save(self) -> None:
        arrays = {k: keras.ops.convert_to_numpy(v) for k, v in self._variables().items()}
        for array in arrays.values():
            self._require_finite("A weight", array)
        self._run.save_checkpoint(arrays, {**self._state, "step": self._step})
        self.saved_step = self._step

    def _log_training(
        self, writer: EventWriter, bar: Any, loss: float, rate: float, degraded: Any, target: Any
    ) -> None:
        _, parts = total_loss(self._config.loss, self._model(degraded, training=False), target)
        values = {name: float(part) for name, part in parts.items()}
        row = {
            "step": self._step,
            "loss": loss,
            "parts": values,
            "learning_rate": float(self._optimizer.learning_rate),
            "images_per_second": round(rate, 2),
        }
        self._model.reset_metrics()  # the loss is a mean since the last row
        self._run.log(row)
        writer.add(self._step, {**row, **{f"loss/{k}": v for k, v in values.items()}})
        self._shown |= {"loss": f"{loss:.4f}", "img/s": f"{rate:.0f}"}
        bar.set_postfix(self._shown)

    def _validate(self, writer: EventWriter, bar: Any) -> None:
        self._average.set_weights(self._model.get_weights())
        if self._config.train.ema_momentum:
            self._optimizer.finalize_variable_values(self._average.trainable_variables)
            # JAX shares the arrays then, and its predict frees those it was given.
            self._average.set_weights([np.array(w) for w in self._average.get_weights()])
        restorer = Restorer(self._average)
        means = mean_scores([score(restorer, sample) for sample in self._validation])
        self._require_finite("The validation SSIM", means["ssim"])
        self._save_model(self._run.last)
        if means["psnr_db"] > self._state["best_psnr_db"]:
            self._state |= {"best_psnr_db": means["psnr_db"], "best_step": self._step}
            self._save_model(self._run.best)
        self._state |= means
        self._run.log({"step": self._step, **means})
        writer.add(self._step, {f"validation/{k}": v for k, v in means.items()})
        self._shown |= {"dB": f"{means['psnr_db']:.2f}", "SSIM": f"{means['ssim']:.3f}"}
        bar.set_postfix(self._shown)

    def _save_model(self, path: Path) -> None:
        with atomic_path(path) as temporary:
            self._average.save(temporary)


def _optimizer(config: TrainConfig) -> Any:
    """Adam under a cosine with linear warm-up, with the moving average of the weights."""
    warmup = min(config.warmup_steps, config.steps // 2)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else config.learning_rate,
        decay_steps=config.steps - warmup,
        alpha=config.final_learning_rate / config.learning_rate,
        warmup_target=config.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
    return keras.optimizers.Adam(
        schedule,
        global_clipnorm=config.clip_norm or None,
        use_ema=config.ema_momentum > 0,
        ema_momentum=config.ema_momentum,
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
