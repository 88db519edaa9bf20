"""The delegates by name, each with its own table of rules as data.

Read 2026-11-20 in google-ai-edge/LiteRT at f67457790; each rule names the file it comes from. An
op that has no row is refused. None of it has been tried on a phone. The tests compare the verdicts
of XNNPACK with the interpreter and those of ML Drift with LiteRT's accelerator on a GPU.
"""

from collections.abc import Mapping

from lpie.export.delegates import conditions as c
from lpie.export.delegates import gpu, mldrift, nnapi, xnnpack
from lpie.export.delegates.rule import Delegate

DELEGATES: Mapping[str, Delegate] = {
    "gpu": Delegate(gpu.GRAPH, gpu.GPU_RULES),
    "gpu-gl": Delegate(gpu.GL_KERNELS, gpu.GL_RULES),
    "mldrift": Delegate(mldrift.SOURCE, mldrift.RULES),
    **{f"nnapi-{n}": Delegate(nnapi.SOURCE, nnapi.NNAPI_RULES, level=n) for n in range(27, 32)},
    # XNNPACK takes ranks up to 6.
    "xnnpack": Delegate(xnnpack.SOURCE, xnnpack.XNNPACK_RULES, everywhere=(c.fixed_shape,)),
}
