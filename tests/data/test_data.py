import json
import re
from pathlib import Path

import numpy as np
import pytest

from lpie.config.config import DataConfig, DegradeConfig, config_from
from lpie.data import sources
from lpie.data.batches import batches, make_batch, names_of
from lpie.data.pools import load_pools
from lpie.errors import InputError
from lpie.image.image import to_float, write_image
from tests.conftest import run_lpie


@pytest.fixture
def pair_folder(tmp_path, astronaut):
    """Two pairs whose degraded side is the target with 10 levels less."""
    for name, photo in {"a.png": astronaut[:64, :80], "b.png": astronaut[100:200, :90]}.items():
        write_image(tmp_path / "target" / name, photo)
        write_image(tmp_path / "degraded" / name, np.maximum(photo, 10) - 10)
    return tmp_path


def test_builtin_photographs_are_colour_and_validation_is_held_out():
    pytest.importorskip("skimage")
    training, held = sources.training_and_validation(DataConfig())
    assert not set(training) & set(held)
    for item in [*training, *held]:
        photo, _ = sources.load(item)
        assert photo.ndim == 3
        assert (photo[..., 0] != photo[..., 2]).mean() > 0.3


def pair_config(folder, **data):
    data = {"source": "pairs", "folder": str(folder), "patch_px": 32, **data}
    data.setdefault("validation_folder", str(folder))
    return config_from({"data": data, "train": {"batch_size": 16}})


def clean_config(folder, **settings):
    data = {"source": "clean", "folder": str(folder), "patch_px": 32, **settings.pop("data", {})}
    return config_from({"data": data, "train": {"batch_size": 4, **settings}})


def test_both_sides_of_a_pair_are_cut_and_turned_alike(pair_folder):
    config = pair_config(pair_folder)
    pools, _, _ = load_pools(config)
    degraded, target = make_batch(pools, config, 0)
    assert degraded.shape == target.shape == (16, 32, 32, 3)
    assert degraded.dtype == target.dtype == np.float32
    np.testing.assert_allclose(
        degraded, np.maximum(target, 10 / 255) - np.float32(10 / 255), atol=1e-6
    )
    assert len({crop.tobytes() for crop in target}) > 12  # different crops


