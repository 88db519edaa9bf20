"""Trains networks: one loop for all of them, which resumes to the same weights."""

import contextlib
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from lpie.config.config import Config, load_config
from lpie.data.batches import batches, make_batch, names_of
from lpie.data.pools import Pool, load_pools
from lpie.data.sources import Sample
from lpie.errors import InputError, LpieError
from lpie.evaluation.evaluate import mean_scores, score
from lpie.image.image import to_uint8, write_image
from lpie.models.load import load_keras
from lpie.restore.restorer import Restorer
from lpie.system.files import atomic_path
from lpie.system.signals import postponed
from lpie.training.distribution import Devices, find_devices, take_part
from lpie.training.learner import Learner
from lpie.training.run import EventWriter, Run, check_folder, write_failure

LEAST_GAIN_DB = 1e-3  # less is rounding, no better model
STOPPING = "Saving a checkpoint after this step. Stop once more to end at once."
SHOWN, SHOWN_PX = 3, 128  # validation pictures in TensorBoard, and the side of their middle part
CHECKPOINT_EVERY = 200  # steps; a checkpoint is 2 MB for LPIENet


def train(
    config: Config | Path | str,
    workdir: Path | str,
    *,
    devices: str = "1",
    hosts: Sequence[str] = (),
    host: int = 0,
    secret_file: Path | str | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Train a network in a folder, or resume its training.

    A run that was killed at any moment and called again ends with the same weights as one that
    was not (same seed, same machine, CPU). It writes `best.keras` and `last.keras` (averaged
    weights), `log.jsonl`, TensorBoard events and sample pictures to `workdir`.

    Args:
        config: The settings, or the path of a TOML file that lists those that differ from the
            defaults.
        workdir: The folder of the run; with `hosts`, one that all processes share.
        devices: `"1"`, another number, `"all"`, `"tpu"`, or `"cpu:N"` for N simulated devices.
            Their number changes the weights by rounding alone.
        hosts: The `address:port` of every process of a distributed run, the same list for all of
            them. Host 0 needs another free port as well. When one process stops, all do.
        host: The position of this process in `hosts`, from 0.
        secret_file: A file with the secret by which the processes know each other, at least 16
            characters. By default that in the environment variable LPIE_JOB_SECRET, else host 0
            makes one in `workdir` for the time of their meeting.
        progress: Whether to show a progress bar on standard error.

    Returns:
        `psnr_db` and `ssim` of the last validation, `best_psnr_db` and its `best_step`,
        `degraded_psnr_db` of the input, `steps`, the folder `run`, the number of `photos`, and the
        reasons why photos were `skipped`.

    Raises:
        InputError: A setting, photo or folder cannot be used, or `workdir` holds another run.
        LpieError: The loss is not finite, a host stopped, or the disk is full; the last checkpoint
            stays.
    """
    if not isinstance(config, Config):
        config = load_config(Path(config))
    workdir, file = Path(workdir), Path(secret_file) if secret_file is not None else None
    with take_part(hosts, host, config, workdir, file) as job:
        used = find_devices(devices, job=job)
        return _train(config, workdir, used, progress and used.process == 0)


def _train(config: Config, workdir: Path, devices: Devices, progress: bool) -> dict[str, Any]:
    _check_split(config, devices)
    check_folder(config, workdir)
    pools, validation, skipped = load_pools(config)
    run = Run(workdir, config, writes=devices.process == 0)
    with run.alone():
        trainer = _Trainer(config, run, devices, pools, validation)
        try:
            trainer.resume(progress)
            trainer.fit(progress)
            result = trainer.finish()
        except OSError as error:
            raise write_failure(error, trainer.saved_step) from error
    return {**result, "photos": sum(len(pool.photos) for pool in pools), "skipped": skipped}


def _check_split(config: Config, devices: Devices) -> None:
    """Every part of every batch must divide evenly."""
    for _, batch_size in config.stages():
        if batch_size % (config.train.accumulate * devices.replicas):
            raise InputError(
                f"train.batch_size must be a multiple of the {devices.replicas} devices times "
                f"train.accumulate = {config.train.accumulate}. Received: {batch_size}."
            )


class _Trainer:
    """The state of a run in memory: learner, step and best score."""

    def __init__(
        self,
        config: Config,
        run: Run,
        devices: Devices,
        pools: list[Pool],
        validation: list[Sample],
    ) -> None:
        self._config, self._run, self._devices = config, run, devices
        self._pools, self._validation = pools, validation
        self._learner = Learner(config, devices)
        self._chief = devices.process == 0
        self._step = self.saved_step = 0
        self._state: dict[str, Any] = {"best_psnr_db": -math.inf, "best_step": 0, "ended": False}
        self._shown: dict[str, str] = {}

    def resume(self, progress: bool) -> None:
        """Continue from the run's checkpoint, if it has one; with `progress` say from where."""
        stored = self._run.load_checkpoint()
        if stored is not None:
            arrays, self._state = stored
            self._step = self.saved_step = self._state["step"]
        if progress and (stored or self._run.was_started):
            at = f"resuming at step {self._step:,}" if stored else "no checkpoint, starting over"
            tqdm.write(f"{self._run.folder}: {at}.", file=sys.stderr)
        # Before anything else that all processes must do alike.
        if self._from_first(self._step) != self._step:
            raise LpieError(
                f"Process {self._devices.process} has the checkpoint of step {self._step}, "
                "process 0 "
                "another one. `workdir` must be a folder that all hosts share."
            )
        if stored is None:
            self._learner.start(make_batch(self._pools, self._config, 0)[0])
        else:
            self._learner.load(arrays)

    def fit(self, progress: bool) -> None:
        """Steps up to the configured number, logging, validating and saving on the way."""
        train = self._config.train
        feed = batches(
            self._pools,
            self._config,
            first=self._step,
            stop=self._step if self._state["ended"] else train.steps,
            process=self._devices.process,
            processes=self._devices.processes,
        )
        writer = EventWriter(self._run.folder / "tensorboard", writes=self._chief)
        bar = tqdm(
            total=train.steps,
            initial=self._step,
            disable=not progress,
            unit="step",
            dynamic_ncols=True,
            mininterval=0.1 if sys.stderr.isatty() else 30,
        )
        losses: list[float] = []
        clock = time.perf_counter()
        # The others of a job have nothing to save.
        unsaved = lambda: self._step > self.saved_step  # noqa: E731
        stopping = postponed(STOPPING, unsaved) if self._chief else contextlib.nullcontext()
        with bar, writer, stopping as stop:
            for degraded, target in feed:
                losses.append(self._learner.step(degraded, target))
                self._require_finite("The loss", losses[-1])
                self._step += 1
                bar.update()
                paused = time.perf_counter()  # the rate is that of training alone
                if self._due(train.log_every):
                    self._log_training(writer, losses, paused - clock, degraded, target)
                    losses, clock = [], paused
                if self._due(train.validate_every):
                    self._validate(writer)
                if self._due(CHECKPOINT_EVERY) or self._due(train.validate_every):
                    self._save()
                bar.set_postfix(self._shown, refresh=False)
                clock += time.perf_counter() - paused
                if stop and stop.number:
                    self._save()
                    stop.obey()
                if self._state["ended"]:
                    break

    def finish(self) -> dict[str, Any]:
        """Sample pictures of the best model, and the run's scores."""
        if self._chief:
            restorer = Restorer(load_keras(self._run.folder), max_memory_mb=math.inf)
            for sample in self._validation[:4]:
                self._write_pictures(restorer, sample)
        return {"run": str(self._run.folder), "steps": self._step, **self._state}

    def _write_pictures(self, restorer: Restorer, sample: Sample) -> None:
        pictures = {
            "degraded": sample.degraded,
            "restored": restorer.restore(sample.degraded),
            "target": sample.target,
        }
        for kind, image in pictures.items():
            name = f"{Path(sample.name).stem}.{kind}.png"
            write_image(self._run.folder / "samples" / name, to_uint8(image))

    def _require_finite(self, what: str, values: Any) -> None:
        """Stop before anything that is not finite reaches a checkpoint or a saved model."""
        if not np.isfinite(values).all():
            names = names_of(self._pools, self._config, self._step)
            raise LpieError(
                f"{what} is not finite at batch {self._step} (from {', '.join(names[:4])}"
                f"{', ...' if len(names) > 4 else ''}). The checkpoint of step "
                f"{self.saved_step} is kept; try a lower train.learning_rate."
            )

    def _from_first(self, value: int) -> int:
        """The value of process 0; all processes must ask at the same point."""
        return int(self._devices.from_first(np.array([value], np.int32))[0])

    def _due(self, every: int) -> bool:
        return self._step % every == 0 or self._step == self._config.train.steps

    def _save(self) -> None:
        if not self._chief:
            return
        arrays = self._learner.arrays()
        for array in arrays.values():
            self._require_finite("A weight", array)
        self._run.save_checkpoint(arrays, {**self._state, "step": self._step})
        self.saved_step = self._step

    def _log_training(
        self, writer: EventWriter, losses: list[float], seconds: float, degraded: Any, target: Any
    ) -> None:
        if not self._chief:
            return
        values = self._learner.loss_parts(degraded, target)
        _, batch_size = self._config.stage(self._step - 1)
        row = {
            "step": self._step,
            "loss": float(np.mean(losses)),  # since the last row
            "parts": values,
            "learning_rate": self._learner.learning_rate,
            "images_per_second": round(batch_size * len(losses) / seconds, 2),
        }
        self._run.log(row)
        writer.add(self._step, {**row, **{f"loss/{k}": v for k, v in values.items()}})
        self._shown |= {"loss": f"{row['loss']:.4f}", "img/s": f"{row['images_per_second']:.0f}"}

    def _validate(self, writer: EventWriter) -> None:
        """Score the averaged weights and keep the best; all processes learn whether to end."""
        model = self._learner.averaged()
        if self._chief:
            restorer = Restorer(self._learner.as_trained(model), max_memory_mb=math.inf)
            means = mean_scores([score(restorer, sample) for sample in self._validation])
            self._require_finite("The validation SSIM", means["ssim"])
            self._save_model(model, self._run.last)
            gain = means["psnr_db"] - self._state["best_psnr_db"]
            if self._learner.settled and gain > LEAST_GAIN_DB:
                self._state |= {"best_psnr_db": means["psnr_db"], "best_step": self._step}
                self._save_model(model, self._run.best)
            self._state |= means
            self._run.log({"step": self._step, **means})
            writer.add(self._step, {f"validation/{k}": v for k, v in means.items()})
            writer.show(self._step, _shown_samples(restorer, self._validation[:SHOWN]))
            self._shown |= {"dB": f"{means['psnr_db']:.2f}", "SSIM": f"{means['ssim']:.3f}"}
        since = (self._step - self._state["best_step"]) // self._config.train.validate_every
        ended = self._learner.settled and 0 < self._config.train.patience <= since
        self._state["ended"] = bool(self._from_first(ended))

    def _save_model(self, model: Any, path: Path) -> None:
        with atomic_path(path) as temporary:
            model.save(temporary)


def _shown_samples(restorer: Restorer, samples: Sequence[Sample]) -> dict[str, NDArray[np.uint8]]:
    """{name: degraded, restored and clean side by side}, of the middle of each sample."""
    pictures = {}
    for sample in samples:
        h, w, _ = sample.degraded.shape
        top, left = (max(side - SHOWN_PX, 0) // 2 for side in (h, w))
        part = slice(top, top + SHOWN_PX), slice(left, left + SHOWN_PX)
        row = [sample.degraded[part], restorer.restore(sample.degraded[part]), sample.target[part]]
        name = f"degraded, restored, clean/{Path(sample.name).stem}"
        pictures[name] = to_uint8(np.concatenate(row, axis=1))
    return pictures
