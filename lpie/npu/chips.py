"""The Qualcomm chips whose NPU (Hexagon) lpie compiles for and emulates."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lpie.errors import InputError, unknown_name

MANUFACTURER = "Qualcomm"
Floats = Literal["right", "refused", "wrong"]


@dataclass(frozen=True)
class NpuChip:
    """A chip with a Hexagon NPU.

    Attributes:
        soc: What Qualcomm and Android call it, such as `SM8650`.
        number: What Qualcomm's libraries call it.
        hexagon: The version of its NPU.
        vtcm_mb: The NPU's own memory, in MiB. What does not fit goes through DRAM.
        marketing: What people call it; "" where it has no such name.
        phones: Phones that have it. Some are sold with another chip elsewhere.
        floats: What becomes of float networks, which it would compute in float16.
        mobile: Whether phones have it, rather than cars and boards.
    """

    soc: str
    number: int
    hexagon: str
    vtcm_mb: int
    marketing: str = ""
    phones: tuple[str, ...] = ()
    floats: Floats = "right"
    mobile: bool = True

    def __str__(self) -> str:
        return f"{self.soc} ({self.title})" if self.marketing else self.soc

    @property
    def title(self) -> str:
        """Its name on a box: `Snapdragon 8 Gen 3`."""
        words = self.marketing.replace("-plus", "+").split("-")
        return " ".join(word if word[:1].isdigit() else word.capitalize() for word in words)

    @property
    def names(self) -> tuple[str, ...]:
        """All that `npu_chip` knows it by."""
        return tuple(name for name in (self.soc, self.marketing, *self.phones) if name)


# Numbers, versions and memory are what Qualcomm's compiler prints about each chip. `floats` was
# tried on 2026-12-01 with onnxruntime-qnn 2.7.0: the mid-range chips refuse every float op; for
# SM8350 the compiler takes them, and its emulator's results are garbage.
_CHIPS = (
    NpuChip("SM8850", 87, "V81", 8, "snapdragon-8-elite-gen-5", ("xiaomi-17", "oneplus-15")),
    NpuChip("SM8845", 97, "V81", 8, "snapdragon-8-gen-5", ("oneplus-15r",)),
    NpuChip(
        "SM8750",
        69,
        "V79",
        8,
        "snapdragon-8-elite",
        ("galaxy-s25", "galaxy-s25-ultra", "galaxy-z-fold7", "xiaomi-15", "oneplus-13"),
    ),
    NpuChip(
        "SM8650",
        57,
        "V75",
        8,
        "snapdragon-8-gen-3",
        ("galaxy-s24", "galaxy-s24-ultra", "galaxy-z-fold6", "xiaomi-14", "oneplus-12"),
    ),
    NpuChip(
        "SM8550",
        43,
        "V73",
        8,
        "snapdragon-8-gen-2",
        ("galaxy-s23", "galaxy-s23-ultra", "galaxy-z-fold5", "xiaomi-13", "oneplus-11"),
    ),
    NpuChip(
        "SM8475",
        42,
        "V69",
        8,
        "snapdragon-8-plus-gen-1",
        ("galaxy-z-fold4", "galaxy-z-flip4", "oneplus-10t"),
    ),
    NpuChip(
        "SM8450",
        36,
        "V69",
        8,
        "snapdragon-8-gen-1",
        ("galaxy-s22", "galaxy-s22-ultra", "xiaomi-12", "oneplus-10-pro"),
    ),
    NpuChip(
        "SM8350",
        30,
        "V68",
        4,
        "snapdragon-888",
        ("galaxy-s21", "xiaomi-mi-11", "oneplus-9"),
        floats="wrong",
    ),
    NpuChip("SM8735", 85, "V73", 8, "snapdragon-8s-gen-4", ("poco-f7",), floats="refused"),
    NpuChip("SM8635", 68, "V73", 4, "snapdragon-8s-gen-3", ("poco-f6",), floats="refused"),
    NpuChip("SM7750", 86, "V73", 4, "snapdragon-7-gen-4", floats="refused"),
    NpuChip(
        "SM7675", 70, "V73", 4, "snapdragon-7-plus-gen-3", ("oneplus-nord-4",), floats="refused"
    ),
    NpuChip("SM7635", 73, "V73", 2, "snapdragon-7s-gen-3", ("nothing-phone-3a",), floats="refused"),
    NpuChip("SM7550", 64, "V73", 2, "snapdragon-7-gen-3", floats="refused"),
    NpuChip("SM7475", 54, "V69", 4, "snapdragon-7-plus-gen-2", ("poco-f5",), floats="refused"),
    NpuChip("SM6650", 74, "V73", 2, "snapdragon-6-gen-4", floats="refused"),
    NpuChip("SA8295", 39, "V68", 8, mobile=False),
    NpuChip("SA8255", 52, "V73", 8, mobile=False),
    NpuChip("QCS9100", 77, "V73", 8, mobile=False),
    NpuChip("QCS8550", 66, "V73", 8, mobile=False),
)
CHIPS = {chip.soc: chip for chip in _CHIPS}
ALL = "all"


def npu_chip(name: str) -> NpuChip:
    """The chip that people call `name`.

    Args:
        name: A SoC model (`SM8650`), a marketing name (`snapdragon-8-gen-3`) or a phone
            (`galaxy-s24`), in any case and with spaces, dashes or nothing between its words.

    Raises:
        InputError: Nothing is called so; it names the nearest that is.
    """
    known = {_key(other): chip for chip in _CHIPS for other in chip.names}
    chip = known.get(_key(name))
    if chip is None:
        names = [other for chip in _CHIPS for other in chip.names]
        raise unknown_name("NPU", name, names)
    return chip


def npu_chips(names: Sequence[str]) -> list[NpuChip]:
    """The chips called `names`, without repeats; `all` stands for every one."""
    if any(_key(name) == ALL for name in names):
        return [*_CHIPS]
    return [*dict.fromkeys(npu_chip(name) for name in names)]


def chip_numbered(soc: str) -> NpuChip:
    """The chip of a compiled file, by the SoC model that the file states."""
    if soc not in CHIPS:
        raise InputError(
            f"The file was compiled for {soc or 'no chip that it names'}, which lpie does not "
            f"know. It knows: {', '.join(CHIPS)}."
        )
    return CHIPS[soc]


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower().replace("+", "plus"))