def test_same_seed_same_batches_whatever_the_workers_and_processes(astronaut, tmp_path):
    write_image(tmp_path / "a.png", astronaut)
    pools, _, _ = load_pools(clean_config(tmp_path))

    def first(seed, workers, start=0, **part):
        config = clean_config(tmp_path, seed=seed, data={"workers": workers})
        return list(batches(pools, config, first=start, stop=5, **part))

    for a, b in zip(first(1, 1), first(1, 3), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    np.testing.assert_array_equal(first(1, 1)[3][0], first(1, 2, start=3)[0][0])
    assert not np.array_equal(first(1, 1)[0][1], first(2, 1)[0][1])
    halves = [first(1, 1, process=i, processes=2)[2][0] for i in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(halves), first(1, 1)[2][0])


def test_stages_change_patch_and_batch(astronaut, tmp_path):
    write_image(tmp_path / "a.png", astronaut)
    config = clean_config(tmp_path, progressive=[[2, 48, 2], [3, 64, 1]])
    pools, _, _ = load_pools(config)
    shapes = [target.shape[:2] for _, target in batches(pools, config, first=0, stop=5)]
    assert shapes == [(4, 32), (4, 32), (2, 48), (1, 64), (1, 64)]
    write_image(tmp_path / "b.png", astronaut[:40])
    with pytest.raises(InputError, match=r"smaller than a patch of 64 px"):
        load_pools(config)


def test_mixup_mixes_both_sides_with_one_weight(pair_folder):
    plain = pair_config(pair_folder)
    mixed = pair_config(pair_folder, mixup=1.2)
    pools, _, _ = load_pools(plain)
    degraded, target = make_batch(pools, mixed, 0)
    crops = make_batch(pools, plain, 0)[1]
    # The first crop of each mix is the one without mixup; the weight is the same for all pixels.
    assert not np.allclose(target, crops, atol=1e-3)
    bright = (crops > 12 / 255).all(axis=(1, 2, 3)) & (target > 12 / 255).all(axis=(1, 2, 3))
    offset = (target - degraded)[bright]
    np.testing.assert_allclose(offset, np.float32(10 / 255), atol=1e-6)


def test_real_pairs_take_their_share_of_the_crops(pair_folder, astronaut, tmp_path):
    write_image(tmp_path / "clean" / "c.png", astronaut)
    config = config_from(
        {
            "data": {
                "source": "clean",
                "folder": str(tmp_path / "clean"),
                "patch_px": 32,
                "real_pairs": str(pair_folder),
                "real_share": 0.25,
            },
            "train": {"batch_size": 400},
        }
    )
    pools, _, _ = load_pools(config)
    degraded, target = make_batch(pools, config, 0)
    real = (np.abs(target - degraded) < 11 / 255).all(axis=(1, 2, 3))
    assert 0.17 < real.mean() < 0.33  # 25 %, three standard deviations
    assert names_of(pools, config, 0) == ["a.png", "b.png", "c.png"]


def test_blur_of_a_crop_comes_from_beyond_its_border(tmp_path):
    """Crops keep so far from the border of the photo that their blur sees what lies around them."""
    rng = np.random.default_rng(0)
    write_image(tmp_path / "a.png", rng.integers(0, 256, (160, 160, 3)).astype(np.uint8))
    blur = {"kinds": ["motion_blur"], "blur_length_px": 15}
    config = clean_config(tmp_path, data={"degrade": blur, "augment": False})
    pools, _, _ = load_pools(config)
    degraded, target = make_batch(pools, config, 0)
    photo = to_float(pools[0].photos[0][0])
    for spoiled, sharp in zip(degraded, target, strict=True):
        found = np.lib.stride_tricks.sliding_window_view(photo[..., 0], (32, 32))
        y, x = np.argwhere((found == sharp[..., 0]).all(axis=(2, 3)))[0]
        assert 32 <= y <= 160 - 64
        assert 32 <= x <= 160 - 64
        assert spoiled.shape == sharp.shape


def test_shards_are_read_as_photos_are(pair_folder, tmp_path):
    out = tmp_path / "prepared"
    result = run_lpie(
        "data", "prepare", "pairs", pair_folder, out, "--patch", 64, "--stride", 32, "--json"
    )
    assert result.returncode == 0, result.stderr
    (split,) = json.loads(result.stdout)["splits"]
    shards = config_from(
        {
            "data": {
                "source": "shards",
                "folder": str(out / split),
                "patch_px": 32,
                "validation_folder": str(out / split),
            },
            "train": {"batch_size": 16},
        }
    )
    pools, validation, _ = load_pools(shards)
    degraded, target = make_batch(pools, shards, 0)
    np.testing.assert_allclose(
        degraded, np.maximum(target, 10 / 255) - np.float32(10 / 255), atol=1e-6
    )
    assert {sample.target.shape for sample in validation} == {(64, 64, 3)}
    large = config_from({"data": {"source": "shards", "folder": str(out / split)}})
    with pytest.raises(InputError, match="has no validation split"):
        load_pools(large)
    with pytest.raises(InputError, match="are of 64x64 px, and the run needs 96"):
        load_pools(
            config_from({"data": {"source": "shards", "folder": str(out / split), "patch_px": 96}})
        )


def test_clean_photos_are_degraded_by_seed_and_index(astronaut, tmp_path):
    write_image(tmp_path / "a.png", astronaut)
    (sample,) = sources.samples(sources.clean(tmp_path), DegradeConfig(), seed=3)
    np.testing.assert_array_equal(sample.target, to_float(astronaut))
    expected = np.random.default_rng([3, 0]).standard_normal(sample.target.shape, np.float32)
    np.testing.assert_allclose(sample.degraded - sample.target, expected * 25 / 255, atol=1e-6)


def test_validation_is_held_back_or_from_its_own_folder(pair_folder):
    config = DataConfig(source="pairs", folder=str(pair_folder))
    training, held = sources.training_and_validation(config)
    assert [i.name for i in held] == ["a.png"]
    assert [i.name for i in training] == ["b.png"]
    mixed = DataConfig(validation_folder=str(pair_folder / "target"))
    assert [i.name for i in sources.training_and_validation(mixed)[1]] == ["a.png", "b.png"]
    own = DataConfig(source="pairs", folder=str(pair_folder), validation_folder=str(pair_folder))
    assert [i.name for i in sources.training_and_validation(own)[1]] == ["a.png", "b.png"]


def spoil(folder, kind, photo):
    if kind == "corrupt":
        (folder / "target" / "a.png").write_bytes(b"\x89PNG broken")
        return "target/a.png is not a readable image"
    if kind == "mismatched":
        write_image(folder / "degraded" / "a.png", photo[:60, :80])
        return "a.png .80x60. and .*a.png .80x64. must be of one size"
    write_image(folder / "target" / "a.png", photo[:20, :80])
    write_image(folder / "degraded" / "a.png", photo[:20, :80])
    return "a.png .80x20. is smaller than a patch of 32 px"


@pytest.mark.parametrize("kind", ["corrupt", "mismatched", "small"])
def test_a_bad_photo_stops_with_its_path_or_is_counted(pair_folder, astronaut, kind):
    words = spoil(pair_folder, kind, astronaut)
    own = {"validation_folder": str(pair_folder)}
    with pytest.raises(InputError, match=words):
        load_pools(pair_config(pair_folder, **own))
    pools, _, reasons = load_pools(pair_config(pair_folder, skip_bad=True, **own))
    assert len(pools[0].photos) == 1
    assert re.search(words, reasons[0])
    (pair_folder / "target" / "b.png").write_bytes(b"")
    with pytest.raises(InputError, match="No usable photo is left to train on"):
        load_pools(pair_config(pair_folder, skip_bad=True, **own))


def write_pairs(folder, sides, names, photo):
    for side in sides:
        for name in names:
            write_image(folder / side / name, photo)


@pytest.mark.parametrize(
    "sides",
    [
        ("degraded", "target"),
        ("input", "target"),
        ("noisy", "gt"),
        ("lq", "gt"),
        ("LQ", "GT"),
        ("low", "high"),
        ("blur", "sharp"),
        ("noisy", "clean"),
        ("input", "groundtruth"),
    ],
)
def test_pair_folders_of_usual_names_and_folders_inside_them(sides, astronaut, tmp_path):
    write_pairs(tmp_path, sides, ["a.png", "day 1/a.png", "day 1/b.png"], astronaut[:40, :48])
    (tmp_path / sides[0] / "._a.png").write_bytes(b"x")
    (tmp_path / sides[1] / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "notes").mkdir()
    items = sources.pairs(tmp_path)
    assert [item.name for item in items] == ["a.png", "day 1/a.png", "day 1/b.png"]
    for item in items:
        assert item.degraded == tmp_path / sides[0] / item.name
        assert item.target == tmp_path / sides[1] / item.name
    result = run_lpie(
        *("data", "prepare", "pairs", tmp_path, tmp_path / "out", "--patch", 32, "--stride", 32),
        "--json",
    )
    assert json.loads(result.stdout)["splits"]["train"]["photos"] == 3


def test_our_names_of_pair_folders_come_first(astronaut, tmp_path):
    write_pairs(tmp_path, ("degraded", "target", "input", "gt"), ["a.png"], astronaut[:40, :48])
    (item,) = sources.pairs(tmp_path)
    assert (item.degraded.parent.name, item.target.parent.name) == ("degraded", "target")


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        (("noisy", "lq", "gt"), r"several folders of degraded photos: lq/ and noisy/"),
        (("input", "gt", "clean"), r"several folders of ground truth: clean/ and gt/"),
        (("degraded",), r"must hold degraded/ and target/.*Received: degraded/"),
        (("a", "b"), r"Received: a/, b/\. Also known are input/ and target/"),
    ],
)
def test_pair_folders_that_cannot_be_told_apart(sides, words, astronaut, tmp_path):
    write_pairs(tmp_path, sides, ["a.png"], astronaut[:40, :48])
    with pytest.raises(InputError, match=words):
        sources.pairs(tmp_path)


@pytest.mark.parametrize("side", ["degraded", "target"])
def test_two_partners_of_one_name_are_both_named(side, pair_folder):
    (pair_folder / side / "a.jpg").write_bytes((pair_folder / side / "a.png").read_bytes())
    with pytest.raises(InputError, match=rf"{side}/a\.jpg and .*{side}/a\.png have one name"):
        sources.pairs(pair_folder)


CASES = Path(__file__).parents[3] / "shared" / "cases" / "training"


@pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases")
def test_the_cases_of_training_data():
    with pytest.raises(InputError, match=r"target/0\.png and .*target/0\.webp have one name"):
        sources.pairs(CASES / "pairs_dup")
    assert len(sources.pairs(CASES / "pairs_junk")) == 4
    assert [item.name for item in sources.pairs(CASES / "pairs_nested")][-1] == "s1/9.png"
    assert len(sources.clean(CASES / "clean_junk")) == 4


def test_a_photo_without_partner_is_named(pair_folder):
    (pair_folder / "degraded" / "b.png").unlink()
    with pytest.raises(InputError, match="b has no partner in degraded/"):
        sources.pairs(pair_folder)
    with pytest.raises(InputError, match="does not exist or is not a folder"):
        sources.pairs(pair_folder / "gone")
