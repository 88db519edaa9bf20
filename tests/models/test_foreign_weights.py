"""Checkpoints as people have them: wrapped, averaged, with settings in them, damaged or hostile."""

import gzip
import itertools
import json
import pickle
import resource
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lpie.errors import InputError
from lpie.models.released.checkpoints import read_state, read_weights
from tests import soak
from tests.torch_files import Call, save_legacy, save_zip

CASES = Path(__file__).parents[3] / "shared" / "cases"
NAMES = ("intro.weight", "intro.bias", "encoders.0.1.beta", "up.0.weight")
TRUE = {name: np.full((2, 3), i, np.float32) for i, name in enumerate(NAMES)}
RAW = {name: array + 100 for name, array in TRUE.items()}
SMALL = {"features.0.weight": np.ones((4, 4), np.float32)}


def read(tmp_path, content, save=save_zip, name="w.pth", wanted=()):
    save(tmp_path / name, content)
    return read_weights(tmp_path / name, wanted)


def assert_true(arrays):
    assert arrays.keys() == TRUE.keys()
    for name, array in TRUE.items():
        np.testing.assert_array_equal(arrays[name], array)


def prefixed(prefix, arrays=TRUE):
    return {prefix + name: array for name, array in arrays.items()}


def cases(folder):
    return pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")


@cases("weights")
@pytest.mark.parametrize(
    "name",
    [
        "ema_state.pth",
        "ddp_origmod.pth",
        "lightning.ckpt",
        "net_g.pth",
        "npscalar.pth",
        "namespace.pth",
        "renamed.PTH",
        "m.pth.tar",
    ],
)
def test_every_wrapped_checkpoint_is_the_reference(name):
    state = read_state(CASES / "weights" / name)
    with np.load(CASES / "weights" / "reference.npz") as reference:
        assert state.keys() == set(reference.files)
        for key, array in state.items():
            np.testing.assert_array_equal(array, reference[key])


@cases("weights")
@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("weights/lfs.pth", "a pointer of Git LFS"),
        ("weights/html.pth", "a web page"),
        ("weights/trunc.pth", "ends too early"),
        ("weights/nan.pth", "intro.weight holds NaN"),
        ("hostile/op_memo_bomb_key.pth", "no named arrays"),
        ("hostile/hdr_deep.npz", "damaged header"),
    ],
)
def test_what_holds_no_weights_is_said(path, why):
    with pytest.raises(InputError, match=why):
        read_state(CASES / path)


PREFIXES = (
    "module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "net.", "net_g.", "netG.",
    "model.", "generator.", "_forward_module.module.", "model.net.", "network.", "G.",
    "_fsdp_wrapped_module._checkpoint_wrapped_module.",
)  # fmt: skip


@pytest.mark.parametrize("prefix", PREFIXES)
def test_what_wraps_a_network_is_dropped(prefix, tmp_path):
    assert_true(read(tmp_path, {"state_dict": prefixed(prefix)}).arrays)
    wanted = [set(TRUE)]
    lightning = {"state_dict": {**prefixed(prefix), **prefixed("loss.vgg.", SMALL)}}
    weights = read(tmp_path, lightning, wanted=wanted)
    assert_true(weights.arrays)
    assert "loss.vgg" in weights.left_out[0]


def test_what_wraps_a_part_is_dropped(tmp_path):
    inner = {name.replace("0.", "0._orig_mod."): array for name, array in TRUE.items()}
    assert_true(read(tmp_path, inner).arrays)


AVERAGES = (
    "params_ema", "ema", "ema_state_dict", "model_ema", "state_dict_ema", "ema_model", "EMA",
    "shadow_params", "shadow", "net_g_ema", "netG_ema", "generator_ema", "swa_state_dict",
    "ema_weights", "averaged_model", "modelEMA",
)  # fmt: skip


