"""The pretrained networks that come with lpie, by name."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner

from lpie import weights
from lpie.cli.main import lpie
from lpie.errors import InputError, LpieError
from lpie.image.image import to_float, write_image
from lpie.image.metrics import psnr
from lpie.models.graph.analysis import analyse
from lpie.models.load import load_pretrained
from lpie.restore.restorer import Restorer
from tests.conftest import assert_one_sentence, run_lpie

NAMES = sorted(weights.pretrained())


def test_there_are_pretrained_networks():
    assert "denoise" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_has_its_files_its_card_and_a_modest_size(name):
    for form in (".npz", ".tflite"):
        assert weights.pretrained_file(name, form).stat().st_size < 1_500_000
    card = (weights.FOLDER / f"{name}.md").read_text()
    for heading in ("## Data", "## Recipe", "## Scores", "## Limits"):
        assert heading in card


def test_each_is_listed_with_what_it_is_for_and_the_scores_of_its_card():
    rows = json.loads(CliRunner().invoke(lpie, ["models", "--pretrained", "--json"]).stdout)
    assert sorted(row["name"] for row in rows) == NAMES
    shown = CliRunner().invoke(lpie, ["models", "--pretrained"]).stdout
    for row in rows:
        assert weights.task_of_name(row["name"]) == row["task"]
        assert f"{row['task']}: for {row['purpose']}\n" in shown
        card = (weights.FOLDER / f"{row['name']}.md").read_text()
        assert f"{row['score']['psnr_db']:.2f}" in card
        assert f"{row['score']['psnr_db']:.2f}" in shown
        assert f"{row['macs_per_pixel'] / 1000:.1f} k multiply-adds" in card
    both = CliRunner().invoke(lpie, ["models", "--pretrained", "--measure-tiling"])
    assert "measure_tiling" in str(both.exception)


@pytest.mark.parametrize("name", NAMES)
def test_the_two_forms_are_one_network(name, astronaut):
    pytest.importorskip("keras")
    model = load_pretrained(name)
    facts = weights.pretrained()[name]
    assert model.count_params() == facts["parameters"]
    assert analyse(model).macs_per_pixel == facts["macs_per_pixel"]
    photo = to_float(astronaut[100:228, 100:260])
    noisy = photo + np.random.default_rng(0).normal(0, 25 / 255, photo.shape).astype(np.float32)
    by_keras, by_tflite = Restorer(model).restore(noisy), Restorer(name).restore(noisy)
    # The .tflite holds float16 weights.
    assert psnr(by_tflite, by_keras) > 60
    assert np.abs(by_keras - noisy).max() > 0.1


@pytest.mark.parametrize(("sigma", "gain_db"), [(15, 6), (25, 8), (50, 11)])
def test_denoise_needs_no_noise_level(astronaut, sigma, gain_db):
    photo = to_float(astronaut)
    noise = np.random.default_rng(1).normal(0, sigma / 255, photo.shape)
    noisy = (photo + noise).astype(np.float32)
    restored = np.clip(Restorer("denoise").restore(noisy), 0, 1)
    assert psnr(restored, photo) > psnr(noisy, photo) + gain_db


@pytest.mark.parametrize("name", NAMES)
def test_no_value_comes_near_the_limits_of_float16(name, astronaut):
    keras = pytest.importorskip("keras")
    model = load_pretrained(name)
    photo = to_float(astronaut[:256, :256])[None]
    noise = np.random.default_rng(0).normal(0, 50 / 255, photo.shape).astype(np.float32)
    layers = [layer.output for layer in model.layers]
    largest = [
        float(keras.ops.max(keras.ops.abs(x)))
        for x in keras.Model(model.input, layers)(photo + noise)
    ]
    assert max(largest) < 65504 / 64  # of products and sums of squares too


def test_denoise_leaves_a_clean_photo_alone(astronaut):
    photo = to_float(astronaut)
    assert psnr(np.clip(Restorer("denoise").restore(photo), 0, 1), photo) > 36


def test_by_name_on_the_command_line(tmp_path, astronaut):
    write_image(tmp_path / "photo.png", astronaut[:64, :80])
    result = run_lpie("restore", "denoise", tmp_path / "photo.png", "--json")
    assert result.returncode == 0, result.stderr
    (done,) = json.loads(result.stdout)["restored"]
    assert (done["width"], done["height"]) == (80, 64)
    result = run_lpie("inspect", "denoise", "--json", "--delegate", "xnnpack")
    assert result.returncode == 0, result.stderr
    wrong = run_lpie("restore", "denoize", tmp_path / "photo.png", "--force")
    assert_one_sentence(wrong, 2, "denoize does not exist", "Did you mean 'denoise'")


def test_export_by_name_takes_the_pretrained_weights(tmp_path):
    pytest.importorskip("tensorflow")
    result = run_lpie("export", "denoise", "--size", "64x64", "--recipe", "float16", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    spec = json.loads((tmp_path / "denoise_float16_64x64.spec.json").read_text())
    assert spec["source_sha256"] == weights.pretrained()["denoise"]["sha256"][".npz"]


def test_a_file_or_folder_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert weights.is_name("denoise")
    (tmp_path / "denoise").mkdir()
    assert not weights.is_name("denoise")
    assert not weights.is_name("runs/denoise")
    assert not weights.is_name("denoise.tflite")


def test_a_damaged_file_is_not_used(tmp_path, monkeypatch):
    for form in (".npz", ".tflite"):
        shutil.copy(weights.FOLDER / f"denoise{form}", tmp_path)
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    data = bytearray((tmp_path / "denoise.tflite").read_bytes())
    data[-1] ^= 1
    (tmp_path / "denoise.tflite").write_bytes(data)
    with pytest.raises(LpieError, match="missing or damaged"):
        weights.pretrained_file("denoise", ".tflite")
    (tmp_path / "denoise.npz").unlink()
    with pytest.raises(LpieError, match="missing or damaged"):
        weights.pretrained_file("denoise", ".npz")
    with pytest.raises(InputError, match="Unknown pretrained network 'x'"):
        weights.pretrained_file("x", ".npz")
