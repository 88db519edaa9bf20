"""The page restores as `lpie restore` does, keeps what a photo says, and says what went wrong."""

import io
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageCms

from lpie.restore.restorer import Restorer
from tests.web.conftest import golden, opened, wait


def image_file(array, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def upright_exif(orientation=6):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A maker"
    return exif


def choose(page, name, data, kind="image/png"):
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": data})


def finished(page):
    """What the page says when it has nothing more to do."""
    wait(
        page,
        "document.querySelector('.working').hidden && "
        "!['', 'Restoring…'].includes(document.querySelector('#status').textContent)",
    )
    return page.inner_text("#status")


def saved(page, tmp_path):
    with page.expect_download() as download:
        page.click("#save")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.fixture(scope="module")
def noisy(astronaut):
    rng = np.random.default_rng(0)
    photo = astronaut[40:343, 100:501] + rng.normal(0, 20, (303, 401, 3))
    return np.clip(np.rint(photo), 0, 255).astype(np.uint8)


def test_plans_statistics_and_levels_are_those_of_python(page):
    plans = page.evaluate(
        """async (cases) => {
          const {planTiles, evenTile, roundedUp} = await import('/tiles.js');
          const size = ([height, width]) => ({height, width});
          const flat = (tiles) => tiles.map((t) => [t.y, t.x, t.y0, t.x0, t.y1, t.x1]);
          return cases.map(({size: photo, most, halo_px: haloPx, multiple, tile}) => {
            const grid = {haloPx, multiple};
            const padded = roundedUp(size(photo), multiple);
            const even = evenTile(padded, {height: most, width: most}, grid);
            return {tile: [even.height, even.width], even: flat(planTiles(padded, even, grid))};
          });
        }""",
        golden("tiles"),
    )
    for case, plan in zip(golden("tiles"), plans, strict=True):
        assert plan["tile"] == case["tile"], case["size"]
        assert plan["even"] == case["even"], case["size"]
    cases = golden("statistics")
    described = page.evaluate(
        """async (cases) => {
          const {describe, deviation} = await import('/statistics.js');
          return cases.map(({times_ms}) =>
            ({...describe(times_ms), spread_ms: deviation(times_ms)}));
        }""",
        cases,
    )
    for case, numbers in zip(cases, described, strict=True):
        assert numbers == pytest.approx({key: case[key] for key in numbers})
    bits = page.evaluate(
        """async () => {
          const {Levels} = await import('/network.js');
          const types = {input: 'float32', output: 'float32', quantization: [null, null]};
          return [...new Int32Array(new Levels({...types, range: [0, 1]}).inputs.buffer)];
        }"""
    )
    assert bits == golden("pixels")["float_bits"]


def test_a_photo_is_restored_by_tiles_as_lpie_restores_it(page, noisy, tmp_path):
    page.evaluate("document.querySelector('#tile').value = '256'")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    options = {"exif": upright_exif(), "icc_profile": profile, "dpi": (300, 300)}
    choose(page, "noisy.png", image_file(noisy, "PNG", **options))
    assert "401x303 px" in finished(page)
    with Image.open(saved(page, tmp_path)) as restored:
        got = np.asarray(restored).astype(int)
        assert restored.info["icc_profile"] == profile
        assert restored.getexif()[0x0112] == 6
        assert restored.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    expected = Restorer("denoise-s").restore(noisy).astype(int)
    assert np.abs(got - expected).max() <= 1
    assert np.abs(got - noisy).max() > 20


def test_strength(page, noisy, tmp_path):
    page.evaluate(
        "document.querySelector('#strength').value = 50;"
        "document.querySelector('#strength').dispatchEvent(new Event('input'))"
    )
    choose(page, "noisy.png", image_file(noisy[:64, :96], "PNG"))
    finished(page)
    got = np.asarray(Image.open(saved(page, tmp_path))).astype(int)
    expected = Restorer("denoise-s").restore(noisy[:64, :96], strength=0.5).astype(int)
    assert np.abs(got - expected).max() <= 1


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_jpeg_keeps_its_metadata(page, noisy, tmp_path, orientation):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = image_file(
        noisy, "JPEG", quality=95, exif=upright_exif(orientation), icc_profile=profile
    )
    choose(page, "photo.jpg", data, "image/jpeg")
    finished(page)
    path = saved(page, tmp_path)
    assert path.name == "photo_restored.jpg"
    with Image.open(path) as restored:
        assert restored.size == (401, 303)
        assert restored.getexif()[0x0112] == orientation
        assert restored.getexif()[0x010F] == "A maker"
        assert restored.info["icc_profile"] == profile
    upright = page.evaluate("document.querySelector('#compare canvas').width")
    assert upright == (401 if orientation == 1 else 303)


def test_a_file_that_is_no_photo_is_said_and_the_next_one_works(page, noisy):
    choose(page, "broken.png", image_file(noisy, "PNG")[:200])
    assert "broken.png cannot be read as a photo" in finished(page)
    choose(page, "fine.png", image_file(noisy[:40, :48], "PNG"))
    wait(page, "document.querySelector('#status').textContent.includes('48x40')")


def test_cancel(page, astronaut):
    large = np.tile(astronaut, (3, 4, 1))
    choose(page, "large.png", image_file(large, "PNG", compress_level=1))
    wait(page, "document.querySelector('#progress').value > 0")
    page.click("#cancel")
    assert "Cancelled" in finished(page)


def test_german_and_narrow(context, served):
    for width in (360, 768, 1440):
        with opened(context, served[0]) as tab:
            tab.set_viewport_size({"width": width, "height": 740})
            for language in ("de", "en"):
                tab.select_option("#language", language)
                for name in ("restore", "live", "measure"):
                    tab.click(f"#tab-{name}")
                    wide = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
                    assert wide <= 0, (width, language, name)
            assert tab.inner_text("#tab-measure") == "Measure"


def test_keyboard_moves_between_tabs(page):
    page.focus("#tab-restore")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-live"
    assert page.is_visible("#live")
    assert not page.is_visible("#restore")


def test_the_camera_is_restored_as_it_comes(page):
    page.click("#tab-live")
    page.click("#live-start")
    wait(page, "document.querySelector('#live-size').textContent.includes('x')")
    wait(page, "parseFloat(document.querySelector('#live-frame').textContent) > 0")
    assert page.evaluate("document.querySelector('#live-canvas').width") > 16
    page.click("#live-start")
    assert page.is_visible("#live-empty")


def test_the_gpu_restores_too(page, noisy, tmp_path):
    if not page.evaluate("navigator.gpu?.requestAdapter().then((a) => !!a) ?? false"):
        pytest.skip("this Chromium has no WebGPU")
    page.evaluate("document.querySelector('#accelerator').value = 'webgpu'")
    choose(page, "noisy.png", image_file(noisy[:64, :96], "PNG"))
    assert "GPU" in finished(page)
    got = np.asarray(Image.open(saved(page, tmp_path))).astype(int)
    expected = Restorer("denoise-s").restore(noisy[:64, :96]).astype(int)
    assert np.abs(got - expected).max() <= 1


def test_exiftool_finds_no_fault(page, noisy, tmp_path):
    if shutil.which("exiftool") is None:
        pytest.skip("needs exiftool")
    choose(page, "photo.jpg", image_file(noisy, "JPEG", exif=upright_exif()), "image/jpeg")
    finished(page)
    command = ["exiftool", "-validate", "-warning", "-error", saved(page, tmp_path)]
    printed = subprocess.run(command, capture_output=True, text=True).stdout
    assert "Error" not in printed, printed
