"""The doors through which files of other people come in: a row for each kind of file and verb.

A new kind of file is a new row: which valid files there are, and what reads them.
"""

import gzip
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tests.conftest import ROOT, SHARED

TOML = """[train]
steps = 20
batch_size = 4
progressive = [[5, 32, 4]]
learning_rate = 1e-3
optimizer = "adam"
[data]
patch_px = 32
downscale = [1, 2]
[data.degrade]
kinds = ["gaussian_noise", "jpeg"]
noise_sigma = [0, 55]
[model]
name = "lpienet"
hyperparameters = { encoder_widths = [8, 12, 16] }
"""
SUITE = """models = ["gone.tflite"]
sizes = ["96x64"]
delegates = ["xnnpack", "gpu"]
threads = [1, 4]
rounds = 3
seconds = 0.5
mode = "tiles"
tile_px = 168
"""


@dataclass(frozen=True)
class Door:
    """How files of a kind come in.

    suffix: of the file. valid: makes valid files (called once, in a process with Keras).
    words: the command line, with IN (the file), OUT (a file to write) and PHOTO (a good photo);
    or `call`, a function of the file, where a verb would work for long with what is still valid.
    text: whether numbers and words are damaged too.
    """

    suffix: str
    valid: Callable[[Path], list[bytes]]
    words: str = ""
    call: Callable[[Path], object] | None = None
    text: bool = False


def encoded(suffix: str, *options: int) -> Callable[[Path], list[bytes]]:
    """Photos of 24x40, in colour, grey and of 16 bits where the format has that."""

    def make(_: Path) -> list[bytes]:
        rng = np.random.default_rng(0)
        pictures = [rng.integers(0, 256, (24, 40, 3), np.uint8), np.full((24, 40), 99, np.uint8)]
        if suffix in (".png", ".tif"):
            pictures.append(rng.integers(0, 65536, (24, 40, 3), np.uint16))
        return [cv2.imencode(suffix, picture, options)[1].tobytes() for picture in pictures]

    return make


def files(pattern: str, most: int = 60) -> Callable[[Path], list[bytes]]:
    """Files of the repository, and of the spec beside it where that is there."""

    def read(_: Path) -> list[bytes]:
        paths = [*sorted(ROOT.glob(pattern)), *sorted(SHARED.glob(pattern))]
        return [path.read_bytes() for path in paths if path.stat().st_size < 300_000][:most]

    return read


def text(*documents: str) -> Callable[[Path], list[bytes]]:
    return lambda _: [document.encode() for document in documents]


def keras_files(folder: Path) -> list[bytes]:
    import keras

    image = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    x = keras.layers.Conv2D(3, 3, padding="same")(x)
    model = keras.Model(image, keras.layers.Add()([image, x]))
    model.save(folder / "valid.keras")
    return [(folder / "valid.keras").read_bytes()]


def arrays(_: Path) -> list[bytes]:
    stream = io.BytesIO()
    np.savez(stream, **{f"w/{i}/layer.weight": np.ones((4, 3, 3, 3), np.float32) for i in range(3)})
    return [stream.getvalue()]


def records(_: Path) -> list[bytes]:
    from lpie.benchmarks.records.record import collection, new_record, timed_round

    times = [[10.0, 10.2, 10.1], [10.1, 10.2, 10.0], [10.0, 10.1, 10.3]]
    record = new_record(rounds=[timed_round(row) for row in times])
    return [json.dumps(value).encode() for value in (record, collection([record, record]))]


def pairs() -> dict[str, bytes]:
    """Pairs of photos by their names in an archive."""
    photo = encoded(".png")(Path())[0]
    return {f"x/{side}/{i}.png": photo for side in ("degraded", "target") for i in range(3)}


def zipped(_: Path) -> list[bytes]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in pairs().items():
            archive.writestr(name, data)
    return [stream.getvalue()]


