"""The Android demo that android_demo/build.sh has built: what is in it, and that it computes."""

import fcntl
import json
import os
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lpie.benchmarks.records.record import summarized
from lpie.benchmarks.records.schema import check
from lpie.benchmarks.records.verdict import judge
from lpie.benchmarks.runners.lpie_app import read_record
from lpie.image.image import read_image, to_float
from lpie.restore.restorer import Restorer
from lpie.size import Size
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from lpie.weights import pretrained_file
from tests.conftest import ROOT
from tests.device.dex import Dex, Framework, Member

APP = ROOT / "android_demo"
BUILD = APP / "build"
ABIS = ("arm64-v8a", "x86_64")


@pytest.fixture(scope="module")
def apk():
    path = BUILD / "lpie-demo.apk"
    if not path.is_file():
        pytest.skip("android_demo/build.sh has built no app here")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def made(apk):
    """The folder of what the build's own tests wrote."""
    return BUILD / "standalone"


@pytest.fixture(scope="module")
def frameworks(apk):
    """The newest that the app knows, and the oldest that it runs on, by their API level."""
    signatures = Path(shutil.which("javac")).resolve().parent.parent / "lib/ct.sym"
    jars = {level: BUILD / f"libraries/android-{level}.jar" for level in (26, 34)}
    return {level: Framework(jar, signatures) for level, jar in jars.items()}


def test_what_android_reads_of_it(made):
    badging = (made / "badging.txt").read_text()
    assert "package: name='org.lpie.demo' versionCode='1'" in badging
    assert "sdkVersion:'26'" in badging
    assert "targetSdkVersion:'34'" in badging
    assert "launchable-activity: name='org.lpie.demo.MainActivity'" in badging
    assert "native-code: 'arm64-v8a' 'x86_64'" in badging
    assert "application-label-de:'lpie-Demo'" in badging
    assert "uses-permission" not in badging


def test_optional_libraries_of_the_gpu_are_named(apk):
    manifest = apk.read("AndroidManifest.xml")
    for name in ("libOpenCL.so", "libOpenCL-pixel.so"):
        assert name.encode("utf-16-le") in manifest or name.encode() in manifest


def test_the_runtime_is_inside_uncompressed(apk):
    for library in ("tensorflow-lite", "tensorflow-lite-gpu"):
        for abi in ABIS:
            (source,) = (BUILD / "libraries" / library / "jni" / abi).glob("*.so")
            entry = apk.getinfo(f"lib/{abi}/{source.name}")
            assert entry.compress_type == zipfile.ZIP_STORED
            assert apk.read(entry) == source.read_bytes()


# What Android 8 lacks; the code asks for the level first.
NEWER = ("android/graphics/ImageDecoder", "android/os/Build.SOC_", "android/os/PowerManager.getCu")


@pytest.mark.parametrize("level", [26, 34])
def test_no_class_or_member_is_missing(apk, frameworks, level):
    dex, framework = Dex(apk.read("classes.dex")), frameworks[level]
    assert "org/lpie/demo/MainActivity" in dex.defined
    outside = dex.types - dex.defined
    members = {each for each in dex.members if each.owner in outside}
    assert len(members) > 200
    missing = {name for name in outside if not framework.has(name)}
    missing |= {f"{m.owner}.{m.name}{m.kind}" for m in members if not framework.has_member(m)}
    # Annotations that the runtime's makers left in it, which Android never looks for.
    known = ("androidx/annotation/", *(NEWER if level == 26 else ()))
    assert {name for name in missing if not name.startswith(known)} == set()


def test_what_is_missing_would_be_found(frameworks):
    inherited = Member("android/app/Activity", "getResources", "()Landroid/content/res/Resources;")
    for framework in frameworks.values():
        assert framework.has_member(inherited)
        assert not framework.has_member(inherited._replace(kind="()V"))
        assert not framework.has_member(inherited._replace(owner="android/app/Actovity"))
        assert framework.has_member(Member("java/lang/Math", "rint", "(D)D"))
    assert not frameworks[26].has("android/graphics/ImageDecoder")


def test_activities_of_the_manifest_are_in_the_code(apk):
    dex = Dex(apk.read("classes.dex"))
    manifest = (APP / "app/src/main/AndroidManifest.xml").read_text()
    names = re.findall(r'android:name="\.(\w+)"', manifest)
    assert len(names) == 3
    assert {f"org/lpie/demo/{name}" for name in names} <= dex.defined


