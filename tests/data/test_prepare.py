import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

import cv2
import numpy as np
import pytest

from lpie.data.datasets.decode import decode_hdr, image_size
from lpie.data.datasets.layouts import LAYOUTS
from lpie.data.datasets.patches import PrepareConfig, corners
from lpie.data.datasets.prepare import prepare, verify
from lpie.data.shards import open_shards, read_index
from lpie.errors import InputError, LpieError
from lpie.image.image import write_image
from tests import soak
from tests.conftest import assert_one_sentence, run_lpie, wait_until

SMALL = PrepareConfig(patch_px=64, stride_px=48, shard_mb=1)
SMALL_OPTIONS = ("--patch", 64, "--stride", 48, "--shard-mb", 1)
H, W = 120, 150
SIDD = "SIDD_Medium_Srgb/Data/{0}_001_S6_00100_00060_3200_L/{0}_{1}_SRGB_01{2}.PNG"
BLUR = "RealBlur-J_ECC_IMCORR_centroid_itensity_ref/scene{0:03}/{1}/{1}_{2}.png"
# Paths of the photos by split, (target, degraded), below the folder that is given as SOURCE.
PAIRS = {
    "sidd": {
        "train": [
            (SIDD.format(scene, "GT", i), SIDD.format(scene, "NOISY", i))
            for scene in ("0001", "0002")
            for i in (0, 1)
        ]
    },
    "gopro": {
        split: [(f"GOPRO_Large/{p}/sharp/{i}.png", f"GOPRO_Large/{p}/blur/{i}.png") for p, i in of]
        for split, of in {
            "train": [("train/A", "000001"), ("train/A", "000002"), ("train/B", "000001")],
            "validation": [("test/C", "000004"), ("test/C", "000005")],
            "test": [("test/C", "000006"), ("test/D", "000001"), ("test/D", "000002")],
        }.items()
    },
    "udc-synth": {
        split: [(f"{folder}/GT/{i}.npy", f"{folder}/input/{i}.npy") for i in (1, 2)]
        for split, folder in {"train": "training", "validation": "validation"}.items()
    },
    "realblur": {
        split: [(BLUR.format(s, "gt", i), BLUR.format(s, "blur", i)) for s, i in of]
        for split, of in {"train": [(2, 10), (2, 9), (1, 1)], "test": [(3, 1)]}.items()
    },
    "lol": {
        split: [(f"LOLdataset/{f}/high/{i}.png", f"LOLdataset/{f}/low/{i}.png") for i in (1, 22)]
        for split, f in {"train": "our485", "test": "eval15"}.items()
    },
    "pairs": {"train": [("target/a.png", "degraded/a.bmp"), ("target/b.png", "degraded/b.png")]},
    "clean": {"train": [("a.png", None), ("holidays/sea/b.png", None)]},
}
NAMES = [name for name in LAYOUTS if name != "realblur-r"]
VALIDATION_MATS = ("ValidationGtBlocksSrgb", "ValidationNoisyBlocksSrgb")


def cutout(photo, number, height=H, width=W):
    """A part of the photograph, another for every number."""
    y, x = 37 * number % (512 - height), 53 * number % (512 - width)
    return photo[y : y + height, x : x + width]


def spoiled(target):
    return target // 2 + 7


def hdr(image):
    """Linear light whose tone-mapped form is `image`, up to half a level."""
    y = image.astype(np.float64) / 255.5
    return (0.25 * y / (1 - y)).astype(np.float32)


def save(path, image):
    if path.suffix == ".npy":
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, hdr(image))
    else:
        write_image(path, image)


def build(name, folder, photo, height=H, width=W):
    """Write an imitation of the download; {split: [(target, degraded or None)]} as pixels."""
    if name == "sidd-validation":
        return build_blocks(folder, photo)
    expected = {}
    for split, pairs in PAIRS[name].items():
        expected[split] = []
        for number, (target, degraded) in enumerate(pairs):
            sharp = cutout(photo, number + 5 * len(expected), height, width)
            save(folder / target, sharp)
            if degraded:
                save(folder / degraded, spoiled(sharp))
            expected[split].append((sharp, spoiled(sharp) if degraded else None))
        if name == "realblur":
            lines = "".join(f"{target} {degraded} \n" for target, degraded in pairs)
            (folder / f"RealBlur_J_{split}_list.txt").write_text(lines)
    if name == "gopro":  # there in the download, and not used
        save(folder / "GOPRO_Large/train/A/blur_gamma/000001.png", photo[:H, :W])
    return expected


