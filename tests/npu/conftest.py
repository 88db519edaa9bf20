"""Files compiled for NPUs, once in a run of the tests."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from lpie.errors import InputError
from lpie.npu.chips import CHIPS
from lpie.npu.compile import compile_for
from lpie.npu.tools import npu_tools
from lpie.tflite.model import TfliteModel
from tests.shared import once


@pytest.fixture(scope="session", autouse=True)
def tools():
    """Qualcomm's compiler and emulator; without them there is nothing to test here."""
    try:
        return npu_tools()
    except InputError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def compiled(tools):
    """What the compiler made of a file, by the file's path or bytes and the chip's SoC model."""

    def result(source, soc):
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
        model = TfliteModel.parse(data, trusted=True)

        def build(folder):
            (folder / "it").write_bytes(pickle.dumps(compile_for(model, CHIPS[soc])))

        folder = once(f"npu-{model.sha256[:16]}-{soc}", build)
        return model, pickle.loads((folder / "it").read_bytes())

    return result


@pytest.fixture(scope="session")
def image():
    """[H, W, 3] float32 in [0, 1] of a size that is asked for: smooth blobs and noise."""

    def draw(height, width):
        import cv2

        rng = np.random.default_rng(0)
        blobs = cv2.resize(rng.random((8, 8, 3), np.float32), (width, height))
        return np.clip(blobs + rng.normal(0, 0.1, blobs.shape), 0, 1).astype(np.float32)

    return draw
