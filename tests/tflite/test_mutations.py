"""Thousands of damaged `.tflite` files: whatever verb reads one gives a result or one sentence."""

import contextlib
import struct
import traceback
from functools import cache

import numpy as np
import pytest
from ai_edge_litert.tools import flatbuffer_utils
from click.testing import CliRunner

from lpie import Restorer
from lpie.benchmarks.harness.delegate import parse_delegate
from lpie.benchmarks.harness.job import jobs_for, network_in
from lpie.benchmarks.harness.quality import feed_for
from lpie.cli.export.inspect import inspect
from lpie.errors import LpieError
from lpie.export.delegates.float16_range import peaks
from lpie.export.verification.runtimes import CPU, run_in
from lpie.size import Size
from lpie.tflite.foreign import interpreter
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file
from tests import soak
from tests.hostile_models import HOSTILE, relu
from tests.single_ops import FOLDER

EXTREMES = (0, 1, 2, 4, 127, 128, 255, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
PHOTO = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)


@cache
def sources():
    """Files to damage: one-op files, a network, and what is hostile already."""
    network = TfliteModel.read(tflite_file("denoise-s")).resized(Size(64, 64)).to_bytes()
    ops = [path.read_bytes() for path in sorted(FOLDER.glob("*.tflite"))]
    return [*ops, *[network] * (len(ops) // 4), relu(), *(make() for make in HOSTILE.values())]


def changed(rng, data):
    """A well-formed file in which some fields have other values."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(data))
    graph = model.subgraphs[0]
    for _ in range(int(rng.integers(1, 4))):
        lists = (graph.tensors, graph.operators, model.operatorCodes, [graph], model.buffers)
        parts = lists[rng.choice(len(lists), p=(0.35, 0.4, 0.1, 0.1, 0.05))]
        part = parts[rng.integers(len(parts))]
        options = getattr(part, "builtinOptions", None)
        part = options if options is not None and vars(options) and rng.random() < 0.5 else part
        names = [name for name, value in vars(part).items() if _is_number(value)]
        if not names:
            continue
        name = names[rng.integers(len(names))]
        value, number = getattr(part, name), int(EXTREMES[rng.integers(len(EXTREMES))])
        number = number - 2**32 if number >= 2**31 else number
        if isinstance(value, np.ndarray):
            value = value.copy()
            value[rng.integers(len(value))] = number if rng.random() < 0.5 else rng.integers(-2, 9)
            setattr(part, name, value)
        else:
            setattr(part, name, type(value)(number if rng.random() < 0.5 else rng.integers(9)))
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _is_number(value):
    is_array = isinstance(value, np.ndarray) and len(value) and value.dtype == np.int32
    return is_array or isinstance(value, (bool, int, float, np.integer))


def mutated(rng):
    """A damaged file: fields, bytes or numbers changed, cut, or joined of two."""
    data = bytearray(sources()[rng.integers(len(sources()))])
    if rng.random() < 0.5:
        with contextlib.suppress(struct.error, OverflowError, ValueError, TypeError):
            return changed(rng, data)  # what does not fit its field is left to bytes
    kind = rng.integers(10)
    if kind == 0:
        return bytes(data[: rng.integers(len(data))])
    if kind == 1:
        other = sources()[rng.integers(len(sources()))]
        place = int(rng.integers(min(len(data), len(other))))
        return bytes(data[:place]) + other[place:]
    for _ in range(int(rng.integers(1, 6))):
        # Most of a network is weights: half of the damage is done near the ends.
        end = len(data) if rng.random() < 0.5 else min(len(data), 4096)
        place = int(rng.integers(8, max(end, 9) - 4))
        place = place if rng.random() < 0.5 else len(data) - place
        if kind < 6:
            data[place] ^= 1 << int(rng.integers(8))
        else:
            place -= place % 4
            number = int(EXTREMES[rng.integers(len(EXTREMES))])
            data[place : place + 4] = number.to_bytes(4, "little")
    return bytes(data)


def only_sentences(action, *arguments):
    """Whether `action` gave a result; whatever it raised must be a sentence of ours."""
    try:
        action(*arguments)
    except LpieError:
        return False
    return True


def look(path):
    for words in ([], ["--size", "128x96", "--json"]):
        result = CliRunner().invoke(inspect, [str(path), *words])
        if isinstance(result.exception, LpieError):
            raise result.exception
        if result.exception:
            raise result.exception


def plan_bench(path):
    network_in.cache_clear()
    for job in jobs_for(path, ("256x256",), parse_delegate("cpu"), 1):
        job.data()
        feed_for(job, None, None)


def cases(count, *more):
    return [np.random.default_rng([soak.seed(), n, *more]) for n in range(count)]


def through(actions, count, tmp_path, *more):
    wrong, whole = [], 0
    for number, rng in enumerate(cases(count, *more)):
        path = tmp_path / "x.tflite"
        path.write_bytes(mutated(rng))
        for action in actions:
            try:
                whole += only_sentences(action, path)
            except Exception:  # noqa: BLE001 (any other is what is looked for)
                wrong.append(f"{number} {action.__name__}: {traceback.format_exc()[-900:]}")
                (tmp_path / f"wrong-{number}.tflite").write_bytes(path.read_bytes())
    assert not wrong, f"{len(wrong)} of {count}, seed {soak.seed()}:\n" + "\n".join(wrong[:5])
    assert whole or count < 50  # some damage does no harm


def test_what_only_looks(tmp_path):
    through([look, plan_bench], soak.amount(3000, 60), tmp_path, 1)


@pytest.fixture
def impatient(monkeypatch):
    """Limits as for a far faster computer."""
    monkeypatch.setattr(interpreter, "STARTING_S", 1.0)


def restore(path):
    restorer = Restorer(path, threads=1)
    try:
        restorer.restore(PHOTO)
    finally:
        restorer.close()


def verify(path):
    model = TfliteModel.read(path)
    images = np.zeros((1, *model.image, 3), np.float32)
    run_in(CPU[0], model, images)


def measure_peaks(path):
    peaks(TfliteModel.read(path), [PHOTO])


def test_what_runs(tmp_path, impatient):
    through([restore, verify, measure_peaks], soak.amount(400, 8), tmp_path, 2)
