"""A `.tflite` that restores images as the NPU of a chip does, on its maker's emulator."""

from pathlib import Path

from lpie.errors import InputError
from lpie.npu.chips import NpuChip
from lpie.npu.compile import LIMIT_S, compile_for
from lpie.npu.context import chip_of
from lpie.npu.emulate import NpuSession
from lpie.npu.tools import npu_tools
from lpie.restore.tflite_network import TfliteNetwork
from lpie.restore.tile_policy import Budget, Plan, plan_of_grid
from lpie.size import Size
from lpie.tflite.model import TfliteModel
from lpie.weights import tflite_file

# The emulator takes seconds for it: larger tiles would save little of the halo.
TILE_PX = 512


class NpuNetwork(TfliteNetwork):
    """A `.tflite` on Qualcomm's emulator (a `lpie.restore.network.Network`).

    The file is compiled for the chip at the size of the tiles. One that is compiled already runs by
    tiles of its own size.

    Args:
        path: The file, or the name of a pretrained network.
        chip: The chip.
        limit_s: The compiler is ended after so many seconds, and so is each run of the emulator.

    Raises:
        InputError: It is no `.tflite` of images, or compiled for another chip, or the emulator is
            missing.
    """

    def __init__(self, path: Path | str, chip: NpuChip, *, limit_s: float = LIMIT_S) -> None:
        npu_tools()
        file = tflite_file(path)
        if file.suffix != ".tflite":
            raise InputError(f"--npu is for a .tflite. Received: {file}. Run lpie export first.")
        self._chip, self._limit_s = chip, limit_s
        super().__init__(file, 1, "ai-edge-litert")

    def _check_runs_here(self, model: TfliteModel) -> None:
        """A compiled file runs on the emulator of its own chip."""
        if model.compiled_for_npu and chip_of(model) != self._chip:
            raise InputError(
                f"{model.name} is compiled for {chip_of(model)}. Received: --npu {self._chip.soc}."
            )

    def plan(self, size: Size, budget: Budget, *, tile_px: int | None) -> Plan:
        """How to go over a photo of `size` by one emulator."""
        return plan_of_grid(self, size, budget, tile_px or TILE_PX)

    def open(self, plan: Plan) -> None:
        """Compile the file for the plan's tiles, unless it is open for them already."""
        wanted = (plan.tile, 1, 1)
        if self._opened == wanted:
            return
        self.close()
        model = self.model
        if not model.compiled_for_npu:
            tile = model.resized(plan.tile)
            model = compile_for(tile, self._chip, limit_s=self._limit_s).model(model.name)
        self._sessions.put(NpuSession(model, limit_s=self._limit_s))
        self._opened = wanted