def tarred(_: Path) -> list[bytes]:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in pairs().items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return [stream.getvalue()]


def packed(folder: Path) -> list[bytes]:
    return [gzip.compress(data, mtime=0) for data in tarred(folder)]


def log_rows(_: Path) -> list[bytes]:
    rows = []
    for step in range(50, 500, 50):
        rows.append({"step": step, "loss": 1 / step, "parts": {"l1": 0.5}, "learning_rate": 1e-3})
        scores = {"psnr_db": 28.5, "ssim": 0.8, "degraded_psnr_db": 20.1, "degraded_ssim": 0.3}
        rows.append({"step": step, **scores})
    return ["".join(json.dumps(row) + "\n" for row in rows).encode()]


def settings(_: Path) -> list[bytes]:
    from lpie.config.config import Config, to_dict

    return [json.dumps(to_dict(Config()), indent=2).encode()]


def checkpoints(folder: Path) -> list[bytes]:
    from lpie.config.config import Config
    from lpie.training.run import Run

    state = {"step": 2, "best_step": 0, "best_psnr_db": 1.0, "ended": False}
    Run(folder / "run", Config()).save_checkpoint({"v0": np.zeros((9, 9), np.float32)}, state)
    return [(folder / "run/checkpoint.npz").read_bytes()]


def notes(_: Path) -> list[bytes]:
    from lpie.tflite.model import TfliteModel
    from lpie.weights import tflite_file

    spec = TfliteModel.read(tflite_file("denoise-s")).spec
    assert spec is not None
    return [spec.to_json().encode()]


def rates(_: Path) -> list[bytes]:
    rate = {
        "workers": 1,
        "threads": 2,
        "areas_px": [64.0],
        "pixels_per_s": [1e6],
        "setup_s_per_pixel": 1e-9,
    }
    return [json.dumps({"key": {"rates": [rate], "fast_halo_px": 8}}).encode()]


def load_config(path: Path) -> object:
    from lpie.config.config import load_config, to_dict

    return to_dict(load_config(path))


def set_option(path: Path) -> object:
    from lpie.config.config import overridden

    lines = path.read_bytes().decode("utf-8", "replace").splitlines()
    return overridden({}, [line.replace(" = ", "=", 1) for line in lines])


def read_note(path: Path) -> object:
    """The spec inside a file, which `inspect`, `restore` and `bench` all read."""
    from lpie.tflite.model import TfliteModel
    from lpie.weights import tflite_file

    editor = TfliteModel.read(tflite_file("denoise-s")).edit()
    editor.write_note(path.read_bytes().decode("utf-8", "replace"))
    return TfliteModel.parse(editor.to_bytes()).spec


def read_suite(path: Path) -> object:
    from lpie.benchmarks.harness.suite import read_suite

    return read_suite(path)


def load_checkpoint(path: Path) -> object:
    from lpie.config.config import Config
    from lpie.training.run import Run

    shutil.rmtree(path.parent / "run", ignore_errors=True)
    run = Run(path.parent / "run", Config())
    shutil.copy(path, run.folder / "checkpoint.npz")
    return run.load_checkpoint()


def report_log(path: Path) -> object:
    return _report(path.parent, log=path.read_bytes(), config=settings(path)[0])


def report_settings(path: Path) -> object:
    return _report(path.parent, log=log_rows(path)[0], config=path.read_bytes())


def _report(folder: Path, *, log: bytes, config: bytes) -> object:
    from lpie.benchmarks.reports.run_page import write_report
    from lpie.training.run import settings_of

    run = folder / "run"
    run.mkdir(exist_ok=True)
    (run / "log.jsonl").write_bytes(log)
    (run / "config.json").write_bytes(config)
    write_report(run, folder / "page.html")
    return settings_of(run)


