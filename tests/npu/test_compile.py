"""Files compiled by Qualcomm's own compiler and run on its emulator, beside TFLite."""

import dataclasses

import numpy as np
import pytest

from lpie.errors import InputError, LpieError
from lpie.npu import tools as npu_tools_module
from lpie.npu.chips import CHIPS, npu_chip, npu_chips
from lpie.npu.compile import compile_for
from lpie.npu.context import CpuPart, NpuPart, chip_of, parts_of
from lpie.npu.emulate import NpuInterpreter, NpuSession
from lpie.npu.log import read_log
from lpie.npu.tools import empty_library, npu_tools
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file
from tests.conversions import network
from tests.hostile_models import HOSTILE


def levels_apart(model, compiled, picture):
    """(largest, mean) difference of the emulator from TFLite, in levels of 256."""
    session = NpuSession(compiled.model())
    try:
        actual = session.run(picture)
    finally:
        session.close()
    difference = np.abs(actual - Session(model).run(picture)) * 255
    return difference.max(), difference.mean()


def test_a_float_network_is_compiled_for_two_chips(compiled):
    for soc in ("SM8650", "SM8850"):
        model, result = compiled(tflite_file("denoise-s"), soc)
        assert (result.accepted, result.ops, result.partitions) == (37, 37, 1)
        assert result.full
        assert chip_of(result.model()) is CHIPS[soc]
        # The images alone, as float32, and the weights once.
        assert result.traffic.read + result.traffic.written > 2 * model.image.pixels * 3
        assert result.traffic.spilled == 0


def test_the_emulator_computes_a_float_network_as_tflite_does(compiled, image):
    model, result = compiled(tflite_file("denoise-s"), "SM8650")
    most, mean = levels_apart(model, result, image(256, 256))
    assert 0 < most < 0.5  # float16 inside
    assert mean < 0.1


def test_the_emulator_computes_int8_within_a_few_levels(compiled, image):
    model, result = compiled(network("uint8", "relu"), "SM7675")
    assert result.full
    most, mean = levels_apart(model, result, image(32, 32))
    assert 0 < most < 16
    assert mean < 3


def test_what_the_npu_refuses_is_run_by_tflite_in_between(compiled, image):
    model, result = compiled(network("int16", "relu"), "SM8650")
    assert {op.op for op in result.refused} == {"DEPTHWISE_CONV_2D"}
    assert "encoder0_block1_depthwise" in {op.layer for op in result.refused}
    assert all("int16" in op.reason and "int8" in op.reason for op in result.refused)
    assert result.accepted == result.ops - len(result.refused)
    kinds = [type(part) for part in parts_of(result.model())]
    assert kinds.count(NpuPart) == result.partitions
    assert CpuPart in kinds
    most, _ = levels_apart(model, result, image(32, 32))
    assert most < 2


def test_a_chip_without_floats_says_so(compiled):
    _, result = compiled(tflite_file("denoise-s"), "SM7675")
    assert (result.accepted, result.partitions) == (0, 0)
    assert "computes no floats" in result.failure
    assert len(result.refused) == result.ops
    with pytest.raises(LpieError, match="takes no op"):
        result.model()


def test_a_chip_that_computes_floats_wrongly_gets_none(compiled):
    _, result = compiled(tflite_file("denoise-s"), "SM8350")
    assert result.failure == (
        "The NPU of SM8350 (Snapdragon 888) computes float ops wrongly, as Qualcomm's own "
        "emulator shows. the model has one in unshuffle (SPACE_TO_DEPTH). Use an int8 file: lpie "
        "export MODEL --recipe int8."
    )


def test_an_op_without_a_rule_is_named(compiled):
    from tests.conftest import ROOT

    _, result = compiled(ROOT / "tests" / "ops" / "product-of-channels-int8.tflite", "SM8650")
    (refused,) = result.refused
    assert (refused.op, refused.reason) == (
        "REDUCE_PROD",
        "LiteRT's plugin has no rule for this op",
    )


def test_tensors_without_a_name_are_compiled():
    """lpie itself leaves some nameless, as do files of several sizes and of images that are padded;
    Qualcomm's compiler tells tensors apart by their names alone."""
    editor = TfliteModel.parse(network("uint8", "relu")).edit()
    for tensor in editor.graph.tensors[3:9]:
        tensor.name = b""
    result = compile_for(editor.finish(), CHIPS["SM8650"])
    assert result.full, result.failure


