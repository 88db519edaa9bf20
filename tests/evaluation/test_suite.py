"""Models and baselines side by side, on a small imitation of the development sets."""

import json
import shutil

import numpy as np
import pytest

pytest.importorskip("keras")

from lpie import evaluate
from lpie.cli.format import SUITE_HEADER, literature_table, suite_markdown
from lpie.config.config import DegradeConfig
from lpie.data.degrade.blur.motion_blur import motion_blur
from lpie.data.degrade.low_light import low_light
from lpie.errors import InputError
from lpie.evaluation.suite import compare
from lpie.image.image import to_float, to_uint8, write_image
from tests.conftest import SHARED, assert_one_sentence, run_lpie

ROW = {"method", "told", "about", "psnr_db", "ssim", "gain_db", "s_per_megapixel", "images"}


@pytest.fixture(scope="module")
def dev(tmp_path_factory, astronaut):
    """The layout of the suite `dev` with crops of one photograph."""
    folder = tmp_path_factory.mktemp("dev")
    first, second = astronaut[60:124, 150:230], astronaut[200:270, 100:164]
    for name in ("kodak24", "set5"):
        write_image(folder / "clean" / name / "a.png", first)
        write_image(folder / "clean" / name / "b.png", second)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.05, first.shape)
    degraded = {
        "realnoise_sidd": to_float(first) + noise,
        "lowlight_sice": low_light(to_float(first), exposure=0.1),
        "lowlight_lol": low_light(to_float(first), exposure=0.05),
        "deblur_gopro": motion_blur(to_float(first), length_px=5, angle=0.5),
    }
    for name, image in degraded.items():
        write_image(folder / name / "target" / "a.png", first)
        write_image(folder / name / "degraded" / "a.png", to_uint8(image))
    return folder


@pytest.fixture(scope="module")
def result(dev, tiny_run, tiny_tflite):
    """Two models, one of them for one task only, on everything."""
    return compare([f"lowlight={tiny_run}", str(tiny_tflite["float32"])], data=dev, seed=3)


def table(result, folder, noise_sigma=None):
    (found,) = [
        one
        for one in result["tables"]
        if (one["folder"], one["noise_sigma"]) == (folder, noise_sigma)
    ]
    return found


def test_every_task_and_level_has_its_table(result):
    found = [(one["task"], one["folder"], one["noise_sigma"]) for one in result["tables"]]
    assert found == [
        *(("denoise", f"clean/{name}", s) for name in ("kodak24", "set5") for s in (15, 25, 50)),
        ("realnoise", "realnoise_sidd", None),
        ("lowlight", "lowlight_sice", None),
        ("lowlight", "lowlight_lol", None),
        ("deblur", "deblur_gopro", None),
    ]


def test_each_model_on_its_tasks(result, tiny_run, tiny_tflite):
    float32 = str(tiny_tflite["float32"])
    denoise = [row["method"] for row in table(result, "clean/set5", 15)["methods"]]
    lowlight = [row["method"] for row in table(result, "lowlight_lol")["methods"]]
    assert denoise == [float32, "NLM", "NLM OpenCV", "TV", "DCT", "NLM", "DCT"]
    assert lowlight == [str(tiny_run), float32, "gamma", "equalize", "CLAHE"]


@pytest.mark.parametrize(
    ("folder", "sigma"), [("clean/kodak24", 50), ("clean/kodak24", 15), ("lowlight_sice", None)]
)
def test_scores_are_those_of_evaluate(result, dev, tiny_tflite, folder, sigma):
    source = {"clean": dev / folder} if sigma else {"pairs": dev / folder}
    degrade = DegradeConfig(noise_sigma=(sigma or 0.0, sigma or 0.0))
    expected = evaluate(tiny_tflite["float32"], seed=3, degrade=degrade, **source)
    found = table(result, folder, sigma)
    (row,) = [r for r in found["methods"] if r["method"] == str(tiny_tflite["float32"])]
    for ours, theirs in zip(row["images"], expected["images"], strict=True):
        assert ours["name"] == theirs["name"]
        assert ours["psnr_db"] == pytest.approx(theirs["psnr_db"], abs=1e-6)
        assert ours["ssim"] == pytest.approx(theirs["ssim"], abs=1e-6)
    assert row["psnr_db"] == pytest.approx(expected["psnr_db"], abs=1e-6)
    assert found["degraded"]["psnr_db"] == pytest.approx(expected["degraded_psnr_db"])
    assert found["degraded"]["ssim"] == pytest.approx(expected["degraded_ssim"])
    gain = expected["psnr_db"] - expected["degraded_psnr_db"]
    assert row["gain_db"] == pytest.approx(gain, abs=1e-6)


def test_what_a_row_holds(result):
    assert {"cpu", "cores", "opencv_threads", "load", "versions", "date"} <= result[
        "environment"
    ].keys()
    assert result["environment"]["versions"]["lpie"]
    for one in result["tables"]:
        for row in one["methods"]:
            assert row.keys() == ROW
            rates = [image["seconds"] / image["megapixels"] for image in row["images"]]
            assert row["s_per_megapixel"] == pytest.approx(np.median(rates))
            assert [i["name"] for i in row["images"]] == [
                i["name"] for i in one["degraded"]["images"]
            ]
    assert {row["told"] for row in table(result, "clean/set5", 25)["methods"]} == {"sigma", "blind"}
    assert {row["told"] for row in table(result, "realnoise_sidd")["methods"]} == {"blind"}