@pytest.mark.parametrize("key", AVERAGES)
@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_averaged_weights_come_first(key, save, tmp_path):
    beside = {"step": np.float32([7]).reshape(()), "ema_decay": 0.999, "schema": {"a": 1}}
    for content in (
        {"model": RAW, key: TRUE, **beside},
        {key: {"module": prefixed("module."), "decay": 0.9}, "params": RAW},
        {"state_dict": {**prefixed("model.", RAW), **prefixed(f"{key}.")}},
        {"state_dict": RAW, key: prefixed("_orig_mod."), "optimizer": {"state": {0: RAW}}},
    ):
        assert_true(read(tmp_path, content, save).arrays)
        assert_true(read(tmp_path, content, save, wanted=[set(TRUE)]).arrays)


def test_averaged_weights_without_names_or_dots(tmp_path):
    listed = {"decay": 0.99, "shadow_params": list(TRUE.values()), "collected_params": []}
    raw = {**RAW, "norm.running_mean": np.zeros(9, np.float32)}
    assert_true(read(tmp_path, {"model": raw, "ema": listed}).arrays)
    dotless = {f"model_ema.{name.replace('.', '')}": array for name, array in TRUE.items()}
    both = {"state_dict": {**prefixed("model.", RAW), **dotless}}
    assert_true(read(tmp_path, both, wanted=[set(TRUE)]).arrays)


def test_averaged_weights_that_do_not_fit_are_said(tmp_path):
    other = {f"x{i}": array for i, array in enumerate(TRUE.values())}
    weights = read(tmp_path, {"model": TRUE, "ema": other}, wanted=[set(TRUE)])
    assert_true(weights.arrays)
    assert "averaged weights (ema)" in weights.left_out[0]


def test_the_generator_and_not_the_discriminator(tmp_path):
    large = {f"{i}.weight": np.ones((4, 4), np.float32) for i in range(9)}
    for content in (
        {"net_d": large, "net_g": TRUE, "optimizer_d": {"state": {0: large}}},
        {"state_dict": {**prefixed("net_d.", large), **prefixed("net_g.")}},
    ):
        assert_true(read(tmp_path, content, wanted=[set(TRUE)]).arrays)
    few = {"0.weight": np.ones((4, 4), np.float32)}
    assert_true(read(tmp_path, {"discriminator": few, "generator": TRUE}).arrays)


SETTINGS = {
    "namespace": Call("argparse", "Namespace", (), {"lr": 0.1}),
    "path": Call("pathlib", "PosixPath", ("runs", "a")),
    "datetime": Call("datetime", "datetime", ("\x07\xe8\x05",)),
    "numpy scalar": Call(
        "numpy.core.multiarray",
        "scalar",
        (Call("numpy", "dtype", ("f8", 0, 1), (3, "<", None, None, None, -1, -1, 0)), "12345678"),
    ),
    "ordered": Call("collections", "OrderedDict", ([["a", 1]],)),
    "default": Call("collections", "defaultdict", (Call("builtins", "list"),)),
    "own class": Call("my.project.config", "Config", (1, "x"), {"a": {"b": 1}}),
    "omegaconf": Call("omegaconf.dictconfig", "DictConfig", (), {"_content": {}}),
    "set": Call("builtins", "set", ([1, 2],)),
    "dtype": Call("torch.serialization", "_get_layout", ("torch.strided",)),
    "enumeration": Call("my.kinds", "Kind", (1,)),
    "partial": Call("functools", "partial", (1,), ({}, (), {}, None)),
    "device": Call("torch", "device", ("cuda", 0)),
    "scheduler": {"base_lrs": [0.1], "_step_count": 3, "last": None, "flag": True},
}


@pytest.mark.parametrize("save", [save_zip, save_legacy])
@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_beside_weights_are_inert(kind, save, tmp_path):
    assert_true(read(tmp_path, {"hyper_parameters": SETTINGS[kind], "model": TRUE}, save).arrays)
    inside = {**TRUE, "_extra": SETTINGS[kind]}
    assert_true(read(tmp_path, {"model": inside}, save).arrays)


