"""The exact rewrites by name: which target needs them, and why. Loads no TensorFlow."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from lpie.errors import unknown_name

if TYPE_CHECKING:
    import keras

Target = Literal["cpu", "gpu", "nnapi"]


@dataclass(frozen=True)
class Rewrite:
    """A rewrite: the function `name` of the module `home`, from a network to an equal one.

    targets: which of them ask for it; the others can by its name. Sources: see
    `lpie.export.delegates`.
    """

    name: str
    home: str
    targets: tuple[Target, ...]
    why: str


# In the order in which they are applied: a mean is merged where it can be, else exchanged. For
# `cpu` only what `python -m lpie.benchmarks.studies.export.rewrites` measured not to be slower: at
# 512x512 on one core of an AMD EPYC with other work (2026-11-22), LPIENet in float32; the median
# ratio of the times, and that of the fastest runs, stand in brackets. int8 files lose next to
# nothing: LPIENet with ReLU has 34.5 dB in its residual as it is, 34.7 for `gpu` and 34.4 for
# `nnapi`.
REWRITES = (
    Rewrite(
        "fold_linear",
        "lpie.export.rewrites.convolutions",
        ("cpu", "gpu", "nnapi"),
        "One convolution in the place of two, where that takes no more multiply-adds (0.90, 0.93 "
        "on six pairs of 16 channels). The converter folds the factors of channels by itself.",
    ),
    Rewrite(
        "merge_rank_one",
        "lpie.export.rewrites.convolutions",
        ("gpu",),
        "A mean over channels and its 1x1 convolutions: a kernel and a map less, and OpenGL has "
        "no channel mean (gl/kernels/mean.cc). More products: not for a CPU.",
    ),
    Rewrite(
        "split_concatenation",
        "lpie.export.rewrites.convolutions",
        ("cpu", "gpu"),
        "No map of twice the channels (0.93, 0.88): at 4K LPIENet's, of 32, is higher than the "
        "16384 rows of most GPUs' textures (common/task/tensor_desc.cc).",
    ),
    Rewrite(
        "mean_by_convolution",
        "lpie.export.rewrites.layers",
        ("gpu",),
        "OpenGL averages height and width only (gl/kernels/mean.cc), and the delegate fails "
        "(1.03, 0.96).",
    ),
    Rewrite(
        "max_by_halves",
        "lpie.export.rewrites.layers",
        ("gpu",),
        "OpenGL has no shader for REDUCE_MAX (gl/kernels/registry.cc), and the delegate fails "
        "(1.06, 1.09). XNNPACK has no int8 MAXIMUM: many partitions on a CPU.",
    ),
    Rewrite(
        "upsample_by_means",
        "lpie.export.rewrites.layers",
        ("nnapi",),
        "NNAPI takes RESIZE_BILINEAR with half-pixel centres from API 30 on only "
        "(nnapi_delegate.cc; 1.14, 1.09).",
    ),
)


def chosen_rewrites(target: str | None, names: Sequence[str] = ()) -> tuple[Rewrite, ...]:
    """The rewrites for `target`, and those called `names`; an `InputError` for an unknown one."""
    if target is not None and target not in get_args(Target):
        raise unknown_name("target", target, get_args(Target))
    known = {rewrite.name: rewrite for rewrite in REWRITES}
    for name in names:
        if name not in known:
            raise unknown_name("rewrite", name, known)
    return tuple(r for r in REWRITES if target in r.targets or r.name in names)


def rewritten(
    model: "keras.Model", rewrites: Sequence[Rewrite]
) -> tuple["keras.Model", tuple[str, ...]]:
    """`model` after `rewrites`, and the names of those that changed it."""
    applied = []
    for rewrite in rewrites:
        twin = getattr(importlib.import_module(rewrite.home), rewrite.name)(model)
        if twin is not model:
            applied.append(rewrite.name)
        model = twin
    return model, tuple(applied)
