"""Files of other frameworks: what PyTorch writes, and what it never would."""

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lpie.errors import InputError
from lpie.models.released.checkpoints import read_state
from tests.conftest import assert_one_sentence, released_state, run_lpie

# Written by PyTorch 2.15: {"state_dict": {...}, "epoch": 3}, in the older one {"params": ...}, of
# tensors that share storages, are transposed views, float16, bfloat16 and whole numbers.
DATA = Path(__file__).parents[1] / "data"
FORMS = ("torch_zip.pth", "torch_legacy.pth")


@pytest.mark.parametrize("name", FORMS)
def test_what_pytorch_wrote(name):
    state = read_state(DATA / name)
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    expected = {
        "view": base.T[1:4],
        "parameter": [0.5, -1, 2],
        "half": [[1.5, -2]],
        "bfloat16": [1.5, -2],
        "steps": 7,
        "same": base,
    }
    assert state.keys() == expected.keys()
    for key, array in expected.items():
        np.testing.assert_array_equal(state[key], array)


@pytest.mark.parametrize("name", FORMS)
def test_a_damaged_file_is_refused_or_read_and_never_anything_else(name, tmp_path):
    data = (DATA / name).read_bytes()
    rng = np.random.default_rng(0)
    spoiled = [data[:cut] for cut in range(0, len(data), 29)]
    for _ in range(300):
        one = bytearray(data)
        one[rng.integers(len(data))] = rng.integers(256)
        spoiled.append(bytes(one))
    refusals = []
    for one in spoiled:
        (tmp_path / "spoiled.pth").write_bytes(one)
        try:
            read_state(tmp_path / "spoiled.pth")
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert not any("\n" in refusal for refusal in refusals)


class Hostile:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "call", [(os.system, ("touch pwned",)), (eval, ("1",)), (getattr, ("", "join"))]
)
def test_a_hostile_pickle_is_refused_and_not_run(call, zipped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = pickle.dumps({"weight": Hostile(*call)})
    if zipped:
        with zipfile.ZipFile("evil.pth", "w") as archive:
            archive.writestr("evil/data.pkl", data)
    else:
        Path("evil.pth").write_bytes(data)
    with pytest.raises(InputError, match=r"asks to run .*: refused"):
        read_state(Path("evil.pth"))
    assert not Path("pwned").exists()


def test_containers_that_hold_each_other_do_not_hang(tmp_path):
    nested = {"weight": 1}
    for _ in range(60):
        nested = {"a": nested, "b": nested, "params": nested}
    (tmp_path / "nested.pth").write_bytes(pickle.dumps(nested))
    endless = {}
    endless["params"] = endless
    with zipfile.ZipFile(tmp_path / "endless.pth", "w") as archive:
        archive.writestr("x/data.pkl", pickle.dumps(endless))
    for name in ("nested.pth", "endless.pth"):
        with pytest.raises(InputError):
            read_state(tmp_path / name)


def test_a_tensor_larger_than_its_data_is_refused(tmp_path):
    """A stride of zero would make terabytes of four bytes."""
    data = (DATA / "torch_zip.pth").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (name,) = [name for name in files if name.endswith("data.pkl")]
    # The strides (1, 6) of the transposed view become (0, 0), its shape (3, 4) becomes (255, 255).
    files[name] = files[name].replace(b"K\x03K\x04\x86", b"K\xffK\xff\x86")
    files[name] = files[name].replace(b"K\x01K\x06\x86", b"K\x00K\x00\x86")
    with zipfile.ZipFile(tmp_path / "large.pth", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with pytest.raises(InputError, match="larger than its data"):
        read_state(tmp_path / "large.pth")


def test_arrays_and_safetensors(tmp_path):
    save_file = pytest.importorskip("safetensors.numpy").save_file
    state = {"a": np.ones((2, 3), np.float32), "b": np.zeros(1, np.float32)}
    np.savez(tmp_path / "w.npz", **state)
    save_file(state, tmp_path / "w.safetensors")
    for name in ("w.npz", "w.safetensors"):
        found = read_state(tmp_path / name)
        assert found.keys() == state.keys()
        np.testing.assert_array_equal(found["a"], state["a"])
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:40])
        with pytest.raises(InputError, match="damaged"):
            read_state(tmp_path / name)
    objects = np.array([Hostile(os.system, ("touch pwned",))], dtype=object)
    np.savez(tmp_path / "objects.npz", w=objects)
    with pytest.raises(InputError, match="pickle"):
        read_state(tmp_path / "objects.npz")


def test_on_the_command_line(vectors, tmp_path):
    pytest.importorskip("keras")
    weights, _ = released_state(vectors / "nafnet_w8.npz")
    np.savez(tmp_path / "nafnet.npz", **weights)
    shape = [
        *("--set", "width=8", "--set", "encoder_blocks=[1,1,1,2]", "--set", "middle_blocks=1"),
        *("--set", "decoder_blocks=[1,1,1,1]"),
    ]
    arguments = ["import-weights", "nafnet", tmp_path / "nafnet.npz", "-o", tmp_path / "m.keras"]
    result = run_lpie(*arguments, *shape)
    assert result.returncode == 0, result.stderr
    assert "321,499 parameters" in result.stdout
    assert_one_sentence(run_lpie(*arguments, *shape), 2, "--force")
    assert_one_sentence(run_lpie(*arguments, "--force"), 2, "do not fit nafnet")
    assert_one_sentence(run_lpie(*arguments[:2], tmp_path / "no.pth", "-o", "m.keras"), 2, "no.pth")
