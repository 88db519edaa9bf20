"""What an export is asked for, checked as one. Loads no TensorFlow."""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lpie.errors import InputError, unknown_name
from lpie.export.recipes import RECIPES, Recipe, find_recipe
from lpie.export.rewrites.targets import Rewrite, chosen_rewrites
from lpie.npu.chips import NpuChip, npu_chips
from lpie.npu.compile import LIMIT_S as NPU_LIMIT_S
from lpie.size import NAMED_SIZES, Size

IoName = Literal["uint8", "int8", "float32"]
MAX_DROP_DB = 0.1
# The options that only some recipes take.
OPTIONS = ("io", "max_drop_db", "hardware_target", "rewrites")


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """How a network is to become a `.tflite`. A wrong value, or combination, cannot be made.

    Args:
        recipe: How weights and activations are stored: a name of `lpie.export.recipes.RECIPES`.
        sizes: The image sizes of the file, each a `Size(height, width)` or a text such as
            `1920x1080` (width first), `fhd` or `4k`. The file of several has a signature
            WIDTHxHEIGHT for each.
        io: Input and output type of an int8 file: `uint8` (as photos are; used unless given),
            `int8` or `float32`.
        hardware_target: `cpu`, `gpu` or `nnapi`: apply the exact rewrites that suit it.
        rewrites: Names of further exact rewrites (`lpie.export.rewrites.targets`).
        max_drop_db: How many dB of PSNR a file of the recipe `mixed` may lose against the network;
            0.1 unless given.
        npus: Also compile the file for the NPUs of these chips or phones, each into a file of its
            own beside it; `all` stands for every chip of `lpie.npu.chips`.
        npu_limit_s: Timeout of a compile for an NPU, and of a run on its emulator, in seconds.
        verify: Compare the file with the network before it is written.
        overwrite: Replace a file that exists.

    Raises:
        InputError: For an unknown name, a size twice, or an option that the recipe does not take.
    """

    recipe: str = "float32"
    sizes: tuple[Size | str, ...] = (Size(*NAMED_SIZES["fhd"]),)
    io: IoName | None = None
    hardware_target: str | None = None
    rewrites: tuple[str, ...] = ()
    max_drop_db: float | None = None
    npus: tuple[str, ...] = ()
    npu_limit_s: float = NPU_LIMIT_S
    verify: bool = True
    overwrite: bool = False

    def __post_init__(self) -> None:
        recipe = find_recipe(self.recipe)
        object.__setattr__(self, "rewrites", tuple(self.rewrites))
        chosen_rewrites(self.hardware_target, self.rewrites)
        if self.io is not None and self.io not in get_args(IoName):
            raise unknown_name("type of input and output", self.io, get_args(IoName))
        for option in OPTIONS:
            if getattr(self, option) not in (None, ()) and option not in recipe.options:
                raise _not_taken(self.recipe, option)
        if self.max_drop_db is not None and not 0 <= self.max_drop_db < math.inf:
            raise InputError(
                "`max_drop_db` must be a number of dB, at least 0. "
                f"Received: {self.max_drop_db}. Try {MAX_DROP_DB}."
            )
        object.__setattr__(self, "npus", tuple(self.npus))
        npu_chips(self.npus)
        object.__setattr__(self, "sizes", _checked(self.sizes))

    @property
    def images(self) -> tuple[Size, ...]:
        """The image sizes; the first is what a plain interpreter runs."""
        return tuple(size for size in self.sizes if isinstance(size, Size))

    @property
    def chosen(self) -> Recipe:
        """The recipe itself."""
        return find_recipe(self.recipe)

    @property
    def chips(self) -> list[NpuChip]:
        """The chips whose NPUs the file is compiled for."""
        return npu_chips(self.npus)

    @property
    def chosen_rewrites(self) -> tuple[Rewrite, ...]:
        """The exact rewrites, in the order in which they are applied."""
        return chosen_rewrites(self.hardware_target, self.rewrites)

    def images_in_multiples_of(self, multiple: int) -> tuple[Size, ...]:
        """The image sizes; an `InputError` for one whose sides are no multiples of `multiple`."""
        return tuple(Size.parse(str(size), multiple=multiple) for size in self.images)


def _not_taken(recipe: str, option: str) -> InputError:
    if option in ("hardware_target", "rewrites"):
        return InputError(
            f"The recipe {recipe} takes no `{option}`: the network was trained with the rounding "
            "of its own graph. Leave it out, or choose the recipe int8."
        )
    takers = [name for name, known in RECIPES.items() if option in known.options]
    verb = "recipe {} takes" if len(takers) == 1 else "recipes {} take"
    return InputError(
        f"Only the {verb.format(', '.join(takers))} `{option}`. Received: the recipe {recipe}."
    )


def _checked(sizes: tuple[Size | str, ...]) -> tuple[Size, ...]:
    if not sizes:
        raise InputError("`size` must name at least one size. Try 1920x1080.")
    parsed = []
    for size in sizes:
        if not isinstance(size, Size | str):
            raise InputError(
                f"A size is a Size(height, width) or WIDTHxHEIGHT. Received: {size!r}. "
                "Try 1920x1080."
            )
        parsed.append(Size.parse(str(size)))
    for size in parsed:
        if parsed.count(size) > 1:
            raise InputError(f"The size {size} was given twice.")
    return tuple(parsed)


# The keywords of `export_tflite` before there was an `ExportRequest`.
OLD_KEYWORDS = {
    "recipe": "recipe",
    "io": "io",
    "max_drop": "max_drop_db",
    "target": "hardware_target",
    "rewrites": "rewrites",
    "verified": "verify",
    "force": "overwrite",
}


def requested(request: ExportRequest | None, old: dict[str, Any]) -> ExportRequest:
    """`request`, or what the keywords of lpie 0.1 ask for."""
    if request is not None:
        if old:
            raise InputError(
                f"`request` already says what to export. Received also: {', '.join(old)}. "
                "Put all of it into the ExportRequest."
            )
        return request
    unknown = sorted(set(old) - {*OLD_KEYWORDS, "size", "more_sizes"})
    if unknown:
        raise TypeError(f"export_tflite() got an unexpected keyword argument {unknown[0]!r}")
    options = {OLD_KEYWORDS[name]: value for name, value in old.items() if name in OLD_KEYWORDS}
    sizes = [old["size"]] if "size" in old else ["fhd"]
    return ExportRequest(sizes=tuple(map(_size, [*sizes, *old.get("more_sizes", ())])), **options)


def _size(size: Any) -> Size | str:
    """A size as lpie 0.1 took it: a text, or a tuple (width, height)."""
    if isinstance(size, str | Size):
        return size
    width, height = size
    return Size(height, width)
