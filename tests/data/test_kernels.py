import numpy as np
import pytest

from lpie.config.degrade import DegradeConfig
from lpie.data.degrade.blur import camera_shake as kernels
from lpie.data.degrade.blur.camera_shake import draw_kernel, rasterize, stored, trajectory, turned
from lpie.data.degrade.blur.linear_light import blur
from tests.conftest import SHARED


def middle(kernel):
    """The centroid in pixels right of and below the middle."""
    offset = np.arange(len(kernel)) - len(kernel) // 2
    return (kernel.sum(0) * offset).sum(), (kernel.sum(1) * offset).sum()


def test_packaged_kernels_are_those_of_kair():
    io, h5py = pytest.importorskip("scipy.io"), pytest.importorskip("h5py")
    folder = SHARED / "data" / "synthesis" / "blur_kernels"
    if not folder.is_dir():
        pytest.skip("no ../shared/data/synthesis beside this clone")
    with h5py.File(folder / "Levin09.mat") as file:
        levin = [np.array(file[name]).T for name in file["kernels"][:, 0]]
    twelve = list(io.loadmat(folder / "kernels_12.mat")["kernels"][0])
    # The ninth and tenth of the twelve are the last two of Levin et al. once more.
    np.testing.assert_array_equal(kernels.pack(twelve[8:10]), kernels.pack([levin[7], levin[6]]))
    np.testing.assert_array_equal(stored("measured"), kernels.pack(levin + twelve[10:]))
    np.testing.assert_array_equal(stored("gaussian"), kernels.pack(twelve[:8]))


@pytest.mark.parametrize("kind", ["trajectory", "measured", "gaussian"])
def test_a_kernel_moves_no_light_and_makes_none(kind):
    config, rng = DegradeConfig(shake_kernels=(kind,)), np.random.default_rng(0)
    for _ in range(200):
        kernel = draw_kernel(rng, config)
        assert kernel.dtype == np.float32
        assert kernel.shape[0] == kernel.shape[1]
        assert len(kernel) % 2 == 1
        assert kernel.min() >= 0
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert np.abs(middle(kernel)).max() < 1e-4


def test_trajectory_has_its_length_and_is_straight_without_anxiety():
    calm = trajectory(np.random.default_rng(0), length_px=20, anxiety=1e-12)
    assert np.abs(np.diff(calm)).sum() == pytest.approx(20)
    assert abs(calm[-1] - calm[0]) == pytest.approx(20, rel=1e-6)
    shaken = trajectory(np.random.default_rng(0), length_px=20, anxiety=0.01)
    assert np.abs(np.diff(shaken)).sum() == pytest.approx(20)
    assert abs(shaken[-1] - shaken[0]) < 15


def test_places_are_shared_between_pixels():
    row = rasterize(np.array([0, 1], complex))  # half a pixel left and right of the middle
    np.testing.assert_allclose(row, [[0, 0, 0], [0.25, 0.5, 0.25], [0, 0, 0]])
    column = rasterize(np.array([0, 1j]))
    np.testing.assert_allclose(column, row.T)
    np.testing.assert_allclose(rasterize(np.array([0, 2], complex))[1], [0.5, 0, 0.5])


def test_turning_a_kernel():
    kernel = stored("measured")[3]
    centred = turned(kernel, angle=0.0, scale=1.0, mirror=False)
    quarter = turned(kernel, angle=np.pi / 2, scale=1.0, mirror=False)
    mirrored = turned(kernel, angle=0.0, scale=1.0, mirror=True)
    np.testing.assert_allclose(quarter, np.rot90(centred, -1), atol=1e-6)
    np.testing.assert_allclose(mirrored, centred[::-1], atol=1e-6)

    def spread(k):
        return (k * np.square(np.mgrid[: len(k), : len(k)] - len(k) // 2).sum(0)).sum()

    double = turned(kernel, angle=0.3, scale=2.0, mirror=False)
    own = spread(kernel) - np.square(middle(kernel)).sum()  # about its centroid
    assert spread(double) == pytest.approx(4 * own, rel=0.03)


def test_blur_is_a_convolution_in_linear_light():
    black_and_white = np.zeros((9, 9, 3), np.float32)
    black_and_white[:, ::2] = 1
    kernel = np.zeros((3, 3), np.float32)
    kernel[1] = 0.25, 0.5, 0.25
    # Half of the light is sRGB 0.7354, not 0.5.
    np.testing.assert_allclose(blur(black_and_white, kernel), 0.7354, atol=0.002)
    point = np.zeros((9, 9, 3), np.float32)
    point[4, 4] = 1
    lopsided = np.zeros((3, 3), np.float32)
    lopsided[0, 2] = 1  # up and to the right
    np.testing.assert_allclose(blur(point, lopsided)[3, 5], 1, atol=1e-6)
    planes = np.stack([lopsided, lopsided.T, np.eye(3, dtype=np.float32) / 3], axis=-1)
    coloured = blur(point, planes)
    assert coloured[3, 5, 0] == pytest.approx(1)
    assert coloured[5, 3, 1] == pytest.approx(1)


def test_a_saturated_point_leaves_a_brighter_streak():
    point = np.full((21, 21, 3), 0.2, np.float32)
    point[10, 10] = 1
    kernel = np.full((1, 9), 1 / 9, np.float32)
    kernel = np.pad(kernel, ((4, 4), (0, 0)))
    plain, bright = (blur(point, kernel, highlight_gain=gain) for gain in (1, 5))
    assert (bright[10, 6:15] > plain[10, 6:15] + 0.2).all()
    np.testing.assert_allclose(bright[:6], plain[:6])
    assert bright.max() <= 1
