"""The recipes: which stages an export runs, how numbers are stored, how far the result may stray.

A recipe is data: "where is the network equalized?" is answered by its `stages`, whose functions
are in `export/pipeline.py` under the same names. Recipes are called as in ai-edge-quantizer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from lpie.errors import unknown_name

Number = Literal["float32", "float16", "int8", "int16", "uint16"]
Stage = Literal[
    "rewrite",
    "choose_tile",
    "calibrate",
    "equalize",
    "gptq",
    "convert",
    "mix",
    "fold_elu",
    "narrow_ranges",
    "set_io",
    "resize",
    "refuse_foreign_ops",
    "add_sizes",
    "verify",
    "make_unsigned",
    "write",
]

# What every export begins and ends with.
BEGIN: tuple[Stage, ...] = ("rewrite", "choose_tile")
END: tuple[Stage, ...] = ("resize", "refuse_foreign_ops", "add_sizes", "verify", "write")


@dataclass(frozen=True)
class Recipe:
    """One way to store and compute a network.

    budget: the least that `verify` accepts. options: the fields of `ExportRequest` that this recipe
    takes beside those that every recipe has. needs_pairs: it is tuned on photos whose ground truth
    is known. needs_qat: the network was fine-tuned by `lpie quantize-aware`.
    """

    name: str
    summary: str
    stages: tuple[Stage, ...]
    weights: Number
    activations: Number
    budget: dict[str, float]
    options: tuple[str, ...] = ("hardware_target", "rewrites")
    aliases: tuple[str, ...] = ()
    needs_pairs: bool = False
    needs_qat: bool = False

    @property
    def npu_budget(self) -> dict[str, float]:
        """The least that is accepted of an NPU, which computes floats in float16."""
        return {key: min(least, NPU_FLOAT[key]) for key, least in self.budget.items()}

    @property
    def static(self) -> bool:
        """Whether activations are integers, whose ranges are chosen beforehand on photos."""
        return self.activations in ("int8", "int16", "uint16")

    @property
    def fully_quantized(self) -> bool:
        """Whether every op should compute in integers: what stays in float is worth telling."""
        return self.static and "mix" not in self.stages


def _budget(psnr_db: float, correlation: float) -> dict[str, float]:
    return {
        "output_psnr_db": psnr_db,
        "residual_psnr_db": psnr_db,
        "residual_correlation": correlation,
    }


# Of the residual of `denoise` the emulator of an SM8650 kept 56 dB (2026-12-01).
NPU_FLOAT = _budget(40, 0.999)
INT8: tuple[Stage, ...] = (
    *BEGIN,
    "calibrate",
    "equalize",
    "gptq",
    "convert",
    "fold_elu",
    "narrow_ranges",
    "set_io",
    *END,
)

# `lpie demo` measured 141, 78 and 40 dB of output PSNR for float32, float16 and int8 (2026-11-21).
# One kernel out of order in an export and it stays below each budget (tests/export/test_export.py).
ALL = (
    Recipe(
        "float32",
        "weights and activations in float32",
        (*BEGIN, "convert", *END),
        "float32",
        "float32",
        _budget(90, 0.99999),
    ),
    Recipe(
        "float16",
        "float16 weights: half the size; GPUs compute in it",
        (*BEGIN, "convert", *END),
        "float16",
        "float32",
        _budget(50, 0.999),
    ),
    Recipe(
        "dynamic_wi8_afp32",
        "int8 weights, float32 activations: small, for CPUs",
        (*BEGIN, "calibrate", "gptq", "convert", *END),
        "int8",
        "float32",
        _budget(35, 0.99),
    ),
    Recipe(
        "static_wi8_ai8",
        "int8 weights and activations; takes and returns uint8",
        INT8,
        "int8",
        "int8",
        _budget(30, 0.95),
        options=("hardware_target", "rewrites", "io"),
        aliases=("int8",),
    ),
    Recipe(
        "qat_int8",
        "int8, of a run of `lpie quantize-aware`",
        INT8,
        "int8",
        "int8",
        _budget(30, 0.95),
        options=("io",),
        needs_qat=True,
    ),
    Recipe(
        "mixed",
        "int8, with the most sensitive layers in float, so that\n"
        "at most --max-drop dB are lost on --pairs",
        (*BEGIN, "calibrate", "equalize", "gptq", "mix", *END),
        "int8",
        "int8",
        _budget(30, 0.95),
        options=("hardware_target", "rewrites", "max_drop_db"),
        needs_pairs=True,
    ),
    Recipe(
        "static_wi8_ai16",
        "int8 weights, int16 activations; slow on CPUs, and NPUs\ntake the recipe npu instead",
        (*BEGIN, "calibrate", "gptq", "convert", *END),
        "int8",
        "int16",
        _budget(35, 0.99),
    ),
    Recipe(
        "static_wi8_au16",
        "int8 weights, uint16 activations, for Qualcomm's NPUs\n"
        "alone: loses 0.02 dB, also where the NPU has no floats",
        (*BEGIN, "calibrate", "gptq", "convert", *END[:-1], "make_unsigned", END[-1]),
        "int8",
        "uint16",
        _budget(35, 0.99),
        aliases=("npu",),
    ),
)
RECIPES: Mapping[str, Recipe] = {
    name: recipe for recipe in ALL for name in (recipe.name, *recipe.aliases)
}


def find_recipe(name: str) -> Recipe:
    """The recipe called `name`, or that has it as an alias; an `InputError` names the nearest."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]
