"""The receptive field of a `.tflite` from its ops: enough for exact tiles, and no more."""

import contextlib
import re

import numpy as np
import pytest

from lpie.errors import InputError
from lpie.size import Size
from lpie.tflite.interpreter import Session
from lpie.tflite.model import TfliteModel
from lpie.tflite.receptive_field.ends import image_ends
from lpie.tflite.receptive_field.walk import receptive_field
from lpie.weights import pretrained, tflite_file
from tests.receptive_fields import LARGE, LOCAL, OPEN, SMALL, WHOLE, path_of


def read(name, side=SMALL):
    return TfliteModel.read(path_of(name, side))


def error_inside(name, scale, margin):
    """The largest difference between a tile in the middle and the whole image, `margin` px inside
    the tile."""
    tile, whole = Session(read(name).to_bytes()), Session(read(name, LARGE).to_bytes())
    image = np.random.default_rng(0).random((LARGE, LARGE, 3), np.float32)
    at = slice(24, 24 + SMALL)
    result = tile.run(image[at, at])
    at, inner = slice(24 * scale, (24 + SMALL) * scale), slice(margin, SMALL * scale - margin)
    return np.abs(result - whole.run(image)[at, at])[inner, inner].max()


@pytest.mark.parametrize("name", LOCAL)
def test_the_halo_is_enough_for_exact_tiles(name):
    scale, _, halo_px = LOCAL[name][1]
    field = receptive_field(read(name))
    assert (field.scale, field.multiple, field.halo_px, field.reason) == (*LOCAL[name][1], "")
    assert error_inside(name, scale, halo_px * scale) < 1e-5


@pytest.mark.parametrize("name", ["conv", "even kernel", "u-net", "windows", "x2", "x3", "shift"])
def test_pixels_beyond_the_halo_differ(name):
    """The comparison above can fail."""
    scale, _, halo_px = LOCAL[name][1]
    assert error_inside(name, scale, 0) > 1e-3
    if name not in ("u-net", "windows"):  # whose halo is rounded up
        assert error_inside(name, scale, (halo_px - 1) * scale) > 1e-3


@pytest.mark.parametrize("name", WHOLE)
def test_a_network_that_sees_the_whole_image_says_by_what(name):
    field = receptive_field(read(name))
    assert field.halo_px is None
    assert not field.resizable
    assert re.search(WHOLE[name][1], field.reason), field.reason


@pytest.mark.parametrize("name", OPEN)
def test_files_of_any_size(name):
    model = read(name)
    assert image_ends(model).size is None
    field = receptive_field(model)
    assert (field.scale, field.multiple, field.halo_px) == OPEN[name][1]
    assert field.resizable
    sized = model.resized(Size(24, 40))
    assert image_ends(sized).size == (24, 40)
    assert sized.outputs[0].shape[1:3] == (24 * field.scale, 40 * field.scale)


@pytest.mark.parametrize("name", sorted(pretrained()))
def test_our_own_files_need_no_spec(name):
    """What the ops say is what the spec says, or less: the spec rounds generously."""
    model = TfliteModel.read(tflite_file(name))
    field, spec = receptive_field(model), model.spec
    assert (field.scale, field.multiple, field.resizable) == (1, spec.multiple, True)
    assert spec.halo_px - 8 <= field.halo_px <= spec.halo_px


@pytest.mark.parametrize("name", ["denoise-s", "denoise-lpienet"])
def test_the_halo_of_our_own_files_is_enough(name):
    model = TfliteModel.read(tflite_file(name))
    halo_px, side = receptive_field(model).halo_px, 160
    image = np.random.default_rng(0).random((2 * side, 2 * side, 3), np.float32)
    whole, tile = (Session(model.resized(Size(n, n)).to_bytes()) for n in (2 * side, side))
    at, inner = slice(80, 80 + side), slice(halo_px, side - halo_px)
    difference = whole.run(image)[at, at] - tile.run(image[at, at])
    assert np.abs(difference[inner, inner]).max() <= 1e-6
    assert np.abs(difference).max() > 1e-4


def test_an_unknown_op_is_named():
    editor = read("conv").edit()
    editor.schema.operatorCodes[0].customCode = b"MyConvolution"
    field = receptive_field(editor.finish())
    assert field.halo_px is None
    assert field.reason == "The reach of CUSTOM MyConvolution is unknown"


def changed(name, change):
    editor = read(name).edit()
    change(editor)
    return editor.finish()


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((4, 32, 32, 3), "4 images at once"),
        ((1, 3, 32, 32), "channels come first"),
        ((1, 32, 32, 7), "it is no image"),
        ((32, 32, 3), "an image is"),
    ],
)
def test_other_inputs_are_refused_in_a_sentence(shape, words):
    def change(editor):
        editor.set_shape(int(editor.graph.inputs[0]), shape)

    with pytest.raises(InputError, match=words):
        receptive_field(changed("conv", change))


@pytest.mark.parametrize("size", [(16, 16), (48, 48), (64, 32), (33, 33)])
def test_an_output_that_is_no_multiple_is_refused(size):
    def change(editor):
        editor.set_shape(int(editor.graph.outputs[0]), (1, *size, 3))

    with pytest.raises(InputError, match=f"returns an image of {Size(*size)} for one of 32x32"):
        receptive_field(changed("conv", change))


def huge_kernel(editor):
    kernel = int(editor.graph.operators[0].inputs[1])
    editor.graph.tensors[kernel].shape[1] = 60_000


def many_rows(editor):
    for i in (*editor.graph.inputs, *editor.graph.outputs):
        editor.set_shape(int(i), (1, 2_000_000_000, 32, 3))


@pytest.mark.parametrize("change", [huge_kernel, many_rows])
def test_absurd_sizes_are_not_followed(change):
    """Nor do they take the memory that they ask for."""
    field = receptive_field(changed("conv", change))
    assert field.halo_px is None
    assert "too large to follow" in field.reason


def test_damaged_files_are_sentences():
    """A few of many: what bits turn into is either followed or refused."""
    rng = np.random.default_rng(0)
    for name in ("u-net", "windows", "open-u-net", "x2-reshaped"):
        data = path_of(name).read_bytes()
        for _ in range(40):
            damaged = bytearray(data)
            for at in rng.integers(8, len(data), 3):
                damaged[at] = rng.integers(256)
            with contextlib.suppress(InputError):
                receptive_field(TfliteModel.parse(bytes(damaged)))
