"""The package as users install it: a wheel in an empty environment, core only."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT

if not os.environ.get("CI") and not os.environ.get("LPIE_TEST_INSTALL"):
    pytest.skip(
        "installs into new environments from the package index: set LPIE_TEST_INSTALL=1",
        allow_module_level=True,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    # From a copy: setuptools would reuse whatever lies in build/ of this tree.
    source = folder / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(source)],
        check=True,
    )
    return next(folder.glob("*.whl"))


def environment(folder, requirement):
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin" / "pip"), "install", "-q", requirement], check=True)
    return folder / "bin"


@pytest.fixture(scope="module")
def core(wheel, tmp_path_factory):
    """The bin/ of an environment with the wheel and nothing it does not ask for."""
    return environment(tmp_path_factory.mktemp("env") / "core", str(wheel))


@pytest.fixture(scope="module")
def old_runtime(wheel, tmp_path_factory):
    """The same with the extra `tflite-runtime`: numpy 1 and an older OpenCV."""
    if sys.version_info >= (3, 12) or sys.platform != "linux":
        pytest.skip("tflite-runtime 2.14 has no wheel for this Python")
    return environment(tmp_path_factory.mktemp("env") / "old", f"{wheel}[tflite-runtime]")


def lpie(bin_folder, *arguments):
    return subprocess.run(
        [str(bin_folder / "lpie"), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=800,
        cwd=bin_folder,
        check=False,
    )


def test_the_wheel_imports_everything_public(core):
    code = (
        "import lpie, lpie.export, lpie.benchmarks, sys, importlib.util as u\n"
        "assert u.find_spec('tensorflow') is None and u.find_spec('keras') is None\n"
        "lpie.Restorer, lpie.psnr, lpie.ssim, lpie.ModelSpec, lpie.evaluate\n"
        "lpie.export.check_delegate, lpie.benchmarks.benchmark, lpie.benchmarks.write_report\n"
        "assert 'export' not in sys.modules and u.find_spec('benchmarks') is None\n"
    )
    subprocess.run([str(core / "python"), "-c", code], check=True, cwd=core)


def test_core_verbs_work_without_keras(core, tiny_tflite, tiny_run, astronaut, tmp_path):
    from lpie.image.image import read_image, write_image

    model, photo = tiny_tflite["int8"], tmp_path / "photo.png"
    write_image(photo, astronaut[:100, :150])
    for arguments in (
        ["--help"],
        ["train", "--help"],
        ["inspect", model, "--delegate", "xnnpack"],
        ["bench", model, "--size", "96x64", "--min-runs", 1, "--seconds", 0],
        ["restore", model, photo, tmp_path / "restored.png"],
        ["restore", "denoise", photo, tmp_path / "by_name.png"],
        [
            "bench",
            "denoise",
            "--size",
            "64x64",
            "--min-runs",
            1,
            "--seconds",
            0,
            "-o",
            tmp_path / "bench.json",
        ],
        ["compare", tmp_path / "bench.json", tmp_path / "bench.json"],
        ["predict", "denoise", "--phone", "pixel-8a"],
        ["report", tmp_path / "bench.json", "-o", tmp_path / "bench.html"],
        ["data", "list"],
        ["evaluate", model, "--clean", tmp_path],
        ["report", tiny_run, "-o", tmp_path / "report.html"],
    ):
        result = lpie(core, *arguments)
        assert result.returncode == 0, (arguments, result.stderr)
    assert read_image(tmp_path / "restored.png").shape == (100, 150, 3)


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["models"], "lpie[train]"),
        (["demo"], "lpie[train]"),
        (["restore", "RUN", "PHOTO"], "lpie[train]"),
        (["evaluate", "MODEL", "--builtin"], "lpie[train]"),
        (["bench", "MODEL", "--runtime", "tflite-runtime"], "lpie[tflite-runtime]"),
    ],
)
def test_a_missing_extra_is_named(core, tiny_tflite, tiny_run, tmp_path, arguments, extra):
    (tmp_path / "a.png").write_bytes(b"unread")
    names = {"RUN": tiny_run, "MODEL": tiny_tflite["int8"], "PHOTO": tmp_path / "a.png"}
    result = lpie(core, *[names.get(a, a) for a in arguments])
    assert result.returncode == 2
    assert f"pip install '{extra}'" in result.stderr
    assert "Traceback" not in result.stderr


def test_an_editable_install_imports_everything():
    """The tests themselves run in one: `lpie.export` is the folder export/ of this tree."""
    import lpie.benchmarks
    import lpie.export

    if Path(lpie.__file__).parent != ROOT / "lpie":
        pytest.skip("these tests run against an installed copy")
    assert Path(lpie.export.__file__).parent == ROOT / "export"
    assert Path(lpie.benchmarks.__file__).parent == ROOT / "benchmarks"


@pytest.mark.parametrize("recipe", ["float32", "int8"])
def test_tflite_runtime_2_14_computes_the_same(old_runtime, tiny_tflite, photos, tmp_path, recipe):
    x = photos[0][:64, :96].astype(np.float32) / 255
    np.save(tmp_path / "x.npy", x)
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from lpie.tflite.interpreter import Session\n"
        "assert np.__version__.startswith('1.')\n"
        "data, x = Path(sys.argv[1]).read_bytes(), np.load(sys.argv[2])\n"
        "runs = {r[0]: Session(data, runtime=r).run(x) for r in ('ai-edge-litert',"
        " 'tflite-runtime')}\n"
        "np.savez(sys.argv[3], **runs)\n"
    )
    out = tmp_path / "out.npz"
    subprocess.run(
        [
            str(old_runtime / "python"),
            "-c",
            code,
            str(tiny_tflite[recipe]),
            str(tmp_path / "x.npy"),
            str(out),
        ],
        check=True,
        cwd=tmp_path,
    )
    with np.load(out) as runs:
        # int8 kernels round differently between versions: a few levels (of about 1/255) apart.
        most, mean = (1e-5, 1e-6) if recipe == "float32" else (10 / 255, 0.5 / 255)
        difference = np.abs(runs["t"] - runs["a"])
        assert difference.max() <= most
        assert difference.mean() <= mean
    result = lpie(
        *(old_runtime, "bench", tiny_tflite[recipe], "--size", "96x64"),
        *("--runtime", "tflite-runtime", "--min-runs", 1, "--seconds", 0, "--json"),
    )
    assert json.loads(result.stdout)["runner"]["version"].startswith("tflite-runtime 2.14.0")
