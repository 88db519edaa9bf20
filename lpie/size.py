"""The size of an image."""

import re
from typing import NamedTuple

from lpie.errors import InputError

NAMED_SIZES = {"fhd": (1080, 1920), "4k": (2160, 3840)}


class Size(NamedTuple):
    """The height and width of an image or tile, in pixels. `str(size)` is `1920x1080`."""

    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def pixels(self) -> int:
        """How many pixels an image of this size has."""
        return self.height * self.width

    def rounded_up(self, multiple: int) -> "Size":
        """The smallest size at least this large whose sides are multiples of `multiple`."""
        return Size(*(-(-side // multiple) * multiple for side in self))

    @staticmethod
    def parse(text: str, *, multiple: int = 1) -> "Size":
        """The size that a person typed: `1920x1080` (width first), `fhd` or `4k`.

        Args:
            text: What was typed.
            multiple: Both sides must be multiples of this, in px.

        Raises:
            InputError: When it is no size, or no multiple; the error names the nearest sizes.
        """
        typed = text.strip().lower()
        match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", typed)
        if typed in NAMED_SIZES:
            size = Size(*NAMED_SIZES[typed])
        elif match:
            size = Size(int(match[2]), int(match[1]))
        else:
            raise InputError(
                f"A size is WIDTHxHEIGHT, fhd or 4k. Received: {text!r}. Try 1920x1080."
            )
        if min(size) < 1:
            raise InputError(f"A size must be at least 1x1. Received: {text}.")
        if any(side % multiple for side in size):
            smaller = Size(*(max(side // multiple, 1) * multiple for side in size))
            raise InputError(
                f"Width and height must be multiples of {multiple}. Received: {size}. "
                f"Nearest: {smaller}, {size.rounded_up(multiple)}."
            )
        return size
