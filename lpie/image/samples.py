"""A photo as its file stores it: samples, their meaning, and how they were stored."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpie.image import colour as colours
from lpie.image.colour import Colour
from lpie.image.metadata import Changes, Metadata

# Formats that store all samples as they are; others say themselves whether a file does.
LOSSLESS = {"PNG", "TIFF", "BMP", "GIF"}


@dataclass(frozen=True)
class Header:
    """What a file says about its picture before it is decoded.

    Attributes:
        width: In px, as stored.
        height: In px, as stored.
        format: "JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "HEIF", "AVIF" or "JXL".
        frames: How many pictures the file holds that are restored.
        layout: How the format stores them, for a file of the same kind; each format has its own.
    """

    width: int
    height: int
    format: str
    frames: int = 1
    layout: Any = None

    @property
    def pixels(self) -> int:
        """The pixels of all frames together."""
        return self.width * self.height * self.frames


@dataclass(frozen=True)
class Photo:
    """A picture as its file stores it, not turned; with further frames, pages or masks.

    Attributes:
        pixels: The samples, [H, W] or [H, W, C]: colours (in CMYK: inks), then other channels.
        header: What its file says about it.
        metadata: What its file holds beside the pixels.
        orientation: EXIF's, 1 when it is shown as it is stored.
        colour: What the samples mean. By default grey, RGB or either with transparency.
        more: The frames or pages after this one.
        mask: Whether this is no picture of its own, but says which parts of one are shown.
        changes: What happened to the picture since it was read.
        duration_ms: How long it is shown, in an animation; None in other photos.
        loops: How often an animation is shown, 0 for ever.
    """

    pixels: NDArray
    header: Header
    metadata: Metadata = field(default_factory=Metadata)
    orientation: int = 1
    colour: Colour | None = None
    more: tuple["Photo", ...] = ()
    mask: bool = False
    changes: Changes = field(default_factory=Changes)
    duration_ms: float | None = None
    loops: int = 0

    @property
    def meaning(self) -> Colour:
        """What the samples mean."""
        return self.colour or colours.of_samples(self.pixels)

    @property
    def grey(self) -> bool:
        """Whether there is only one colour."""
        return self.meaning.model == "grey"

    @property
    def lossless(self) -> bool:
        """Whether its file stores it without loss; it is then written so where that is possible."""
        known = getattr(self.header.layout, "lossless", None)
        return self.header.format in LOSSLESS if known is None else bool(known)

    @property
    def pictures(self) -> tuple["Photo", ...]:
        """This one and all further ones."""
        return (self, *self.more)

    def with_pictures(self, pictures: "list[Photo]") -> "Photo":
        """`pictures` in one, the first with the metadata of this."""
        return dataclasses.replace(pictures[0], more=tuple(pictures[1:]))

    def rgb(self) -> NDArray:
        """[H, W, 3] sRGB for a network: uint8, uint16 or float32 in [0, 1].

        A view of the pixels where they are 8- or 16-bit RGB or grey, so that nothing is copied.
        """
        return colours.to_network(self.pixels, self.meaning)

    def canvas(self, scale: int = 1) -> tuple[NDArray, NDArray]:
        """Empty pixels for a result `scale` times as large, and its [H, W, 3] array to write to.

        Where the pixels are RGB, the second is a view of the first. `finished` takes both.
        """
        return colours.canvas(self.pixels, self.meaning, scale)

    def finished(self, result: NDArray, rgb: NDArray) -> "Photo":
        """This photo with the `canvas` that a network has filled.

        What it did not change stays as it was, bit for bit; other channels are kept.
        """
        colours.finish(self.pixels, self.meaning, result, rgb)
        height, width = result.shape[:2]
        header = dataclasses.replace(self.header, width=width, height=height)
        return dataclasses.replace(self, pixels=result, header=header, colour=self.meaning)

    def enlarged(self, scale: int) -> "Photo":
        """This picture `scale` times as large, by bicubic; a mask by repeated pixels."""
        if scale == 1:
            return self
        height, width = (side * scale for side in self.pixels.shape[:2])
        if self.mask:
            pixels = self.pixels.repeat(scale, 0).repeat(scale, 1)
        else:
            shape = (height, width, *self.pixels.shape[2:])
            pixels = colours.enlarged(self.pixels, self.meaning, shape)
        header = dataclasses.replace(self.header, width=width, height=height)
        return dataclasses.replace(self, pixels=pixels, header=header)

    def cropped(self, rows: slice, columns: slice) -> "Photo":
        """A part of all its pictures, as views."""
        more = tuple(page.cropped(rows, columns) for page in self.more)
        changes = dataclasses.replace(self.changes, cropped=True)
        pixels = self.pixels[rows, columns]
        return dataclasses.replace(self, pixels=pixels, more=more, changes=changes)

    def turned(self) -> "Photo":
        """All its pictures as they are shown."""
        more = tuple(page.turned() for page in self.more)
        changes = dataclasses.replace(self.changes, turned=True)
        pixels = _turned(self.pixels, self.orientation)
        return dataclasses.replace(self, pixels=pixels, orientation=1, more=more, changes=changes)


def _turned(pixels: NDArray, orientation: int) -> NDArray:
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels) if orientation != 1 else pixels