def build_blocks(folder, photo):
    from scipy.io import savemat

    folder.mkdir(exist_ok=True)
    blocks = np.stack([cutout(photo, i, 64, 64) for i in range(6)]).reshape(2, 3, 64, 64, 3)
    for variable, array in zip(VALIDATION_MATS, (blocks, spoiled(blocks)), strict=True):
        savemat(folder / f"{variable}.mat", {variable: array}, do_compression=True)
    return {"validation": [(b, spoiled(b)) for b in blocks.reshape(6, 64, 64, 3)]}


def pack(folder, form, tmp_path):
    """The folder as another form of SOURCE."""
    if form == "folder":
        return folder
    if form == "top":
        tops = [p for p in folder.iterdir() if p.is_dir()]
        return tops[0] if len(tops) == 1 and len(list(folder.iterdir())) == 1 else folder
    if form == "parent":
        (tmp_path / "above").mkdir()
        shutil.copytree(folder, tmp_path / "above" / "download")
        return tmp_path / "above"
    kind = {".zip": "zip", ".tar": "tar", ".tar.gz": "gztar"}[form]
    path = shutil.make_archive(str(tmp_path / "packed"), kind, folder)
    if form == ".zip":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("__MACOSX/GOPRO_Large/train/A/blur/._000001.png", b"resource fork")
            archive.writestr(".DS_Store", b"")
    return type(tmp_path)(path)


