"""The model that `lpie export --into-app` gives the Android demo."""

import pytest

pytest.importorskip("keras")

from lpie.errors import InputError
from lpie.export.android_app import check_app
from lpie.system.files import sha256
from lpie.tflite.spec import ModelSpec, spec_path
from tests.conftest import ROOT, assert_one_sentence, run_lpie


@pytest.fixture
def app(tmp_path):
    """A folder that looks like android_demo."""
    manifest = tmp_path / "demo/app/src/main/AndroidManifest.xml"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("<manifest/>")
    return tmp_path / "demo"


def test_the_demo_of_this_clone_is_one():
    check_app(ROOT / "android_demo")
    with pytest.raises(InputError, match="takes the folder android_demo"):
        check_app(ROOT / "docs")


def test_model_and_spec_go_into_the_assets(tiny_run, app, tmp_path):
    file = tmp_path / "mine.tflite"
    done = run_lpie(
        "export", tiny_run, "--size", "64x64", "--no-verify", "-o", file, "--into-app", app
    )
    assert done.returncode == 0, done.stderr
    copy = app / "app/src/main/assets/model.tflite"
    assert str(copy) in done.stderr
    assert copy.read_bytes() == file.read_bytes()
    spec = ModelSpec.from_json(spec_path(copy).read_text())
    assert spec.sha256 == sha256(copy)  # the app checks that they belong together
    assert (spec.width, spec.file) == (64, "mine.tflite")


def test_a_folder_that_is_no_app_is_one_sentence(tiny_run, tmp_path):
    file = tmp_path / "mine.tflite"
    done = run_lpie("export", tiny_run, "--size", "64x64", "-o", file, "--into-app", cwd=tmp_path)
    assert_one_sentence(done, 2, "--into-app takes the folder android_demo", "android_demo.")
    assert not file.exists()
