"""The folder of a training run: its settings, checkpoint, log, curves and pictures."""

import contextlib
import copy
import errno
import fcntl
import io
import json
import shutil
import struct
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lpie.config.config import MOST_STEPS, Config, config_from, to_dict
from lpie.config.parse import differences
from lpie.errors import InputError, LpieError, shown
from lpie.system.documents import parse_json, read_file
from lpie.system.files import TEMPORARY, atomic_path, read_json, to_json, write_atomic
from lpie.system.signals import undone_by_signals
from lpie.weights import is_name, pretrained, pretrained_file

Arrays = dict[str, NDArray]
# What reading a damaged .npz raises, from zipfile, zlib and numpy.
DAMAGE = (
    OSError, ValueError, KeyError, EOFError, RuntimeError, MemoryError, struct.error, zlib.error,
    zipfile.BadZipFile,
)  # fmt: skip


def check_folder(config: Config, folder: Path) -> None:
    """Raise an `InputError` when the run in `folder` would write over what it reads.

    Its sample pictures would become photos, or its models the weights that it starts from.
    """
    real = folder.resolve()
    data = config.data
    for name in ("folder", "validation_folder", "real_pairs"):
        photos = Path(getattr(data, name)).resolve()
        holds = data.source == "clean" and photos in real.parents
        if getattr(data, name) and (photos == real or holds):
            raise InputError(
                f"`workdir` must lie outside of data.{name}, or sample pictures would become "
                f"photos. Received: {folder}. Try {photos.with_name(photos.name + '_run')}."
            )
    for name in ("initial_weights", "teacher"):
        weights = Path(getattr(config.train, name)).resolve()
        if getattr(config.train, name) and real in (weights, weights.parent):
            raise InputError(
                f"`workdir` must be another folder than that of train.{name}, which would be "
                f"overwritten. Received: {folder}."
            )


class Run:
    """A run's folder, made if it is new; without `writes` only read, once another process made it.

    Raises `InputError` when it belongs to another config, naming the settings that differ, and
    `LpieError` when it cannot be written to. A folder in which nothing has been trained yet
    belongs to nobody.
    """

    def __init__(self, folder: Path, config: Config, *, writes: bool = True) -> None:
        self.folder, self._writes, self._config = folder, writes, to_dict(config)
        self.was_started = self._settings.exists()  # by this process or another, before
        if not writes:
            return
        self._is_new = not folder.exists()
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
        if self.begun:
            self._check_same()

    @property
    def begun(self) -> bool:
        """Whether it holds anything that was trained."""
        return any(path.exists() for path in (self._checkpoint, self.best, self.last))

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Holds the run for this process; an `LpieError` when another one trains in it.

        The lock goes with its process, however that ends. What a killed one left half-written is
        removed. When the block fails before anything was trained, it leaves no trace that would
        be in the way of the corrected command.
        """
        if not self._writes:
            yield
            return
        with self._locked():
            for stale in self.folder.glob(TEMPORARY):
                stale.unlink()
            if self.begun:
                self._check_same()
            else:
                with self._writing():
                    write_atomic(self._settings, to_json(self._config))
            with undone_by_signals(self._forget_unbegun):
                try:
                    yield
                except Exception:
                    self._forget_unbegun()
                    raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            with self._writing():
                lock = stack.enter_context((self.folder / "lock").open("w"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LpieError(
                    f"Another process trains in {self.folder}. Wait for it, or choose another "
                    "`workdir`."
                ) from None
            yield

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise LpieError(
                f"Cannot write to {self.folder}: {error.strerror}. Choose another `workdir`."
            ) from None

    def _forget_unbegun(self) -> None:
        """Remove what this process has written, unless something was trained."""
        if self.begun:
            return
        for path in (self._settings, self._log, self.folder / "lock"):
            path.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "tensorboard", ignore_errors=True)
        if self._is_new:
            with contextlib.suppress(OSError):  # somebody else has put something there
                self.folder.rmdir()

    @property
    def best(self) -> Path:
        """The model (averaged weights) of the best validation PSNR."""
        return self.folder / "best.keras"

    @property
    def last(self) -> Path:
        """The model (averaged weights) of the latest validation."""
        return self.folder / "last.keras"

    @property
    def _settings(self) -> Path:
        return self.folder / "config.json"

    @property
    def _checkpoint(self) -> Path:
        return self.folder / "checkpoint.npz"

    @property
    def _log(self) -> Path:
        return self.folder / "log.jsonl"

    def save_checkpoint(self, arrays: Arrays, state: dict[str, Any]) -> None:
        """Replace the checkpoint: `arrays` by name, and `state` as JSON."""
        with atomic_path(self._checkpoint) as temporary:
            np.savez(temporary, state=np.array(json.dumps(state)), **arrays)  # type: ignore[arg-type]

    def load_checkpoint(self) -> tuple[Arrays, dict[str, Any]] | None:
        """The arrays and state of `save_checkpoint`, or None in a new run.

        Rows of the log that are younger than the checkpoint are dropped; they come again.
        """
        if not self._checkpoint.exists():
            if self._writes:
                self._log.unlink(missing_ok=True)
            return None
        try:
            with np.load(self._checkpoint, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            state = _checked_state(parse_json(str(arrays.pop("state"))))
        except DAMAGE as error:
            reason = str(error) or type(error).__name__
            raise InputError(
                f"{self._checkpoint} is damaged ({reason[:200]}). Delete {self.folder} to start "
                "anew."
            ) from None
        if self._writes:
            rows = [row for row in read_log(self.folder) if row["step"] <= state["step"]]
            write_atomic(self._log, "".join(json.dumps(row) + "\n" for row in rows))
        return arrays, state

    def log(self, row: dict[str, Any]) -> None:
        """Append `row` to the log."""
        with self._log.open("a") as f:
            f.write(json.dumps(row) + "\n")

    def _check_same(self) -> None:
        # By way of a config: settings that an older lpie did not have get their defaults.
        theirs = to_dict(config_from(read_settings(self.folder)))
        different = differences(theirs, self._config)
        if different:
            raise InputError(
                f"{self.folder} holds a run with other settings: {'; '.join(different)}. "
                "Use the same settings, or another `workdir`; to train on from its weights there, "
                f"add --set train.initial_weights={self.folder}."
            )


class EventWriter:
    """Writes the curves of a run for TensorBoard, without TensorFlow; a context manager."""

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        from tensorboard.summary import Writer
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = Writer(str(folder)) if writes else None
        self._pictures = EventFileWriter(str(folder)) if writes else None

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Log every float of `values` under its name."""
        for name, value in values.items():
            if self._writer and name != "step" and isinstance(value, float):
                self._writer.add_scalar(name, value, step)

    def show(self, step: int, pictures: dict[str, NDArray[np.uint8]]) -> None:
        """Log pictures, each [H, W, 3] sRGB, under their names."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        for name, picture in pictures.items():
            height, width, channels = picture.shape
            shown = Summary.Image(
                height=height,
                width=width,
                colorspace=channels,
                encoded_image_string=_png(picture),
            )
            summary = Summary(value=[Summary.Value(tag=name, image=shown)])
            if self._pictures:
                self._pictures.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(self, *_: object) -> None:
        for writer in (self._writer, self._pictures):
            if writer:
                writer.close()


def _png(picture: NDArray[np.uint8]) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    return data.getvalue()


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of the run in `folder` as nested plain values."""
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder} is not a run: it holds no config.json. `lpie train` makes one.")
    return read_json(path)


