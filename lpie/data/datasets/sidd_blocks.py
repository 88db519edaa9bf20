"""The validation blocks of SIDD: one array [scenes, blocks, H, W, 3] in a .mat file."""

import io
import zlib

import numpy as np
from numpy.typing import NDArray

from lpie.data.datasets.archives import Source
from lpie.errors import InputError, require


def block_grid(source: Source, name: str) -> tuple[int, ...]:
    """The shape of the blocks in the .mat file `name`, whose variable has the file's name.

    Only the header is unpacked. Raises `InputError` for anything but uint8 RGB blocks.
    """
    require("scipy", extra="train")
    from scipy.io import whosmat
    from scipy.io.matlab import MatReadError

    try:
        variables = whosmat(io.BytesIO(source.read(name)))
    except (*_UNREADABLE, MatReadError) as error:
        raise _damaged(source, name, error) from None
    variable = variable_of(name)
    shapes = {n: (shape, kind) for n, shape, kind in variables}
    if variable not in shapes:
        raise InputError(
            f"{source.where(name)} must hold the variable {variable}. "
            f"Found: {', '.join(shapes) or 'none'}."
        )
    shape, kind = shapes[variable]
    if kind != "uint8" or len(shape) != 5 or shape[-1] != 3:
        raise InputError(
            f"{source.where(name)}: {variable} must be uint8 [scenes, blocks, H, W, 3]. "
            f"Received: {kind} {list(shape)}."
        )
    return shape


def load_blocks(source: Source, name: str) -> NDArray[np.uint8]:
    """The blocks in the .mat file `name`: [scenes, blocks, H, W, 3] uint8."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    variable = variable_of(name)
    try:
        return loadmat(io.BytesIO(source.read(name)), variable_names=[variable])[variable]
    except (*_UNREADABLE, MatReadError) as error:
        raise _damaged(source, name, error) from None


def variable_of(name: str) -> str:
    """`ValidationGtBlocksSrgb` of `.../ValidationGtBlocksSrgb.mat`."""
    return name.rpartition("/")[2].removesuffix(".mat")


# What scipy raises for a damaged file; NotImplementedError for the HDF5 variant (version 7.3).
_UNREADABLE = (ValueError, TypeError, KeyError, OSError, EOFError, zlib.error, NotImplementedError)


def _damaged(source: Source, name: str, error: Exception) -> InputError:
    if isinstance(error, InputError):
        return error
    return InputError(f"{source.where(name)} is not a readable .mat file: {error}.")
