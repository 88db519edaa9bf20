"""The opponent: a plain PyTorch training of LPIENet, for `lpie.benchmarks.studies.training_speed`.

Run by its path, because PyTorch may live in an environment without lpie; needs PyTorch and NumPy.
"""

import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch_lpienet import Lpienet, total_loss  # beside this file, whose folder is on the path

sys.path.append(str(Path(__file__).parents[2] / "runners"))  # there is no package to name
from run_tflite import answer_requests, read_job


def main() -> None:
    """Answers requests for steps, for a comparison with lpie, and for the computer's limits."""
    job = read_job()
    training = Training(job, job["settings"])
    batches = load_batches(training, job["batches"]) if job["batches"] else []
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"

    def reply(request: dict[str, Any]) -> dict[str, Any]:
        if "compare" in request:
            return compare(job, request["compare"])
        if "limits" in request:
            return limits(training, *batches[0])
        return take_steps(training, batches, request["steps"])

    answer_requests({"device": name, "versions": {"torch": torch.__version__}}, reply)


class Training:
    """The network with its optimizer, schedule and average, as `lpie.config.config` sets them."""

    def __init__(self, job: dict[str, Any], settings: dict[str, Any]) -> None:
        self._job, self._loss = job, settings["loss"]
        self._train = train = settings["train"]
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        last = job["layout"] == "channels_last"
        self._format = torch.channels_last if last else torch.contiguous_format
        self.net = Lpienet().to(self.device, memory_format=self._format)
        self._call = torch.compile(self.net) if job["compiled"] else self.net
        self._optimizer = torch.optim.Adam(
            self.net.parameters(), lr=train["learning_rate"], eps=1e-7, fused=True
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, self._rate)
        self.average = AveragedModel(
            self.net, multi_avg_fn=get_ema_multi_avg_fn(train["ema_momentum"])
        )

    def batch(self, image: Any) -> Any:
        """[N, H, W, 3] array to a tensor of this training's layout."""
        image = torch.from_numpy(image).permute(0, 3, 1, 2)
        image = image.contiguous(memory_format=self._format)
        return image.pin_memory() if self.device.type == "cuda" else image

    def loss(self, degraded: Any, target: Any, *, compiled: bool = True) -> Any:
        degraded = degraded.to(self.device, non_blocking=True)
        target = target.to(self.device, non_blocking=True)
        half = self._job["precision"] == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            prediction = (self._call if compiled else self.net)(degraded)
        return total_loss(self._loss, prediction.float(), target)

    def step(self, degraded: Any, target: Any) -> Any:
        self._optimizer.zero_grad(set_to_none=True)
        value = self.loss(degraded, target)
        value.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), self._train["clip_norm"])
        self._optimizer.step()
        self._schedule.step()
        self.average.update_parameters(self.net)
        return value.detach()

    def set_epsilon(self, epsilon: float) -> None:
        """Keras adds Adam's epsilon before it corrects the bias of the root, PyTorch after."""
        for group in self._optimizer.param_groups:
            group["eps"] = epsilon

    def _rate(self, step: int) -> float:
        """Linear warm-up, then a cosine, relative to the peak."""
        train = self._train
        warmup = min(train["warmup_steps"], train["steps"] // 2)
        if step < warmup:
            return step / warmup
        last = train["final_learning_rate"] / train["learning_rate"]
        done = min((step - warmup) / (train["steps"] - warmup), 1)
        return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * done))


def take_steps(training: Training, batches: list[Any], count: int) -> dict[str, Any]:
    """The seconds that `count` steps took; their losses are fetched once, as logging would."""
    start = time.perf_counter()
    values = [training.step(*batches[i % len(batches)]) for i in range(count)]
    loss = float(torch.stack(values).mean())
    return {"seconds": time.perf_counter() - start, "loss": loss}


def compare(job: dict[str, Any], path: str) -> dict[str, float]:
    """How far this loss, first gradient and averaged weights after some steps are from lpie's."""
    with np.load(path) as stored:
        theirs = {name: stored[name] for name in stored.files}
    training = Training(job, job["settings"])
    names = [name for name, _ in training.net.named_parameters()]
    start = [_ours(name, theirs["start/" + _layer(name)]) for name in names]
    with torch.no_grad():
        for weight, value in zip(training.net.parameters(), start, strict=True):
            weight.copy_(torch.from_numpy(value))
    pairs = list(zip(theirs["degraded"], theirs["target"], strict=True))
    batches = [(training.batch(degraded), training.batch(target)) for degraded, target in pairs]
    value = training.loss(*batches[0])
    value.backward()
    gradient = [w.grad.numpy(force=True) for w in training.net.parameters()]
    for number, (degraded, target) in enumerate(batches, 1):
        training.set_epsilon(1e-7 / math.sqrt(1 - 0.999**number))
        training.step(degraded, target)
    end = [w.numpy(force=True) for w in training.average.module.parameters()]
    moved = [a - b for a, b in zip(end, start, strict=True)]
    expected = [_ours(n, theirs["end/" + _layer(n)]) - s for n, s in zip(names, start, strict=True)]
    slope = [_ours(n, theirs["gradient/" + _layer(n)]) for n in names]
    return {
        "loss": abs(float(value) / float(theirs["loss"]) - 1),
        "gradient": _distance(gradient, slope),
        "weights": _distance(moved, expected),
    }


def _layer(name: str) -> str:
    """`encoder0.block1.conv0.weight` to `encoder0_block1_conv0/kernel`."""
    *layer, kind = name.split(".")
    return f"{'_'.join(layer)}/{'kernel' if kind == 'weight' else kind}"


def _ours(name: str, value: Any) -> Any:
    """A Keras array in PyTorch's order."""
    if value.ndim == 1:
        return value
    depthwise = name.endswith("depthwise.weight")
    return np.ascontiguousarray(value.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1)))


def _distance(ours: list[Any], theirs: list[Any]) -> float:
    a, b = (np.concatenate([x.ravel() for x in side]) for side in (ours, theirs))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def limits(training: Training, degraded: Any, target: Any) -> dict[str, float]:
    """Bytes that a step has to move at the least, and the bytes a second that the device copies.

    Every convolution reads its input and writes its output; for the gradient of its kernel it
    reads the input and the gradient of the output, and for that of its input it reads the one and
    writes the other: 3 (input + output) elements. All else is taken to be fused into them.
    """
    moved: list[int] = []

    def count(_: Any, inputs: Any, out: Any) -> None:
        moved.append(3 * (inputs[0].numel() + out.numel()) * out.element_size())

    hooks = [
        module.register_forward_hook(count)
        for module in training.net.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        training.loss(degraded, target, compiled=False)
    for hook in hooks:
        hook.remove()
    return {"bytes_per_step": sum(moved), "copy_bytes_per_s": _copy_rate(training.device)}


def _copy_rate(device: Any) -> float:
    """Bytes read and written a second by the fastest of some copies of 256 MiB."""
    source = torch.ones(2**28, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    rates = []
    for _ in range(10):
        _wait(device)
        start = time.perf_counter()
        target.copy_(source)
        _wait(device)
        rates.append(2 * source.numel() / (time.perf_counter() - start))
    return max(rates)


def _wait(device: Any) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def load_batches(training: Training, path: str) -> list[Any]:
    """(degraded, target) pairs out of [2, K, N, P, P, 3], in the layout of a loader's choice."""
    degraded, target = np.load(path)
    pairs = zip(degraded, target, strict=True)
    return [(training.batch(a), training.batch(b)) for a, b in pairs]


if __name__ == "__main__":
    main()
