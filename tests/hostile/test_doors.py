"""Damaged files through every door: a sentence or a result, and never a crash, hang or traceback.

Some in each run, chosen by the commit; 5,000 by `make soak`, or of one door by
`python -m tests.hostile.test_doors DOOR COUNT`, which shows what it finds.
"""

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests import soak
from tests.hostile.doors import DOORS, SELF_TEST
from tests.hostile.mutate import damaged
from tests.hostile.workers import End, Worker

# What these still do wrong is known; a row goes with the change that mends it.
OPEN: dict[str, str] = {}
COUNT = soak.amount(5000, 112) // len(DOORS)


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    worker = prepared(tmp_path_factory.mktemp("hostile"))
    yield worker
    worker.close()


def prepared(folder: Path) -> Worker:
    """A worker in `folder`, with a good photo."""
    photo = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    cv2.imwrite(str(folder / "photo.png"), photo)
    return Worker(folder)


def faults(worker: Worker, name: str, count: int, folder: Path) -> list[tuple[int, End]]:
    """(number of the damaged file, how it ended) of each that was received badly."""
    door, number = DOORS[name], sorted(DOORS).index(name)
    valid = worker.valid(name)
    bad = []
    for i in range(count):
        rng = soak.rng(number, i)
        data = damaged(valid[rng.integers(len(valid))], rng, text=door.text, others=valid)
        path = folder / f"file{door.suffix}"
        path.write_bytes(data)
        end = worker.open(name, path)
        if end.fault:
            (folder / f"fault{i}{door.suffix}").write_bytes(data)
            bad.append((i, end))
    return bad


def doors():
    for name in DOORS:
        marks = [pytest.mark.xfail(reason=OPEN[name])] if name in OPEN else []
        yield pytest.param(name, marks=marks)


@pytest.mark.soak
@pytest.mark.parametrize("name", doors())
def test_damaged_files(worker, name, tmp_path):
    if not worker.valid(name):
        pytest.skip("no ../shared beside this clone")
    bad = faults(worker, name, COUNT, tmp_path)
    assert not bad, "\n".join(f"{i}: {end.fault}\n{end.printed[-500:]}" for i, end in bad[:5])


def test_a_valid_file_is_received(worker, tmp_path):
    """Else nothing of this would mean anything: each door opens for some valid file."""
    for name, door in DOORS.items():
        ends = []
        for data in worker.valid(name)[:3]:
            path = tmp_path / f"valid{door.suffix}"
            path.write_bytes(data)
            ends.append(worker.open(name, path))
            assert not ends[-1].fault, (name, ends[-1])
        assert not ends or 0 in [end.code for end in ends], (name, [end.printed for end in ends])


FAULTY = {
    "crash": "import os; os.abort()",
    "hang": "while True: pass",
    "memory": "import time; x = b'1' * 10**9; time.sleep(99)",
    "traceback": "1 / 0",
    "escape": "print('\\x1b[31m')",
    "silence": "raise SystemExit(1)",
}


@pytest.mark.parametrize("what", FAULTY)
def test_every_fault_is_noticed(tmp_path, what, monkeypatch):
    monkeypatch.setattr("tests.hostile.workers.COMPUTING_S", 0.5)
    monkeypatch.setattr("tests.hostile.workers.MEMORY_BYTES", 300_000_000)
    worker = prepared(tmp_path)
    path = tmp_path / "file.py"
    path.write_text(FAULTY[what])
    assert worker.open(SELF_TEST, path).fault
    path.write_text("")
    assert not worker.open(SELF_TEST, path).fault
    worker.close()


def main(name: str, count: int) -> None:
    """Print what the door does wrong with `count` damaged files, each kind of it once."""
    folder = Path(tempfile.mkdtemp(prefix="lpie-hostile-"))
    worker = prepared(folder)
    seen = set()
    bad = faults(worker, name, count, folder)
    for i, end in bad:
        last = end.fault.strip().splitlines()
        kind = "\n".join([*last[-4:-1], last[-1][:60]])
        if kind not in seen:
            seen.add(kind)
            print(f"--- {i}: {folder}/fault{i}{DOORS[name].suffix}\n{kind}\n{end.printed[-300:]}")  # noqa: T201
    print(f"{name}: {len(bad)} of {count}, {len(seen)} kinds")  # noqa: T201
    worker.close()


if __name__ == "__main__":
    for door in DOORS if sys.argv[1] == "all" else [sys.argv[1]]:
        main(door, int(sys.argv[2]))
