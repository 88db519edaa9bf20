"""Photos before and after, under a slider that cuts between them."""

import base64
import html
from collections.abc import Sequence
from pathlib import Path

import cv2
from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.image.image import read_image
from lpie.image.metrics import psnr, ssim

# A page of a few samples should still travel by mail.
_LONGEST_PX = 1024
_LARGEST_PNG_BYTES = 600_000
_JPEG_QUALITY = 90
# Below this a picture is shown at twice, thrice ... its size: one pixel as a square of pixels.
_SMALLEST_PX = 960


def slider(folder: Path, name: str) -> str:
    """Return a `<figure>` of `folder`/NAME.degraded.png against .restored.png.

    The figure compares them with .target.png too, where it exists. Pictures are cropped to 1024
    pixels around their centre, never resized; PSNR and SSIM are of the whole pictures. Raises
    `InputError` for one that is missing, damaged or of another shape.
    """
    kinds = ["degraded", "restored"]
    kinds += ["target"] if (folder / f"{name}.target.png").is_file() else []
    images = {kind: read_image(folder / f"{name}.{kind}.png") for kind in kinds}
    if len({image.shape for image in images.values()}) > 1:
        raise InputError(f"The pictures {folder / name}.*.png must have one size.")
    height, width, _ = _crop(images["restored"]).shape
    urls = dict(zip(kinds, _embed([_crop(image) for image in images.values()]), strict=True))
    label = html.escape(name)
    zoom = max(1, _SMALLEST_PX // max(height, width))
    crisp = " crisp" if zoom > 1 else ""
    return (
        f'<figure class="compare{crisp}"><div class="view" style="width: {width * zoom}px">'
        '<div class="stage">'
        f'<img src="{urls["restored"]}" alt="{label}, restored" width="{width}" height="{height}">'
        f'<img src="{urls["degraded"]}" alt="{label}, degraded" width="{width}" height="{height}">'
        '<span class="tag left">Degraded</span><span class="tag right">Restored</span></div>'
        f"{_controls(label, urls.get('target'))}</div>"
        f'<div class="facts"><figcaption>{label}</figcaption>{_scores(folder / name, images)}</div>'
        "</figure>"
    )


def _controls(label: str, target_url: str | None) -> str:
    button = (
        f'<button type="button" aria-pressed="false" data-target="{target_url}" '
        f'data-alt="{label}, target">Compare with target</button>'
    )
    return (
        '<div class="controls"><input type="range" min="0" max="100" value="50" '
        f'aria-label="Where {label} is cut">{button if target_url else ""}</div>'
    )


def _scores(path: Path, images: dict[str, NDArray]) -> str:
    if "target" not in images:
        return '<p class="note">Without a target there is nothing to measure against.</p>'
    target = images["target"]
    try:
        lines = [
            f"{kind.capitalize()}: PSNR {psnr(images[kind], target):.2f} dB, "
            f"SSIM {ssim(images[kind], target):.4f}"
            for kind in ("degraded", "restored")
        ]
    except ValueError as error:  # too small for SSIM's window
        raise InputError(f"The pictures {path}.*.png cannot be compared. {error}") from None
    return f'<p class="note">{"<br>".join(lines)}</p>'


def _crop(image: NDArray) -> NDArray:
    h, w, _ = image.shape
    top, left = max(h - _LONGEST_PX, 0) // 2, max(w - _LONGEST_PX, 0) // 2
    return image[top : top + _LONGEST_PX, left : left + _LONGEST_PX]


def _embed(images: Sequence[NDArray]) -> list[str]:
    """`images` ([H, W, 3] uint8 RGB) as data URLs: PNG, or JPEG where one PNG is too large.

    All of one kind, so that the slider compares the network's work and not JPEG's.
    """
    bgr = [cv2.cvtColor(image, cv2.COLOR_RGB2BGR) for image in images]
    kind, files = "png", [cv2.imencode(".png", image)[1] for image in bgr]
    if max(file.size for file in files) > _LARGEST_PNG_BYTES:
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        kind, files = "jpeg", [cv2.imencode(".jpg", image, options)[1] for image in bgr]
    return [f"data:image/{kind};base64,{base64.b64encode(f.tobytes()).decode()}" for f in files]
