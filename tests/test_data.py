import numpy as np
import pytest

from lpie.config import DataConfig, DegradeConfig
from lpie.data import sources
from lpie.data.batches import batches, load_photos, make_batch
from lpie.errors import InputError
from lpie.image import to_float, write_image

CONFIG = DataConfig(patch_px=32)


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


def test_both_sides_of_a_pair_are_cut_and_turned_alike(pair_folder):
    photos, _ = load_photos(sources.pairs(pair_folder), CONFIG)
    degraded, target = make_batch(photos, CONFIG, 16, np.random.default_rng(0))
    assert degraded.shape == target.shape == (16, 32, 32, 3)
    assert degraded.dtype == target.dtype == np.float32
    np.testing.assert_allclose(
        degraded, np.maximum(target, 10 / 255) - np.float32(10 / 255), atol=1e-6
    )
    assert len({crop.tobytes() for crop in target}) > 12  # different crops


def test_same_seed_same_batches_whatever_the_workers(astronaut, tmp_path):
    write_image(tmp_path / "a.png", astronaut)
    photos, _ = load_photos(sources.clean(tmp_path), CONFIG)

    def first(seed, workers, start=0):
        config = DataConfig(patch_px=32, workers=workers)
        return list(batches(photos, config, batch_size=4, seed=seed, first=start, stop=5))

    for a, b in zip(first(1, 1), first(1, 3), strict=True):
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_array_equal(a[1], b[1])
    np.testing.assert_array_equal(first(1, 1)[3][0], first(1, 2, start=3)[0][0])
    assert not np.array_equal(first(1, 1)[0][1], first(2, 1)[0][1])


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
    items = sources.pairs(pair_folder)
    with pytest.raises(InputError, match=words):
        load_photos(items, CONFIG)
    photos, reasons = load_photos(items, DataConfig(patch_px=32, skip_bad=True))
    assert len(photos) == 1
    assert len(reasons) == 1
    (pair_folder / "target" / "b.png").write_bytes(b"")
    with pytest.raises(InputError, match="No usable photo is left"):
        load_photos(items, DataConfig(patch_px=32, skip_bad=True))


def test_a_photo_without_partner_is_named(pair_folder):
    (pair_folder / "degraded" / "b.png").unlink()
    with pytest.raises(InputError, match="b has no partner in degraded/"):
        sources.pairs(pair_folder)
    with pytest.raises(InputError, match="does not exist or is not a folder"):
        sources.pairs(pair_folder / "gone")