def test_limit_tasks_and_no_baselines(dev, tiny_run):
    result = compare([str(tiny_run)], data=dev, tasks=["denoise"], limit=1, baselines=False)
    assert len(result["tables"]) == 6
    for one in result["tables"]:
        assert [row["method"] for row in one["methods"]] == [str(tiny_run)]
        assert [image["name"] for image in one["degraded"]["images"]] == ["a.png"]


def test_markdown(result):
    text = suite_markdown(result)
    assert text.count("### ") == 10
    assert "### denoise: clean/kodak24, gaussian_noise(noise_sigma=15), 2 images" in text
    dct = next(
        row for row in table(result, "clean/kodak24", 15)["methods"] if row["method"] == "DCT"
    )
    assert f"| DCT | sigma | {dct['psnr_db']:.2f} | {dct['ssim']:.4f} |" in text
    blind = [line for line in text.splitlines() if line.startswith("- NLM (blind): scikit-image")]
    assert [line.split("estimated from ")[1] for line in blind] == [
        "all pixels",
        "one pixel in 2x2",
    ]
    grids = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in grids} == {len(SUITE_HEADER) + 1}


def test_command_line(dev, tiny_tflite, tmp_path):
    written = tmp_path / "out" / "scores.json"
    result = run_lpie(
        "evaluate",
        f"deblur={tiny_tflite['int8']}",
        "--suite",
        "dev",
        "--task",
        "deblur",
        "--json",
        "-o",
        written,
        env={"LPIE_DEV_DATA": str(dev)},
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == json.loads(written.read_text())
    (one,) = json.loads(result.stdout)["tables"]
    assert len(one["methods"]) == 3

    markdown = tmp_path / "scores.md"
    result = run_lpie(
        "evaluate", "--suite", "dev", "--data", dev, "--task", "lowlight", "-o", markdown
    )
    assert result.returncode == 0, result.stderr
    assert "lowlight: lowlight_lol, as photographed, 1 image\n" in result.stdout
    assert "CLAHE" in result.stdout
    assert "| CLAHE | blind |" in markdown.read_text()
    assert list(tmp_path.glob(".*")) == []


def test_a_result_that_cannot_be_written_is_shown(dev, tmp_path):
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "scores.json"
    task = ["--suite", "dev", "--data", dev, "--task", "deblur"]
    result = run_lpie("evaluate", *task, "-o", output)
    assert_one_sentence(result, 1, output.parent)
    assert "unsharp mask" in result.stdout
    result = run_lpie("evaluate", "gone.keras", *task, "-o", output)
    assert_one_sentence(result, 2, "gone.keras does not exist")
    result = run_lpie("evaluate", "gone.keras", "--builtin", "-o", output)
    assert_one_sentence(result, 2, "gone.keras does not exist")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"suite": "dve"}, r"Unknown suite 'dve'. Did you mean 'dev'\?"),
        ({"tasks": ["denoize"]}, r"Unknown task 'denoize'. Did you mean 'denoise'\?"),
        ({"models": ["blur=x.tflite"]}, "Unknown task 'blur'. Did you mean 'deblur'"),
        ({"models": ["lowlight=x.tflite"], "tasks": ["deblur"]}, "Unknown task 'lowlight'"),
        ({"models": ["denoise=gone.keras"]}, "gone.keras does not exist"),
        ({"limit": 0}, "`limit` must be at least 1. Received: 0"),
        ({"data": None}, "expects a folder with clean/kodak24, .*Give it with `data`"),
    ],
)
def test_a_wrong_question_is_one_sentence(dev, arguments, words):
    with pytest.raises(InputError, match=words):
        compare(**{"data": dev, **arguments})


