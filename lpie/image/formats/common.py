"""What all formats share: their one kind of refusal, and libraries that must not print."""

import contextlib
import importlib
import logging
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
from PIL import Image

from lpie.errors import InputError
from lpie.system.quiet import quiet

# What parsers raise on damaged files.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    AssertionError,
    EOFError,
    struct.error,
    zlib.error,
    MemoryError,
    RecursionError,
    NotImplementedError,
    cv2.error,
)

# Those whose words are about our reading of the file, not about the file.
OWN = (TypeError, LookupError, AttributeError, AssertionError, ArithmeticError, MemoryError)


def damaged(path: Path, what: str = "") -> InputError:
    """The refusal of a file whose format is known but whose data are not whole."""
    cause = f" ({what})" if what else ""
    return InputError(f"{path} is not a readable image: truncated or damaged{cause}.")


def needs_extra(path: Path, what: str) -> InputError:
    """The refusal of a valid file for which a package is missing."""
    return InputError(
        f"{path} is {what}, which needs further packages. Run: pip install 'lpie[photos]'."
    )


def available(module: str) -> bool:
    """Whether a package of the extra `photos` is installed."""
    try:
        importlib.import_module(module)
    except ImportError:
        return False
    return True


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what parsers raise into one refusal, and keeps libraries' warnings off the terminal."""
    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None  # we have a limit of our own
    with quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except InputError:
            raise
        except DAMAGE as error:
            raise damaged(path, _cause(error)) from None
        finally:
            Image.MAX_IMAGE_PIXELS = most


def _cause(error: BaseException) -> str:
    """The first line of a library's message, short; addresses and file objects are left out."""
    if isinstance(error, OWN):
        return ""
    line = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    return (
        line
        if 0 < len(line) <= 100 and "<" not in line and "0x" not in line and "OpenCV" not in line
        else ""
    )
