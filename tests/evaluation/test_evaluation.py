import json

import numpy as np
import pytest

pytest.importorskip("keras")

from lpie import evaluate, psnr, ssim
from lpie.config.config import DegradeConfig
from lpie.errors import InputError
from lpie.image.image import to_float, write_image
from lpie.restore.restorer import Restorer
from tests.conftest import assert_one_sentence, run_lpie


@pytest.fixture(scope="module")
def clean(tmp_path_factory, astronaut):
    folder = tmp_path_factory.mktemp("clean")
    write_image(folder / "a.png", astronaut[:96, :100])
    write_image(folder / "b.png", astronaut[200:290, 100:230])
    return folder


def test_scores_are_those_of_the_images(tiny_run, clean, astronaut):
    result = evaluate(tiny_run, clean=clean, seed=4)
    target = to_float(astronaut[200:290, 100:230])
    noise = np.random.default_rng([4, 1]).standard_normal(target.shape, np.float32)
    noisy = target + noise * np.float32(25 / 255)
    restored = np.clip(Restorer(tiny_run).restore(noisy), 0, 1)
    (_, second) = result["images"]
    assert second["degraded_psnr_db"] == pytest.approx(psnr(noisy, target))
    assert second["psnr_db"] == pytest.approx(psnr(restored, target))
    assert second["ssim"] == pytest.approx(ssim(restored, target))
    assert result["psnr_db"] == pytest.approx(np.mean([i["psnr_db"] for i in result["images"]]))
    assert result["degraded_psnr_db"] == pytest.approx(20.17, abs=0.1)  # sigma 25, unclipped


def test_clip_quantize_and_sigma_change_the_input(tiny_run, clean):
    scores = {
        name: evaluate(tiny_run, clean=clean, **options)["degraded_psnr_db"]
        for name, options in {
            "plain": {},
            "clip": {"clip": True},
            "quantize": {"quantize": True},
            "strong": {"degrade": DegradeConfig(noise_sigma=(50, 50))},
        }.items()
    }
    assert scores["clip"] > scores["plain"]
    assert scores["quantize"] != scores["clip"]
    assert scores["strong"] == pytest.approx(scores["plain"] - 6.02, abs=0.01)


def test_the_same_for_a_run_a_keras_file_and_a_tflite(tiny_run, tiny_tflite, clean):
    results = [
        evaluate(model, clean=clean)
        for model in (tiny_run, tiny_run / "best.keras", tiny_tflite["float32"])
    ]
    assert results[0]["psnr_db"] == results[1]["psnr_db"]
    assert results[2]["psnr_db"] == pytest.approx(results[0]["psnr_db"], abs=1e-3)


def test_command_line(tiny_run, clean, tmp_path):
    out = tmp_path / "scores.json"
    result = run_lpie(
        "evaluate", tiny_run, "--clean", clean, "--noise-sigma", 15, "--json", "-o", out
    )
    assert result.returncode == 0, result.stderr
    table = json.loads(result.stdout)
    assert table == json.loads(out.read_text())
    assert table["degraded_psnr_db"] == pytest.approx(24.6, abs=0.1)
    assert {"psnr_db", "ssim"} <= table.keys()
    assert table["degradation"] == "gaussian_noise(noise_sigma=15), seed 0"


def test_photos_are_a_folder_a_file_or_a_pattern_as_of_restore(tiny_run, clean, tmp_path):
    first = sorted(path for path in clean.rglob("*") if path.is_file())[0]
    one = evaluate(tiny_run, clean=first)
    assert [image["name"] for image in one["images"]] == [first.name]
    assert one["images"] == evaluate(tiny_run, clean=first.parent / f"{first.stem}*")["images"]
    with pytest.raises(InputError, match=r"No photo matches the pattern .*\*\.xyz"):
        evaluate(tiny_run, clean=clean / "*.xyz")


def test_an_existing_output_is_kept_unless_forced(tiny_run, clean, tmp_path):
    out = tmp_path / "scores.json"
    out.write_text("mine")
    words = ["evaluate", tiny_run, "--clean", clean, "-o", out]
    assert_one_sentence(run_lpie(*words), 2, "scores.json exists already", "--force")
    assert out.read_text() == "mine"
    assert run_lpie(*words, "--force").returncode == 0
    assert json.loads(out.read_text())["psnr_db"]


def test_pairs_and_bad_images(tiny_run, clean, tmp_path, photos, astronaut):
    for name in ("a", "b"):
        write_image(tmp_path / "target" / f"{name}.png", astronaut[100:200, 100:220])
        write_image(tmp_path / "degraded" / f"{name}.png", photos[0][:100, :120])
    assert len(evaluate(tiny_run, pairs=tmp_path)["images"]) == 2
    (tmp_path / "degraded" / "b.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"b\.png is not a readable image"):
        evaluate(tiny_run, pairs=tmp_path)
    result = run_lpie("evaluate", tiny_run, "--pairs", tmp_path)
    assert_one_sentence(result, 2, "b.png is not a readable image")  # with a progress bar open
    result = evaluate(tiny_run, pairs=tmp_path, skip_bad=True)
    assert (len(result["images"]), len(result["skipped"])) == (1, 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Choose exactly one of"),
        (["--builtin", "--clean", "."], "Choose exactly one of"),
        (["--clean", "gone"], "gone does not exist or is not a folder"),
        (["--builtin", "--degradation", "rain"], "Unknown data.degrade.kinds 'rain'"),
    ],
)
def test_a_wrong_question_is_one_sentence(tiny_run, arguments, words, tmp_path):
    assert_one_sentence(run_lpie("evaluate", tiny_run, *arguments, cwd=tmp_path), 2, words)


@pytest.mark.parametrize("name", ["gone.keras", "gone", "notes.txt", "empty.tflite", "bad.keras"])
def test_a_wrong_model_is_one_sentence(tmp_path, name):
    (tmp_path / "empty.tflite").write_bytes(b"")
    (tmp_path / "bad.keras").write_bytes(b"PK nonsense")
    (tmp_path / "notes.txt").write_text("hello")
    assert_one_sentence(run_lpie("evaluate", tmp_path / name, "--builtin"), 2, name)
