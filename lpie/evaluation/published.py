"""What others have published on the test sets of the suites: PSNR in dB of whole RGB images.

Gaussian noise is neither clipped nor rounded. One network is blind to sigma where its row says so.
Zhang et al., "FFDNet", IEEE TIP 2018, and "DRUNet", IEEE TPAMI 2021, whose tables hold the rows of
CBM3D (Dabov et al. 2007), DnCNN (Zhang et al. 2017) and FFDNet.
"""

from typing import NamedTuple


class Published(NamedTuple):
    """A method's published PSNR on one set: in dB by sigma in levels of 255."""

    method: str
    psnr_db: dict[float, float]


def _row(method: str, *psnr_db: float) -> Published:
    return Published(method, dict(zip((15.0, 25.0, 50.0), psnr_db, strict=True)))


PUBLISHED: dict[str, tuple[Published, ...]] = {
    "CBSD68": (_row("CBM3D", 33.52, 30.71, 27.38), _row("FFDNet", 33.87, 31.21, 27.96)),
    "Kodak24": (
        _row("CBM3D", 34.28, 31.68, 28.46),
        _row("DnCNN", 34.60, 32.14, 28.95),
        _row("FFDNet", 34.63, 32.13, 28.98),
        _row("DRUNet", 35.31, 32.89, 29.86),
    ),
    "McMaster": (_row("CBM3D", 34.06, 31.66, 28.51), _row("FFDNet", 34.66, 32.35, 29.18)),
}
