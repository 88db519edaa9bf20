"""That a PyTorch training does the same work as lpie's, before their times are compared."""

from pathlib import Path

from lpie.benchmarks.studies.contestants import Contestant, start, write_batches
from lpie.config.config import Config, TrainConfig
from lpie.errors import LpieError

# Largest relative difference between lpie and PyTorch on equal weights: of the loss, of its
# gradient, and of the way that the averaged weights go in some steps. Rounding gave up to 4e-6,
# 1e-4 and 2e-4; without the clipping the last is 0.3.
TOLERANCES = {"loss": 1e-4, "gradient": 1e-3, "weights": 1e-2}
# A short run with every part of the optimizer at work: clipping, warm-up, decay, average.
CHECKED = Config(train=TrainConfig(steps=20, warmup_steps=2, clip_norm=0.1, ema_momentum=0.5))


def check_equal_work(backends: list[str], files: Path, torch_python: str) -> dict[str, float]:
    """How far PyTorch's loss, gradient and weights are from lpie's; an `LpieError` if too far."""
    first = next(name for name in backends if name != "torch")
    batches = write_batches(files / "checked.npy", patch_px=32, batch_size=2)
    reference = str(files / "reference.npz")
    with start(Contestant(first), CHECKED, batches) as child:
        child.ask({"reference": reference})
    rival = Contestant("torch", layout="channels_last")
    with start(rival, CHECKED, batches, torch_python=torch_python) as child:
        found = child.ask({"compare": reference})
    for what, most in TOLERANCES.items():
        if not found[what] <= most:
            raise LpieError(
                f"PyTorch does other work than lpie on {first}: its {what} differs by "
                f"{found[what]:.2g}, and {most:g} is allowed. Nothing was timed."
            )
    return found