@pytest.mark.parametrize("name", ["w.pth", "W.PTH", "w.ckpt", "w.bin", "w.pth.tar", "w.pkl", "w"])
def test_the_content_decides_and_not_the_name(name, tmp_path):
    assert_true(read(tmp_path, TRUE, save_legacy, name).arrays)
    np.savez(tmp_path / "arrays.npz", **TRUE)
    (tmp_path / name).write_bytes((tmp_path / "arrays.npz").read_bytes())
    assert_true(read_state(tmp_path / name))


def test_a_whole_pickled_network(tmp_path):
    def module(name, parameters, modules):
        state = {"_parameters": parameters, "_buffers": {}, "_modules": modules, "training": True}
        return Call("nets", name, (), state)

    up = module("Seq", {}, {"0": module("Conv", {"weight": TRUE["up.0.weight"]}, {})})
    intro = module("Conv", {"weight": TRUE["intro.weight"], "bias": TRUE["intro.bias"]}, {})
    inner = module("Block", {"beta": TRUE["encoders.0.1.beta"]}, {})
    encoders = module("Seq", {}, {"0": module("Seq", {}, {"1": inner})})
    net = module("Net", {}, {"intro": intro, "encoders": encoders, "up": up})
    assert_true(read(tmp_path, net).arrays)
    assert_true(read(tmp_path, {"epoch": 3, "ema": net, "model": None}).arrays)


@pytest.mark.parametrize("protocol", range(6))
def test_pickled_numpy_arrays(protocol, tmp_path):
    arrays = {**TRUE, "up.0.weight": np.asfortranarray(TRUE["up.0.weight"])}
    (tmp_path / "w.pkl").write_bytes(pickle.dumps({"params": arrays}, protocol))
    assert_true(read_state(tmp_path / "w.pkl"))


