"""The folder of a training run: its settings, checkpoint, log, curves and pictures."""

import contextlib
import copy
import errno
import fcntl
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.config.config import Config, config_from, to_dict
from lpie.config.parse import differences
from lpie.errors import InputError, LpieError
from lpie.system.documents import parse_json
from lpie.system.files import TEMPORARY, atomic_path, read_json, to_json, write_atomic
from lpie.weights import is_name, pretrained, pretrained_file

Arrays = dict[str, NDArray]
_MOST_STEPS = 2**53  # more than anybody trains, and still exact as a float


class Run:
    """A run's folder, made if it is new; without `writes` only read, once another process made it.

    Raises `InputError` when it belongs to another config, naming the settings that differ, and
    `LpieError` when it cannot be written to.
    """

    def __init__(self, folder: Path, config: Config, *, writes: bool = True) -> None:
        self.folder, self._writes = folder, writes
        if not writes:
            return
        ours = to_dict(config)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self._settings.exists():
                self._check_same(ours)
            else:
                write_atomic(self._settings, to_json(ours))
        except OSError as error:
            raise LpieError(
                f"Cannot write to {folder}: {error.strerror}. Choose another `workdir`."
            ) from None

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Holds the run for this process; an `LpieError` when another one trains in it.

        The lock goes with its process, however that ends. What a killed one left half-written is
        removed.
        """
        if not self._writes:
            yield
            return
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LpieError(
                    f"Another process trains in {self.folder}. Wait for it, or choose another "
                    "`workdir`."
                ) from None
            for stale in self.folder.glob(TEMPORARY):
                stale.unlink()
            yield

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
            state = json.loads(str(arrays.pop("state")))
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{self._checkpoint} is damaged ({error}). Delete {self.folder} to start anew."
            ) from None
        if self._writes:
            rows = [row for row in read_log(self.folder) if row["step"] <= state["step"]]
            write_atomic(self._log, "".join(json.dumps(row) + "\n" for row in rows))
        return arrays, state

    def log(self, row: dict[str, Any]) -> None:
        """Append `row` to the log."""
        with self._log.open("a") as f:
            f.write(json.dumps(row) + "\n")

    def _check_same(self, ours: dict[str, Any]) -> None:
        # By way of a config: settings that an older lpie did not have get their defaults.
        theirs = to_dict(config_from(read_settings(self.folder)))
        different = differences(theirs, ours)
        if different:
            raise InputError(
                f"{self.folder} holds a run with other settings: {'; '.join(different)}. "
                "Use the same settings, or another `workdir`."
            )


class EventWriter:
    """Writes the curves of a run for TensorBoard, without TensorFlow; a context manager."""

    def __init__(self, folder: Path, *, writes: bool = True) -> None:
        from tensorboard.summary import Writer

        self._writer = Writer(str(folder)) if writes else None

    def add(self, step: int, values: dict[str, Any]) -> None:
        """Log every float of `values` under its name."""
        for name, value in values.items():
            if self._writer and name != "step" and isinstance(value, float):
                self._writer.add_scalar(name, value, step)

    def __enter__(self) -> "EventWriter":
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer:
            self._writer.close()


def read_settings(folder: Path) -> dict[str, Any]:
    """The settings of the run in `folder` as nested plain values."""
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(f"{folder} is not a run: it holds no config.json. `lpie train` makes one.")
    return read_json(path)


def settings_of(model: Path) -> dict[str, Any]:
    """The nested settings of the run `model`, or those known of a pretrained network."""
    if not is_name(model):
        return read_settings(model)
    pretrained_file(str(model), ".npz")  # an unknown name is refused, and the nearest one named
    facts = copy.deepcopy(pretrained()[str(model)])
    network = {"name": facts["network"], "hyperparameters": facts["hyperparameters"]}
    return {"model": network, "data": {"degrade": facts["degrade"]}, "loss": facts["loss"]}


def read_log(folder: Path) -> list[dict[str, Any]]:
    """The rows of the run's log; a last line that a kill cut short is left out."""
    path = folder / "log.jsonl"
    lines = path.read_bytes().rstrip().splitlines() if path.exists() else []
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = parse_json(line)
        except ValueError:
            row = None
        if isinstance(row, dict) and _is_step(row.get("step")):
            rows.append(row)
        elif number < len(lines):
            raise InputError(
                f"{path}, line {number} is not a JSON object with a step. Delete that line."
            )
    return rows


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST_STEPS


def write_failure(error: OSError, step: int) -> LpieError:
    """The error of a run that can no longer write its files."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space" in str(error)
    reason = "The disk is full" if full else f"A file of the run cannot be written ({error})"
    kept = f"The checkpoint of step {step} is kept" if step else "No checkpoint was written yet"
    return LpieError(f"{reason}. {kept}; fix this, then run the same command again to resume.")