def test_missing_folders_and_bad_images(dev, tmp_path):
    with pytest.raises(InputError, match=r"gone lacks .*It holds: nothing"):
        compare(data=tmp_path / "gone")
    copy = tmp_path / "copy"
    shutil.copytree(dev, copy)
    shutil.rmtree(copy / "deblur_gopro")
    with pytest.raises(
        InputError, match=r"copy lacks deblur_gopro. .*It holds: clean, lowlight_lol"
    ):
        compare(data=copy)
    (copy / "realnoise_sidd" / "degraded" / "a.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"a\.png is not a readable image"):
        compare(data=copy, tasks=["realnoise"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--suite", "dve"], "Did you mean 'dev'?"),
        (["--suite", "dev"], "Give it with --data or LPIE_DEV_DATA."),
        (["--suite", "dev", "--data", "gone"], "gone lacks clean/kodak24"),
        (["--suite", "dev", "--builtin"], "--builtin works only without --suite."),
        (["a", "--builtin", "--task", "denoise"], "--task works only with --suite."),
        (["a", "b", "--builtin"], "Give one MODEL, or --suite to compare several. Received: 2"),
        (["--builtin"], "Received: 0"),
    ],
)
def test_a_wrong_command_is_one_sentence(arguments, words, tmp_path):
    env = {"LPIE_DEV_DATA": ""}
    assert_one_sentence(run_lpie("evaluate", *arguments, cwd=tmp_path, env=env), 2, words)


def test_the_development_sets_fit_the_layout():
    folder = SHARED / "data" / "dev"
    if not folder.is_dir():
        pytest.skip("no ../shared/data/dev beside this clone")
    result = compare(data=folder, tasks=["lowlight", "deblur"], limit=1)
    assert [one["folder"] for one in result["tables"]] == [
        "lowlight_sice",
        "lowlight_lol",
        "deblur_gopro",
    ]
    assert result["tables"][2]["degraded"]["psnr_db"] == pytest.approx(24.05, abs=0.01)


def test_the_sets_of_the_literature(astronaut, tiny_tflite, tmp_path):
    for name in ("kodak24", "McMaster"):  # letter case aside, and two of the four are enough
        write_image(tmp_path / name / "a.png", astronaut[60:124, 150:230])
    model = str(tiny_tflite["float32"])
    result = compare([model], suite="awgn", data=tmp_path)
    assert [(t["folder"], t["noise_sigma"]) for t in result["tables"]] == [
        (name, sigma) for name in ("Kodak24", "McMaster") for sigma in (15, 25, 50)
    ]
    degrade = DegradeConfig(noise_sigma=(25.0, 25.0))
    expected = evaluate(tiny_tflite["float32"], clean=tmp_path / "kodak24", degrade=degrade, seed=0)
    ours = table(result, "Kodak24", 25)
    assert ours["methods"][0]["psnr_db"] == pytest.approx(expected["psnr_db"], abs=1e-6)
    assert {"method": "FFDNet", "psnr_db": 32.13} in ours["published"]
    header, rows = literature_table(result)
    assert header[1:] == [f"{name} {s}" for name in ("Kodak24", "McMaster") for s in (15, 25, 50)]
    cells = {row[0]: row[1:] for row in rows}
    assert cells[model][1] == f"{ours['methods'][0]['psnr_db']:.2f}"
    assert cells["FFDNet, published"] == ["34.63", "32.13", "28.98", "34.66", "32.35", "29.18"]
    assert cells["DnCNN, published"][3:] == ["", "", ""]
    assert "### All sets" in suite_markdown(result)
    command = run_lpie("evaluate", model, "--suite", "awgn", "--data", tmp_path)
    assert command.returncode == 0, command.stderr
    printed = command.stdout.splitlines()
    (line,) = [n for n, text in enumerate(printed) if text.startswith("PSNR dB")]
    named = {text.rsplit(None, 6)[0]: text.split()[-6:] for text in printed[line + 1 : line + 3]}
    assert named == {
        model: cells[model],
        "CBM3D, published": cells["CBM3D, published"],
    }
    itself = compare(suite="awgn", data=tmp_path / "McMaster", limit=1)
    assert {t["folder"] for t in itself["tables"]} == {"McMaster"}
    assert not any(t["published"] for t in itself["tables"])  # one image is not the set
    with pytest.raises(InputError, match=r"one or more of CBSD68, Kodak24, .* It holds: a\.png"):
        compare(suite="awgn", data=(tmp_path / "kodak24").rename(tmp_path / "other"))


def test_the_validation_blocks_of_sidd(astronaut, tiny_tflite, tmp_path):
    savemat = pytest.importorskip("scipy.io").savemat
    clean = np.stack([astronaut[y : y + 32, x : x + 32] for y in (60, 100) for x in (150, 180, 90)])
    clean = clean.reshape(2, 3, 32, 32, 3)
    noise = np.random.default_rng(0).normal(0, 9, clean.shape)
    noisy = np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)
    for side, blocks in (("Noisy", noisy), ("Gt", clean)):
        name = f"Validation{side}BlocksSrgb"
        savemat(tmp_path / f"{name}.mat", {name: blocks}, do_compression=True)
    (one,) = compare([str(tiny_tflite["float32"])], suite="sidd", data=tmp_path)["tables"]
    names = [image["name"] for image in one["degraded"]["images"]]
    assert names == ["0001_01", "0001_02", "0001_03", "0002_01", "0002_02", "0002_03"]
    error = (noisy / 255 - clean / 255) ** 2
    expected = -10 * np.log10(error.reshape(6, -1).mean(axis=1))
    assert one["degraded"]["psnr_db"] == pytest.approx(expected.mean(), abs=1e-4)
    assert len(one["methods"][0]["images"]) == 6
    savemat(tmp_path / "ValidationGtBlocksSrgb.mat", {"ValidationGtBlocksSrgb": clean[:1]})
    with pytest.raises(InputError, match="must hold the same number of blocks"):
        compare(suite="sidd", data=tmp_path)
    (tmp_path / "ValidationGtBlocksSrgb.mat").unlink()
    with pytest.raises(InputError, match=r"lacks ValidationGtBlocksSrgb\.mat"):
        compare(suite="sidd", data=tmp_path)