def test_both_languages_say_everything():
    def keys(folder):
        text = (APP / f"app/src/main/res/{folder}/strings.xml").read_text()
        places = {
            name: sorted(re.findall(r"%\d?\$?[\w.]+", value))
            for name, value in re.findall(r'<string name="(\w+)">(.*?)</string>', text, re.S)
        }
        return places, set(re.findall(r'<plurals name="(\w+)">', text))

    assert keys("values") == keys("values-de")


def test_the_model_inside_is_whole(apk):
    entry = apk.getinfo("assets/model.tflite")
    assert entry.compress_type == zipfile.ZIP_STORED
    spec = TfliteModel.parse(apk.read(entry)).spec
    assert spec is not None
    assert spec.layout == "NHWC"


@pytest.mark.parametrize("name", ["denoise", "denoise-s", "denoise-lpienet"])
def test_the_app_resizes_graphs_as_lpie_does(made, name, astronaut):
    """The files are those that the app's own test ModelGraphTest wrote."""
    image = to_float(astronaut[100:276, 200:464])
    found = Session((made / f"{name}_264x176.tflite").read_bytes()).run(image)
    model = TfliteModel.read(pretrained_file(name, ".tflite")).resized(Size(176, 264))
    expected = Session(model.to_bytes()).run(image)
    np.testing.assert_array_equal(found, expected)


def test_the_record_of_the_app_is_one_of_lpie(made):
    """The file is the one that the app's own test BenchmarkTest wrote."""
    judged(json.loads((made / "record.json").read_text()))


def judged(record):
    """`record`, which follows the schema and says of itself what lpie would."""
    assert (check(record, "it")["verdict"], record["why"]) == judge(record)
    for key, value in summarized(record["rounds"]).items():
        if key not in ("interval_ms", "throttling"):  # which lpie adds to it
            assert record["summary"][key] == pytest.approx(value), key
    return record


@pytest.fixture(scope="module")
def screens(apk):
    """The folder of what the app did and drew on this computer; .ci/run lets it run beside us."""
    if (lock := BUILD / "screens.lock").exists():
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
    if not (BUILD / "screens/restored.png").is_file():
        pytest.skip("android_demo/screens.sh has run no app here")
    return BUILD / "screens"


def test_the_app_restores_as_lpie_does(screens, apk, tmp_path):
    """Its whole way of a photo, from the share of another app to the file that it shares on."""
    model = tmp_path / "model.tflite"
    model.write_bytes(apk.read("assets/model.tflite"))
    photo = read_image(screens / "noisy.png")
    # Android keeps a bitmap's pixels as RGBA; its drawing code on a desktop, as here, as BGRA.
    expected = Restorer(model).restore(photo[..., ::-1])[..., ::-1]
    assert np.abs(expected.astype(int) - photo).mean() > 5, "it should do something"
    np.testing.assert_array_equal(read_image(screens / "restored.png"), expected)


def test_the_app_answers_a_benchmark_with_a_record(screens):
    record = judged(read_record((screens / "log.txt").read_text(), "a1"))
    assert record["requested"]["tiles"] == {"tile": "176x176", "count": 7, "halo_px": 80}
    assert record["executed"]["delegate"] == "xnnpack"
    assert [each["count"] for each in record["rounds"]] == [1, 1]
    parts = record["summary"]["parts_ms"]
    assert sum(parts.values()) <= record["summary"]["mean_ms"]
    assert record["model"]["spec"]["network"] == "lpienet_rt"
    assert record["memory"]["peak_mb"] > record["memory"]["baseline_mb"]


def test_the_packaged_model_restores_on_arm(apk, tmp_path, astronaut):
    command = os.environ.get("LPIE_ARM", "")
    if not command or not shutil.which(command.split()[0]):
        pytest.skip("LPIE_ARM names no Arm Python (see .ci/arm)")
    pytest.importorskip("keras")
    from lpie.export.verification.runtimes import also, run_in

    model = tmp_path / "model.tflite"
    model.write_bytes(apk.read("assets/model.tflite"))

    class Arm:
        multiple, halo_px, fixed = 8, 80, None

        def run(self, image):
            sized = TfliteModel.read(model).resized(Size(*image.shape[:2]))
            runtime, outputs = run_in(also(f"Arm={command}"), sized, image[None])
            assert runtime.endswith("on aarch64")
            return outputs[0]

    photo = astronaut[100:161, 200:277]
    found = Restorer(Arm()).restore(photo).astype(int)
    expected = Restorer(model).restore(photo).astype(int)
    assert np.abs(expected - photo).max() > 3, "it should do something"
    assert np.abs(found - expected).max() <= 1
