"""What a model's tensors need on a GPU, against the limits that phones have.

The GPU delegates keep a tensor as PHWC4: slices of four channels, one below the other in a texture
of width W and height H * ceil(C / 4), whatever its type in the file. Read in LiteRT's
common/task/tensor_desc.cc:1419-1588 and cl/environment.cc:192-253 (2026-11-20).
"""

import math
from dataclasses import dataclass

from lpie.tflite.cost import live_bytes
from lpie.tflite.model import Tensor, TfliteModel

HALF_BYTES = 2
TEXTURE_ROWS = 16_384  # CL_DEVICE_IMAGE2D_MAX_HEIGHT of most phones
OPENGL_BYTES = 128 * 2**20  # of one buffer
ALLOCATION_BYTES = 2**30  # CL_DEVICE_MAX_MEM_ALLOC_SIZE of most phones


@dataclass(frozen=True)
class GpuMemory:
    """Tensors in float16, in 10^6 bytes.

    `live_mb` is the most that they hold at once, in the file's order of ops, were none fused;
    `largest_mb` is the largest. Of `tensors`, `untextured` are too high for a texture and become
    slower buffers, `untextured_turned` would be with width and height exchanged; `beyond_opengl`
    are more than an OpenGL buffer holds, and of `beyond_allocation` any stops OpenCL too.
    """

    live_mb: float
    largest_mb: float
    tensors: int
    untextured: int
    untextured_turned: int
    beyond_opengl: int
    beyond_allocation: int


def gpu_memory(model: TfliteModel) -> GpuMemory:
    """The memory of `model`, of fixed size, on a phone's GPU."""
    written = {t.index for op in model.ops for t in op.outputs if not t.stored}
    taken = {tensor.index for tensor in model.inputs}
    tensors = [model.tensors[i] for i in sorted(written | taken)]
    sizes = [_bytes(tensor) for tensor in tensors]
    rows = [_rows(tensor) for tensor in tensors]
    return GpuMemory(
        live_mb=live_bytes(model, _bytes) / 1e6,
        largest_mb=max(sizes, default=0) / 1e6,
        tensors=len(tensors),
        untextured=sum(high > TEXTURE_ROWS for high, _ in rows),
        untextured_turned=sum(high > TEXTURE_ROWS for _, high in rows),
        beyond_opengl=sum(size > OPENGL_BYTES for size in sizes),
        beyond_allocation=sum(size > ALLOCATION_BYTES for size in sizes),
    )


def _image(tensor: Tensor) -> tuple[int, int, int, int]:
    """(batch, height, width, slices of four channels); what lacks dimensions lacks the first."""
    shape = [max(n, 1) for n in tensor.shape]
    if len(shape) == 2:
        shape = [shape[0], 1, 1, shape[1]]
    *_, batch, height, width, channels = [1] * 4 + shape
    return batch, height, width, math.ceil(channels / 4)


def _bytes(tensor: Tensor) -> int:
    return math.prod(_image(tensor)) * 4 * HALF_BYTES


def _rows(tensor: Tensor) -> tuple[int, int]:
    """The texture's height as the image lies, and turned."""
    _, height, width, slices = _image(tensor)
    return height * slices, width * slices