def test_safetensors_by_their_own_reader(tmp_path):
    def write(header, data):
        text = json.dumps(header).encode()
        (tmp_path / "w.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
        return read_state(tmp_path / "w.safetensors")

    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    half = {"dtype": "BF16", "shape": [1, 2], "data_offsets": [8, 12]}
    state = write(
        {"a": one, "b": half, "__metadata__": {"x": "y"}}, b"\0\0\x80?" * 2 + b"\x80?" * 2
    )
    assert state["a"].tolist() == [1, 1]
    assert state["b"].tolist() == [[1, 1]]
    for header, data in (
        ({"a": one}, b"1234"),
        ({str(i): one for i in range(9)}, bytes(8)),
        ({"a": {**one, "shape": [3]}}, bytes(8)),
        ({"a": 1}, bytes(8)),
    ):
        with pytest.raises(InputError, match="damaged"):
            write(header, data)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_refused_by_name(value, tmp_path):
    bad = {**TRUE, "up.0.weight": np.float32([[1, value, 3], [4, 5, 6]])}
    with pytest.raises(InputError, match=r"up\.0\.weight holds NaN or infinity"):
        read(tmp_path, bad)
    assert_true(read(tmp_path, {"model": bad, "ema": TRUE}).arrays)


WRONG = {
    "empty": (b"", "is empty"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS"),
    "HTML": (b"\n <!DOCTYPE html><html>", "a web page"),
    "XML": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "a web page"),
    "JSON": (b'{"error": "Repository not found"}', "JSON .*Repository not found"),
    "gzip": (gzip.compress(b"weights"), "gzip"),
    "tflite": (b"\x1c\0\0\0TFL3" + bytes(90), ".tflite"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(90), "HDF5"),
    "text": (b"hello, this is no file of weights\n", "no file of weights"),
    "zeros": (bytes(5000), "no file of weights"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_a_file_is_when_it_holds_no_weights(kind, tmp_path):
    data, why = WRONG[kind]
    (tmp_path / "w.pth").write_bytes(data)
    with pytest.raises(InputError, match=why) as raised:
        read_state(tmp_path / "w.pth")
    assert "\n" not in str(raised.value)


def test_a_zip_of_something_else(tmp_path):
    for name, why in (("config.json", ".keras file"), ("readme.txt", "no data.pkl")):
        with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
            archive.writestr(name, "{}")
        with pytest.raises(InputError, match=why):
            read_state(tmp_path / "w.pth")


def doubling(turns):
    """Tuples of tuples, whose hash takes 2 to the power of `turns` steps."""
    return b"(t" + b"".join(b"q\x00h\x00h\x00\x86" for _ in range(turns))


BOMBS = {
    "a memo of 2^31": b"\x80\x02Nr\xff\xff\xff\x7f.",
    "4 GB of text": b"\x80\x02X\xff\xff\xff\xff.",
    "8 EB of bytes": b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",
    "a key without end": b"\x80\x02}" + doubling(120) + b"Ns.",
    "a key without end, in a set": b"\x80\x04\x8f(" + doubling(120) + b"\x90.",
    "a list copied again and again": (
        b"\x80\x02]("
        + b"(X\x01\0\0\0aNt" * 5000
        + b"eq\x000"
        + b"ccollections\nOrderedDict\nh\x00\x85R0" * 5000
        + b"N."
    ),
    "lists in lists": b"\x80\x02" + b"(" * 60_000 + b"l" * 60_000 + b".",
    "a long number": b"\x80\x02I" + b"9" * 50_000 + b"\n.",
    "nothing on the stack": b"\x80\x02.",
    "a mark as a value": b"\x80\x02(.",
    "an endless string": b"\x80\x02V" + b"x" * 100_000,
}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_bomb_is_a_sentence(kind, zipped, tmp_path):
    if zipped:
        with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
            archive.writestr("a/data.pkl", BOMBS[kind])
    else:
        (tmp_path / "w.pth").write_bytes(BOMBS[kind])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError):
        read_state(tmp_path / "w.pth")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB


def test_tensors_over_one_storage_share_it(tmp_path):
    save_zip(tmp_path / "w.pth", {"a": np.ones((1000, 250), np.float32)})
    with zipfile.ZipFile(tmp_path / "w.pth") as archive:
        data, storage = archive.read("archive/data.pkl"), archive.read("archive/data/0")
    tensor = data[data.index(b"ctorch._utils") : data.rindex(b"u.")]
    many = b"".join(b"X\x04\0\0\0%04d" % i + tensor for i in range(4000))
    with zipfile.ZipFile(tmp_path / "many.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}(" + many + b"u.")
        archive.writestr("archive/data/0", storage)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    state = read_state(tmp_path / "many.pth")
    assert len(state) == 4000
    assert all(
        np.shares_memory(array, state["0000"]) for array in itertools.islice(state.values(), 9)
    )
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_archives_that_unpack_without_end(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (25000000,), }"
        npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
        archive.writestr("a.npy", npy + bytes(100_000_000))
    with pytest.raises(InputError, match="unpacks to far more"):
        read_state(tmp_path / "w.npz")


@pytest.mark.soak
def test_mutated_files_are_read_or_one_sentence(tmp_path):
    content = {"model": RAW, "ema": prefixed("module."), **SETTINGS}
    save_zip(tmp_path / "a", content)
    save_legacy(tmp_path / "b", content)
    np.savez(tmp_path / "c.npz", **TRUE)
    originals = [(tmp_path / name).read_bytes() for name in ("a", "b", "c.npz")]
    rng = soak.rng(23)
    for turn in range(soak.amount(3000, 150)):
        data = bytearray(originals[turn % 3])
        for place in rng.integers(len(data), size=rng.integers(1, 6)):
            data[place] = rng.integers(256)
        if rng.integers(4) == 0:
            del data[rng.integers(len(data)) :]
        (tmp_path / "w.pth").write_bytes(data)
        try:
            state = read_state(tmp_path / "w.pth")
        except InputError:
            continue
        assert all(np.isfinite(array).all() for array in state.values())
