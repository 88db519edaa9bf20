"""Denoising of saturated photos that are sharp to the pixel, which common test photos are not."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from lpie.benchmarks.reports.table import markdown
from lpie.benchmarks.studies.study import sentences
from lpie.data.augment import reduced, saturated
from lpie.image.image import list_images, read_image, to_float
from lpie.image.metrics import psnr
from lpie.restore.restorer import Restorer

SATURATION = 1.6
SIGMAS = (15, 25, 50)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("models", nargs=-1, required=True)
@click.option(
    "--clean",
    "folders",
    type=click.Path(path_type=Path),
    multiple=True,
    required=True,
    help="Folder of clean photos. Repeatable.",
)
def main(models: Sequence[str], folders: Sequence[Path]) -> None:
    """Print the mean PSNR in dB of MODELS on vivid photos with noise of sigma 15, 25 and 50.

    Each photo is cut to a square, reduced by 2, saturated 1.6 times, and its channels are
    permuted. Noise is neither clipped nor rounded; its random seed is 0.

    \b
    Example:
      python -m lpie.benchmarks.studies.vivid denoise denoise-s --clean PHOTOS
    """
    with sentences():
        photos = [vivid(read_image(path)) for folder in folders for path in list_images(folder)]
        rows = [[model, *(f"{db:.2f}" for db in scores(model, photos))] for model in models]
    click.echo(markdown(["model", *(f"sigma {sigma}" for sigma in SIGMAS)], rows))


def vivid(photo: NDArray[np.uint8]) -> NDArray[np.float32]:
    """[N, N, 3] float32 in [0, 1] of `photo` [H, W, 3]: reduced by 2, saturated, permuted."""
    h, w, _ = photo.shape
    side = min(h, w) // 2
    small = reduced(to_float(photo[: 2 * side, : 2 * side]), side)
    return np.clip(saturated(small, SATURATION), 0, 1)[..., [2, 0, 1]]


def scores(model: str, photos: Sequence[NDArray[np.float32]]) -> Iterator[float]:
    """The mean PSNR in dB of `model` on noisy `photos`, for each of `SIGMAS`."""
    restorer = Restorer(model)
    for sigma in SIGMAS:
        values = []
        for i, photo in enumerate(photos):
            noise = np.random.default_rng([0, i]).standard_normal(photo.shape, np.float32)
            restored = restorer.restore(photo + np.float32(sigma / 255) * noise)
            values.append(psnr(np.clip(restored, 0, 1), photo))
        yield float(np.mean(values))


if __name__ == "__main__":
    main()