def test_a_compile_that_takes_too_long_is_ended():
    model = TfliteModel.read(tflite_file("denoise-s"))
    result = compile_for(model, CHIPS["SM8650"], limit_s=0.01)
    assert result.failure.startswith("Qualcomm's compiler did not end within 0.01 s on ")
    assert not result.data


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_ends_in_a_verdict(name):
    """Whatever the vendor's library does with it, it does it in a process of its own."""
    result = compile_for(TfliteModel.parse(HOSTILE[name](), name), CHIPS["SM8650"], limit_s=60)
    assert result.failure or result.data
    if result.failure:
        assert result.failure.endswith(".")
        assert "\n" not in result.failure


def test_a_compiled_file_that_was_damaged_is_refused(compiled):
    _, result = compiled(tflite_file("denoise-s"), "SM8650")
    part = parts_of(result.model())[0]
    cut = TfliteModel.parse(result.data[: part.offset + 10])
    with pytest.raises(InputError, match="lies beyond its end"):
        NpuInterpreter(cut)
    spoiled = bytearray(result.data)
    spoiled[part.offset : part.offset + part.size] = bytes(part.size)
    with pytest.raises(LpieError, match=r"Qualcomm's emulator of SM8650 .* on the model"):
        NpuInterpreter(TfliteModel.parse(bytes(spoiled)))


def test_the_emulator_is_ended_after_its_time(compiled):
    _, result = compiled(tflite_file("denoise-s"), "SM8650")
    with pytest.raises(LpieError, match=r"did not end within 0\.01 s"):
        NpuInterpreter(result.model(), limit_s=0.01)


def test_a_file_for_the_cpu_is_not_emulated():
    model = TfliteModel.read(tflite_file("denoise-s"))
    assert not model.compiled_for_npu
    with pytest.raises(InputError, match="was not compiled for an NPU"):
        NpuInterpreter(model)


@pytest.mark.parametrize(
    "name", ["SM8650", "sm8650", "snapdragon-8-gen-3", "Snapdragon 8 Gen 3", "galaxy-s24"]
)
def test_a_chip_by_any_of_its_names(name):
    assert npu_chip(name).soc == "SM8650"


def test_an_unknown_chip_gets_the_nearest_name():
    with pytest.raises(InputError, match=r"Unknown NPU 'galaxy-s2'\. Did you mean 'galaxy-s2"):
        npu_chip("galaxy-s2")
    assert npu_chip("Snapdragon 7+ Gen 3").soc == "SM7675"
    assert npu_chips(["galaxy-s24", "SM8650"]) == [CHIPS["SM8650"]]
    assert npu_chips(["all"]) == list(CHIPS.values())


def test_no_name_means_two_chips():
    names = [name for chip in CHIPS.values() for name in chip.names]
    assert len(names) == len(set(names))
    numbers = [chip.number for chip in CHIPS.values()]
    assert len(numbers) == len(set(numbers))


def test_the_empty_library_is_a_library(tmp_path):
    import ctypes

    path = tmp_path / "libQnnLpai.so"
    path.write_bytes(empty_library(path.name))
    assert path.stat().st_size == 400
    assert path.read_bytes()[:4] == b"\x7fELF"
    ctypes.CDLL(str(path))  # the system's own loader takes it


@pytest.mark.parametrize(
    ("pinned", "words"),
    [
        ({"ai-edge-litert": "2.3.0", "onnxruntime-qnn": "9.9.9"}, "onnxruntime-qnn 9.9.9: other"),
        ({"no-such-package": "1.0"}, "no-such-package, which is not installed"),
    ],
)
def test_missing_tools_are_a_sentence(monkeypatch, pinned, words):
    npu_tools.cache_clear()
    monkeypatch.setattr(npu_tools_module, "PINNED", pinned)
    try:
        with pytest.raises(InputError, match=words) as error:
            npu_tools()
        assert str(error.value).endswith("Run: pip install 'lpie[npu]'.")
    finally:
        npu_tools.cache_clear()


def test_the_log_of_several_graphs_and_partitions_is_added_up():
    vendor = "\n".join(
        f"[  INFO ]  {name}={n}"
        for n in (1000, 24)
        for name in ("spill_bytes", "fill_bytes", "write_total_bytes", "read_total_bytes")
    )
    litert = (
        "INFO: Partitioned subgraph<0>, selected 3 ops, from a total of 4 ops. resulted in 2 "
        "partitions.\n"
        "LiteRT Op #1 'Exp' (code=47) is not supported in Qualcomm Compiler.\n"
        "INFO: Partitioned subgraph<1>, selected 3 ops, from a total of 4 ops. resulted in 1 "
        "partitions.\n"
    )
    log = read_log(vendor, litert)
    assert log.graphs == ((3, 2), (3, 1))
    assert dataclasses.astuple(log.traffic) == (1024, 1024, 1024, 1024)
    assert [(refusal.graph, refusal.index) for refusal in log.refused] == [(1, 1)]