def digests(folder):
    """SHA-256 of every file by its path."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def patches(image):
    """Patches of 64 px, cut by hand: rows at 0, 48, 56, columns at 0, 48, 86 of a 120x150 photo."""
    if image.shape[:2] == (64, 64):
        return [image]
    assert image.shape == (H, W, 3)
    return [image[y : y + 64, x : x + 64] for y in (0, 48, 56) for x in (0, 48, 86)]


@pytest.fixture(scope="module")
def downloads(tmp_path_factory, astronaut):
    """{name: (folder, expected pixels)}; not to be changed."""
    root = tmp_path_factory.mktemp("downloads")
    return {name: (root / name, build(name, root / name, astronaut)) for name in NAMES}


@pytest.fixture(scope="module")
def prepared(downloads, tmp_path_factory):
    """{name: folder} of each download prepared from its folder; not to be changed."""
    root = tmp_path_factory.mktemp("prepared")
    for name, (folder, _) in downloads.items():
        prepare(name, folder, root / name, SMALL)
    return {name: root / name for name in downloads}


@pytest.mark.parametrize("name", NAMES)
def test_patches_hold_exactly_what_was_cut(downloads, prepared, name):
    index = read_index(prepared[name])
    assert index["complete"]
    assert list(index["splits"]) == list(downloads[name][1])
    for split, photos in downloads[name][1].items():
        shards = open_shards(prepared[name] / split)
        cut = [(patches(t), patches(d) if d is not None else None) for t, d in photos]
        targets = [p for target, _ in cut for p in target]
        assert len(shards) == len(targets)
        np.testing.assert_array_equal(np.stack([target for target, _ in shards]), targets)
        if name == "clean":
            assert all(degraded is None for _, degraded in shards)
            assert not list((prepared[name] / split).glob("degraded*"))
        else:
            degraded = [p for _, side in cut for p in side]
            np.testing.assert_array_equal(np.stack([d for _, d in shards]), degraded)


FORMS = [
    (name, form)
    for name in NAMES
    for form in ("top", "parent", ".zip", ".tar", ".tar.gz")
    if (name, form) != ("clean", "parent")  # names of clean photos begin at SOURCE
]


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_every_form_of_the_source_gives_the_same_bytes(downloads, prepared, tmp_path, name, form):
    source = pack(downloads[name][0], form, tmp_path)
    out = tmp_path / "out"
    prepare(name, source, out, SMALL)
    assert digests(out) == digests(prepared[name])
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "above", source.name}


def test_the_index_says_where_each_patch_comes_from(prepared, downloads):
    train = read_index(prepared["gopro"])["splits"]["train"]
    assert [(p["target"], p["degraded"], p["first"], p["patches"]) for p in train["photos"]] == [
        ("train/A/sharp/000001.png", "train/A/blur/000001.png", 0, 9),
        ("train/A/sharp/000002.png", "train/A/blur/000002.png", 9, 9),
        ("train/B/sharp/000001.png", "train/B/blur/000001.png", 18, 9),
    ]
    blocks = read_index(prepared["sidd-validation"])["splits"]["validation"]["photos"]
    assert [photo["block"] for photo in blocks] == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    assert not any(str(downloads["gopro"][0]) in str(p) for p in train["photos"])


def test_realblur_r_has_lists_of_its_own(tmp_path, astronaut):
    (tmp_path / "s" / "RealBlur-R").mkdir(parents=True)
    for side in ("gt", "blur"):
        write_image(tmp_path / "s" / "RealBlur-R" / f"{side}.png", astronaut[:64, :64])
    (tmp_path / "s" / "RealBlur_R_test_list.txt").write_text(
        "RealBlur-R/gt.png RealBlur-R/blur.png\n"
    )
    result = prepare("realblur-r", tmp_path / "s", tmp_path / "out", SMALL)
    assert result["splits"]["test"]["photos"] == 1
    assert result["splits"]["test"]["photos_of_the_original"] == 980


def test_corners_are_flush_with_the_border():
    assert corners(256, 256, 192) == [0]
    assert corners(448, 256, 192) == [0, 192]
    assert corners(449, 256, 192) == [0, 192, 193]
    assert corners(255, 256, 192) == []
    assert corners(300, 100, 150) == [0, 150, 200]


def test_tone_mapping_by_hand():
    values = np.array([0, 0.25, 0.75, 500], np.float32)
    file = io.BytesIO()
    np.save(file, np.repeat(values[None, :, None], 3, axis=2))
    np.testing.assert_array_equal(decode_hdr(file.getvalue(), "x")[0, :, 0], [0, 128, 191, 255])


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("progressive", [0, 1])
def test_the_size_in_a_files_first_bytes(astronaut, suffix, progressive):
    _, data = cv2.imencode(suffix, astronaut[:70, :90], [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])
    assert image_size(data.tobytes()) == (70, 90)
    assert image_size(data.tobytes()[:10]) == ()
    assert image_size(b"RIFF") == ()


@pytest.fixture(scope="module")
def large(tmp_path_factory, astronaut):
    """(a source of several shards, the uninterrupted result)."""
    root = tmp_path_factory.mktemp("large")
    for number in range(10):
        sharp = cutout(astronaut, number, 400, 420)
        write_image(root / "source" / "target" / f"{number}.png", sharp)
        write_image(root / "source" / "degraded" / f"{number}.png", spoiled(sharp))
    # A file that must be left out while it is being resumed, and one at the end.
    for name in ("4b.png", "99.png"):
        for side in ("target", "degraded"):
            (root / "source" / side / name).write_bytes(b"\x89PNG broken")
    result = prepare("pairs", root / "source", root / "out", with_bad())
    assert result["splits"]["train"]["photos"] == 10
    assert result["splits"]["train"]["shards"] == 9
    assert len(result["splits"]["train"]["left_out"]) == 2
    return root / "source", root / "out"


def with_bad(**changes):
    return PrepareConfig(patch_px=64, stride_px=48, shard_mb=1, skip_bad=True, **changes)


def written(out):
    """How many shards of sharp patches there are."""
    return len(list(out.glob("train/target*.npy")))


@pytest.mark.soak
@pytest.mark.parametrize("seed", soak.some([0, 1, 2, 3], 1))
def test_killed_at_any_moment_and_resumed_ends_with_the_same_bytes(large, tmp_path, seed):
    source, expected = large
    out = tmp_path / "out"
    command = ["data", "prepare", "pairs", source, out, *SMALL_OPTIONS, "--skip-bad", "--json"]
    rng = soak.rng(seed)
    ends = []
    for until in (0, 2, 5):
        process = subprocess.Popen(
            [sys.executable, "-m", "lpie", *map(str, command)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda: out.is_dir() and written(out) >= until, process)  # noqa: B023
        time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        ends.append(process.wait())
    assert -signal.SIGKILL in ends
    result = run_lpie(*command)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["splits"]["train"]["photos"] == 10
    assert digests(out) == digests(expected)


class Stop(Exception):
    pass


@pytest.mark.parametrize("photos", range(0, 11, 2))
def test_stopped_at_a_photo_and_resumed_ends_with_the_same_bytes(large, tmp_path, photos):
    source, expected = large
    out = tmp_path / "out"

    def stopping(pairs):
        for i, pair in enumerate(pairs):
            if i == photos:
                raise Stop
            yield pair

    with pytest.raises(Stop):
        prepare("pairs", source, out, with_bad(), progress=stopping)
    before = {p: p.stat().st_mtime_ns for p in out.glob("train/*.npy")}
    assert not list(out.rglob(".*"))
    with pytest.raises(InputError, match="not finished"):
        open_shards(out / "train")
    prepare("pairs", source, out, with_bad(workers=3))
    assert digests(out) == digests(expected)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_finished_set_is_left_alone_and_a_lost_file_made_anew(large, tmp_path):
    source, expected = large
    out = tmp_path / "out"
    shutil.copytree(expected, out)
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    assert prepare("pairs", source, out, with_bad())["was_complete"]
    assert times == {p: p.stat().st_mtime_ns for p in out.rglob("*")}
    (out / "train" / "degraded-00003.npy").unlink()
    (out / "train" / ".target-00001.7.part.npy").write_bytes(b"left by a kill")
    assert not prepare("pairs", source, out, with_bad())["was_complete"]
    assert digests(out) == digests(expected)


def test_other_settings_or_photos_are_refused_by_name(large, tmp_path):
    source, expected = large
    options = ("--patch", 64, "--stride", 32, "--shard-mb", 2, "--skip-bad")
    result = run_lpie("data", "prepare", "pairs", source, expected, *options)
    assert_one_sentence(result, 2, "shard_mb (1 there, 2 now)", "stride_px (48 there, 32 now)")
    fewer = tmp_path / "fewer"
    shutil.copytree(source, fewer)
    for side in ("target", "degraded"):
        (fewer / side / "0.png").unlink()
    with pytest.raises(InputError, match="source_sha256"):
        prepare("pairs", fewer, expected, with_bad())


def test_two_processes_do_not_write_one_folder(large, tmp_path):
    import fcntl

    source, _ = large
    out = tmp_path / "out"
    out.mkdir()
    holder = os.open(out, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(LpieError, match="Another process prepares"):
        prepare("pairs", source, out, with_bad())
    os.close(holder)
    assert not list(out.iterdir())


def test_verify_names_the_damaged_file(large, tmp_path):
    _, expected = large
    out = tmp_path / "out"
    shutil.copytree(expected, out)
    good = run_lpie("data", "prepare", "pairs", "gone", out, "--verify", "--json")
    assert json.loads(good.stdout)["verified_files"] == 18
    path = out / "train" / "target-00002.npy"
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    open_shards(out / "train")  # which looks at no pixel
    bad = run_lpie("data", "prepare", "pairs", "gone", out, "--verify")
    assert_one_sentence(bad, 1, "target-00002.npy", "Delete the file")
    assert "target-00001" not in bad.stderr
    with pytest.raises(InputError, match="holds pairs, not gopro"):
        verify("gopro", out)


def test_shards_are_a_sequence_of_photos(prepared, downloads):
    shards = open_shards(prepared["lol"] / "train")
    target, degraded = shards[np.int64(17)]
    expected = downloads["lol"][1]["train"][1]
    np.testing.assert_array_equal(target, patches(expected[0])[8])
    np.testing.assert_array_equal(degraded, patches(expected[1])[8])
    assert target.dtype == np.uint8
    assert type(target) is np.ndarray
    np.testing.assert_array_equal(shards[-1][0], target)
    assert len(shards[4:6]) == 2
    for beyond in (18, -19):
        with pytest.raises(IndexError):
            shards[beyond]


@pytest.mark.skipif(not os.path.exists("/proc/self/io"), reason="counts what this process reads")
def test_opening_reads_no_pixels(large):
    def bytes_read():
        with open("/proc/self/io") as f:
            return int(f.readline().split()[1])

    _, out = large
    pixels = sum(path.stat().st_size for path in out.glob("train/*.npy"))
    before = bytes_read()
    shards = open_shards(out / "train")
    assert bytes_read() - before < pixels / 50
    assert len(shards) == 720


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda p: p.unlink(), "missing"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "truncated"),
        (lambda p: p.write_bytes(b""), "no .npy header"),
        (lambda p: np.save(p, np.zeros((81, 64, 64, 3), np.float32)), "Received: float32"),
        (lambda p: np.save(p, np.zeros((80, 64, 64, 3), np.uint8)), "(80, 64, 64, 3)"),
    ],
)
def test_opening_names_a_file_that_does_not_fit(large, tmp_path, change, words):
    out = tmp_path / "out"
    shutil.copytree(large[1], out)
    change(out / "train" / "target-00001.npy")
    with pytest.raises(InputError) as caught:
        open_shards(out / "train")
    assert "target-00001.npy" in str(caught.value)
    assert words in str(caught.value)


def test_opening_something_else_says_what_to_open(large, tmp_path):
    _, out = large
    with pytest.raises(InputError, match=r"Name one: .*train\."):
        open_shards(out)
    with pytest.raises(InputError, match="has no split test, only train"):
        open_shards(out / "test")
    with pytest.raises(InputError, match="is not a prepared data set"):
        open_shards(tmp_path / "train")
    (tmp_path / "index.json").write_text('{"format": 99}')
    with pytest.raises(InputError, match="of format 99"):
        open_shards(tmp_path / "train")


def truncate(path, share=0.5):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def spoil_png(folder, _):
    truncate(folder / PAIRS["gopro"]["test"][0][1])


def spoil_size(folder, photo):
    write_image(folder / PAIRS["gopro"]["train"][1][1], photo[:H, : W + 1])


def spoil_partner(folder, _):
    (folder / PAIRS["gopro"]["train"][1][0]).unlink()


def spoil_small(folder, photo):
    for path in PAIRS["gopro"]["train"][2]:
        write_image(folder / path, photo[:63, :200])


def spoil_layout(folder, photo):
    shutil.rmtree(folder / "GOPRO_Large")
    write_image(folder / "pictures" / "x.png", photo)


def spoil_listed(folder, _):
    (folder / BLUR.format(3, "blur", 1)).unlink()


def spoil_list(folder, _):
    (folder / "RealBlur_J_test_list.txt").write_text("one two three\n")


def spoil_hdr(value):
    def spoil(folder, photo):
        array = hdr(photo[:H, :W])
        array[3, 4, 1] = value
        np.save(folder / "training/GT/2.npy", array)

    return spoil


def spoil_hdr_integers(folder, photo):
    np.save(folder / "training/GT/2.npy", photo[:H, :W])


def spoil_hdr_length(folder, _):
    truncate(folder / "training/GT/2.npy", 0.9)


def spoil_mat(**arrays):
    def spoil(folder, _):
        from scipy.io import savemat

        savemat(folder / f"{VALIDATION_MATS[1]}.mat", arrays)

    return spoil


def spoil_mat_file(folder, _):
    truncate(folder / f"{VALIDATION_MATS[0]}.mat")


BLOCKS = np.zeros((2, 3, 64, 64, 3), np.uint8)
BAD = {
    "png": ("gopro", spoil_png, "test/C/blur/000006.png is not a readable image", True),
    "size": ("gopro", spoil_size, "(151x120) and ", True),
    "small": ("gopro", spoil_small, "000001.png (200x63) is smaller than a patch of 64 px", True),
    "partner": ("gopro", spoil_partner, "A/blur/000002.png has no partner", False),
    "layout": ("gopro", spoil_layout, "train/<scene>/{blur,sharp}/*.png", False),
    "listed": ("realblur", spoil_listed, "blur_1.png is missing; RealBlur_J_test_list", False),
    "list": ("realblur", spoil_list, "line 1 must name two files", False),
    "nan": ("udc-synth", spoil_hdr(np.nan), "2.npy holds NaN", True),
    "negative": ("udc-synth", spoil_hdr(-0.1), "2.npy holds NaN, infinite or negative", True),
    "integers": ("udc-synth", spoil_hdr_integers, "Received: uint8", True),
    "length": ("udc-synth", spoil_hdr_length, "2.npy is truncated", True),
    "variable": ("sidd-validation", spoil_mat(other=BLOCKS), "Found: other", False),
    "shape": (
        "sidd-validation",
        spoil_mat(ValidationNoisyBlocksSrgb=BLOCKS[0]),
        "uint8 [3, 64, 64, 3]",
        False,
    ),
    "type": (
        "sidd-validation",
        spoil_mat(ValidationNoisyBlocksSrgb=BLOCKS.astype(float)),
        "Received: double",
        False,
    ),
    "unlike": (
        "sidd-validation",
        spoil_mat(ValidationNoisyBlocksSrgb=BLOCKS[:1]),
        "must be of one shape",
        False,
    ),
    "mat": ("sidd-validation", spoil_mat_file, "not a readable .mat file", False),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_source_is_one_sentence_and_leaves_no_shard(downloads, astronaut, tmp_path, case):
    name, spoil, words, can_skip = BAD[case]
    source = tmp_path / "source"
    shutil.copytree(downloads[name][0], source)
    spoil(source, astronaut)
    out = tmp_path / "out"
    with pytest.raises(InputError) as caught:
        prepare(name, source, out, SMALL)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(out.rglob("*.part*"))
    if can_skip:
        result = prepare(name, source, out, with_bad())
        rows = result["splits"].values()
        assert [words in reason for row in rows for reason in row["left_out"]] == [True]
        photos = sum(len(pairs) for pairs in downloads[name][1].values())
        assert sum(row["photos"] for row in rows) == photos - 1
    elif case != "png":
        assert not out.exists()


def test_a_bad_photo_is_one_sentence_on_the_command_line(downloads, astronaut, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(downloads["gopro"][0], source)
    spoil_png(source, astronaut)
    command = ("data", "prepare", "gopro", source, tmp_path / "out", *SMALL_OPTIONS)
    result = run_lpie(*command, "--json")
    assert_one_sentence(result, 2, "000006.png is not a readable image")
    assert len(result.stderr.splitlines()) == 1
    result = run_lpie(*command, "--skip-bad")
    assert result.returncode == 0, result.stderr
    assert "Left out: " in result.stderr
    assert "3 photos (of 2,103 in the whole download), 27 patches of 64 px" in result.stdout


def bad_archive(form, tmp_path, downloads):
    """(the archive, words of the error)"""
    path = pack(
        downloads["lol"][0],
        {"bomb": ".zip", "outside": ".zip", "gzip": ".tar.gz", "tar end": ".tar"}.get(form, form),
        tmp_path,
    )
    if form == "outside":
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("../../etc/x.png", b"")
        return path, "leads out of it"
    if form == "bomb":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("our485/low/1.png", bytes(80_000_000))
        return path, "unpacks to more than 100 times"
    if form == "tar end":
        with tarfile.open(path) as archive:
            member = archive.getmembers()[-1]
        end = member.offset_data + (member.size + 511) // 512 * 512
        path.write_bytes(path.read_bytes()[:end])
        return path, "its end is missing"
    truncate(path, 0.7)
    return path, "is not a whole archive"


@pytest.mark.parametrize("form", [".zip", ".tar", ".tar.gz", "tar end", "outside", "bomb"])
def test_a_bad_archive_is_one_sentence(downloads, tmp_path, form):
    path, words = bad_archive(form, tmp_path, downloads)
    with pytest.raises(InputError) as caught:
        prepare("lol", path, tmp_path / "out", SMALL)
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_damaged_member_of_an_archive_is_named(downloads, tmp_path):
    path = pack(downloads["lol"][0], ".zip", tmp_path)
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("LOLdataset/our485/low/22.png")
    data = bytearray(path.read_bytes())
    middle = member.header_offset + member.compress_size // 2
    data[middle : middle + 100] = bytes(100)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"our485/low/22\.png cannot be read"):
        prepare("lol", path, tmp_path / "out", SMALL)
    assert prepare("lol", path, tmp_path / "out", with_bad())["splits"]["train"]["photos"] == 1


def test_a_member_whose_name_is_no_text_is_one_sentence(downloads, tmp_path):
    path = pack(downloads["lol"][0], ".zip", tmp_path)
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("LOLdataset/our485/low/22.png")
    data = bytearray(path.read_bytes())
    data[member.header_offset + 7] |= 8  # the flag of UTF-8, in the member's own header
    data[member.header_offset + 30] = 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"our485/low/22\.png cannot be read"):
        prepare("lol", path, tmp_path / "out", SMALL)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("gopr", "source", "out"), 2, "Did you mean 'gopro'"),
        (("gopro", "gone", "out"), 2, "gone does not exist"),
        (("gopro", "source", "source"), 2, "source lies in"),
        (("gopro", "source/GOPRO_Large", "source"), 2, "lies in"),
        (("gopro", "note.txt", "out"), 2, "must be a folder, a .zip"),
        (("gopro", "source", "full"), 2, "is no prepared data set"),
        (("gopro", "source", "note.txt/out"), 1, "Not a directory"),
        (("gopro", "source", "out", "--patch", "8"), 2, "--patch must be at least 16"),
        (("gopro", "source", "out", "--verify"), 2, "is not a prepared data set"),
    ],
)
def test_asked_wrongly(downloads, tmp_path, arguments, code, words):
    (tmp_path / "source").symlink_to(downloads["gopro"][0])
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    (tmp_path / "note.txt").write_text("not an archive")
    # Patches small enough for the photos, unless the case says otherwise.
    options = () if "--patch" in arguments else ("--patch", "64")
    result = run_lpie("data", "prepare", *arguments, *options, cwd=tmp_path)
    assert_one_sentence(result, code, words)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_refused_before_and_survived_while_writing(large, tmp_path):
    """A real file system of 3 MB; the set needs 18."""
    source, expected = large
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a file system")
    try:
        out = disk / "out"
        options = (*SMALL_OPTIONS, "--skip-bad")
        result = run_lpie("data", "prepare", "pairs", source, out, *options)
        assert_one_sentence(result, 1, "needs 17.7 MB more, and 3.1 MB are free")
        assert not out.exists()
        with pytest.raises(LpieError, match=r"Cannot write .*\.npy: The disk is full"):
            prepare("pairs", source, out, with_bad(), free=lambda _: 10**12)
        assert sorted(p.name for p in out.rglob("*.npy")) == [
            "degraded-00000.npy",
            "target-00000.npy",
        ]
        assert not list(out.rglob(".*"))
        subprocess.run(["mount", "-o", "remount,size=30m", str(disk)], check=True)
        prepare("pairs", source, out, with_bad())
        assert digests(out) == digests(expected)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_the_list_names_every_layout():
    rows = json.loads(run_lpie("data", "list", "--json").stdout)
    assert {row["name"] for row in rows} == set(LAYOUTS)
    gopro = next(row for row in rows if row["name"] == "gopro")
    assert gopro["photos"] == {"train": 2103, "validation": 555, "test": 556}
    text = run_lpie("data", "list").stdout
    for row in rows:
        assert row["expected"] in text
        assert row["url"] in text