def read_rates(path: Path) -> object:
    import os

    from lpie.restore import autotune

    os.environ["XDG_CACHE_HOME"] = str(path.parent)
    (path.parent / "lpie").mkdir(exist_ok=True)
    shutil.copy(path, path.parent / "lpie/rates.json")
    found = [autotune.known_rates("key", 2), autotune.remembered("key", "fast_halo_px")]
    autotune.remember("key", "fast_halo_px", 8)
    assert autotune.remembered("key", "fast_halo_px") == 8
    return found


def read_weights(path: Path) -> object:
    from lpie.models.released.checkpoints import read_state

    return read_state(path)


PREPARE = "data prepare pairs IN OUT --patch 16 --stride 16"
RESTORE = "restore denoise-s IN OUT.png --strength 0 --max-megapixels 4"
DOORS = {
    "restore .png": Door(".png", encoded(".png"), RESTORE),
    "restore .jpg": Door(".jpg", encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1), RESTORE),
    "restore .webp": Door(".webp", encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 101), RESTORE),
    "restore .tif": Door(".tif", encoded(".tif"), RESTORE),
    "restore .bmp": Door(".bmp", encoded(".bmp"), RESTORE),
    "restore cases": Door(".jpg", files("cases/photos/*"), RESTORE),
    "inspect .tflite": Door(".tflite", files("tests/ops/*.tflite", 300), "inspect IN --json"),
    "inspect cases": Door(".tflite", files("cases/tflite/*.tflite"), "inspect IN"),
    "restore .tflite": Door(
        ".tflite", files("lpie/weights/denoise-s.tflite"), "restore IN PHOTO OUT.png"
    ),
    "bench .tflite": Door(
        ".tflite",
        files("tests/ops/*.tflite", 300),
        "bench IN --rounds 1 --min-runs 1 --seconds 0 --warmup-seconds 0 --timeout 15 --json",
    ),
    "predict .tflite": Door(
        ".tflite", files("lpie/weights/denoise-s.tflite"), "predict IN --phone pixel-8 --json"
    ),
    "restore .keras": Door(".keras", keras_files, "restore IN PHOTO OUT.png"),
    "weights .npz": Door(".npz", arrays, call=read_weights),
    "weights .pth": Door(".pth", files("tests/data/*.pth"), call=read_weights),
    "weights cases": Door(".pth", files("cases/weights/*"), call=read_weights),
    "train .toml": Door(".toml", text(TOML), call=load_config, text=True),
    "train --set": Door(
        ".txt",
        text("train.steps = 3\ndata.degrade.noise_sigma = [0, 55]\n"),
        call=set_option,
        text=True,
    ),
    "bench --suite": Door(".toml", text(SUITE), call=read_suite, text=True),
    "bench --parse": Door(
        ".txt", files("tests/data/logs/[l-t]*.txt"), "bench --parse IN --json", text=True
    ),
    "bench --parse cases": Door(".log", files("cases/logs/*"), "bench --parse IN", text=True),
    "compare": Door(".json", records, "compare IN IN", text=True),
    "report records": Door(".json", records, "report IN -o OUT.html", text=True),
    "report log.jsonl": Door(".jsonl", log_rows, call=report_log, text=True),
    "report config.json": Door(".json", settings, call=report_settings, text=True),
    "checkpoint.npz": Door(".npz", checkpoints, call=load_checkpoint),
    "prepare .zip": Door(".zip", zipped, PREPARE),
    "prepare .tar": Door(".tar", tarred, PREPARE),
    "prepare .tar.gz": Door(".tar.gz", packed, PREPARE),
    "spec note": Door(".json", notes, call=read_note, text=True),
    "rates cache": Door(".json", rates, call=read_rates, text=True),
}

SELF_TEST = "(self test)"  # runs the file as Python: whether the watch notices what must not be


def door_of(name: str) -> Door:
    """The door of that name."""
    if name == SELF_TEST:
        return Door(".py", lambda _: [], call=lambda path: exec(path.read_text()))
    return DOORS[name]