def settings_of(model: Path) -> dict[str, Any]:
    """The nested settings of the run `model`, or those known of a pretrained network or a file."""
    if model.is_file() and model.suffix.lower() in (".keras", ".h5", ".hdf5"):
        return {"model": {"name": str(model.resolve())}, "data": {}}
    if not is_name(model):
        return to_dict(config_from(read_settings(model)))
    pretrained_file(str(model), ".npz")  # an unknown name is refused, and the nearest one named
    facts = copy.deepcopy(pretrained()[str(model)])
    network = {"name": facts["network"], "hyperparameters": facts["hyperparameters"]}
    return {"model": network, "data": {"degrade": facts["degrade"]}, "loss": facts["loss"]}


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of the run's log; a last line that a kill cut short is left out."""
    path = folder / "log.jsonl"
    lines = read_file(path).rstrip().splitlines() if path.exists() else []
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = parse_json(line)
        except ValueError:
            row = None
        if _is_row(row):
            rows.append(row)
        elif number < len(lines):
            received = shown(line.decode(errors="replace"))
            raise InputError(
                f"{path}, line {number} is not a JSON object with a step from 0 to "
                f"{MOST_STEPS:,}. Delete that line. Received: {received}."
            )
    return rows


def _is_row(row: Any) -> bool:
    """Whether it is a row as `Run.log` writes it, with numbers that a float can hold."""
    if not isinstance(row, dict) or not _is_step(row.get("step")):
        return False
    parts = row.get("parts")
    values = [*row.values(), *(parts.values() if isinstance(parts, dict) else ())]
    return all(abs(value) < 1e300 for value in values if isinstance(value, int))


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_STEPS


def _checked_state(state: Any) -> dict[str, Any]:
    """What `Run.save_checkpoint` was given, or a `ValueError`."""
    if not (isinstance(state, dict) and _is_step(state.get("step"))):
        raise ValueError("it names no step")
    if not (_is_step(state.get("best_step")) and isinstance(state.get("best_psnr_db"), float)):
        raise ValueError("it names no best step")
    return state


def write_failure(error: OSError, step: int) -> LpieError:
    """The error of a run that can no longer write its files."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space" in str(error)
    reason = "The disk is full" if full else f"A file of the run cannot be written ({error})"
    kept = f"The checkpoint of step {step} is kept" if step else "No checkpoint was written yet"
    return LpieError(f"{reason}. {kept}; fix this, then run the same command again to resume.")
