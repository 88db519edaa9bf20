"""Fine-tuning as Python functions."""

import json

import pytest

import lpie
from lpie.errors import InputError
from tests.conftest import assert_one_sentence, run_lpie

keras = pytest.importorskip("keras")
SHORT = ("train.steps=2", "train.batch_size=1", "train.validate_every=2", "data.patch_px=32")


def test_a_run_is_trained_on_with_its_own_settings_but_gently(tiny_run, tmp_path):
    result = lpie.finetune(tiny_run, tmp_path / "on", overrides=SHORT, progress=False)
    assert result["steps"] == 2
    old, new = (
        json.loads((run / "config.json").read_text()) for run in (tiny_run, tmp_path / "on")
    )
    assert new["model"] == old["model"]
    assert new["data"] | {"patch_px": 0} == old["data"] | {"patch_px": 0}
    assert new["train"]["initial_weights"] == str(tiny_run)
    assert new["train"]["learning_rate"] == 2e-4
    assert not new["train"]["quantization_aware"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, r"Give one of `sparsity` and `clusters`, above 0\. Received: 0 and 0"),
        ({"sparsity": 0.5, "clusters": 8}, "Give one of `sparsity` and `clusters`"),
        ({"sparsity": 1.0}, r"`sparsity` must be above 0 and below 1\. Received: 1\."),
        ({"sparsity": -0.1}, "`sparsity` must be above 0"),
        ({"clusters": 257}, r"`clusters` must be in 2 to 256\. Received: 257\. Try 16"),
        ({"clusters": 1}, "`clusters` must be in 2 to 256"),
    ],
)
def test_compression_is_checked_before_any_work(tmp_path, options, sentence):
    with pytest.raises(InputError, match=sentence):
        lpie.compress("denoise-s", tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("function", [lpie.finetune, lpie.quantize_aware_train])
def test_what_is_no_run_is_named(tmp_path, function):
    with pytest.raises(InputError, match=r"is not a run: it holds no config\.json"):
        function(tmp_path / "nothing", tmp_path / "run")
    with pytest.raises(InputError, match="Did you mean 'denoise'"):
        function("denoize", tmp_path / "run")


def test_the_verbs_call_the_functions(tmp_path):
    done = run_lpie("compress", "denoise-s", "--workdir", tmp_path / "run", "--clusters", "1")
    assert_one_sentence(done, 2, "--clusters must be in 2 to 256. Received: 1. Try 16.")
