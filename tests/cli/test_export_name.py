"""`lpie export` names its file after what it was given."""

from pathlib import Path

import pytest

from lpie.cli.export.export import _file_name
from lpie.export.request import ExportRequest


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5"])
def test_a_file_gives_its_own_name(tmp_path, suffix):
    model = tmp_path / f"my net v1.2{suffix}"
    model.write_bytes(b"")
    request = ExportRequest(recipe="int8", sizes=("fhd",))
    assert _file_name(model, "functional_3", request) == "my net v1.2_int8_1920x1080.tflite"


def test_a_pretrained_name_and_a_run(tmp_path):
    request = ExportRequest(sizes=("64x32", "fhd"))
    assert _file_name(Path("denoise"), "lpienet_rt", request) == "denoise_float32_64x32.tflite"
    assert _file_name(tmp_path, "lpienet_rt", request) == "lpienet_rt_float32_64x32.tflite"
