"""Transfer curves: how a photo's values become light, from its ICC profile or its code points."""

import struct
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Function = Callable[[NDArray], NDArray]
# A curve that differs by less from that of sRGB is what the networks know.
ALIKE = 0.01
# Diffuse white in PQ (ITU-R BT.2408), and the scene light at 75 % of the HLG signal, its white.
PQ_WHITE_NITS, HLG_WHITE = 203.0, 0.2654
# The colorants of sRGB's profile, adapted to D50.
SRGB_XYZ = {
    b"rXYZ": (0.43607, 0.22249, 0.01392),
    b"gXYZ": (0.38515, 0.71687, 0.09708),
    b"bXYZ": (0.14307, 0.06061, 0.71410),
}


@dataclass(frozen=True)
class Curve:
    """From values in [0, 1] to light (1: white), and back; both rise."""

    decode: Function
    encode: Function

    def to_srgb(self, values: NDArray) -> NDArray:
        """Values of this curve as those of sRGB's, clipped to [0, 1]."""
        return srgb_encode(np.clip(self.decode(values), 0, 1))

    def from_srgb(self, values: NDArray) -> NDArray:
        """The inverse of `to_srgb` inside [0, 1]."""
        return self.encode(srgb_decode(values))


def srgb_decode(values: NDArray) -> NDArray:
    """Light of sRGB values in [0, 1] (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb_encode(light: NDArray) -> NDArray:
    """sRGB values of light in [0, 1]."""
    return np.where(
        light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0) ** (1 / 2.4) - 0.055
    )


def gamma(exponent: float) -> Curve | None:
    """The curve value ** exponent, or None where it is that of sRGB."""
    if not 0.1 <= exponent <= 10:
        return None
    return _unless_srgb(
        Curve(
            lambda values: np.maximum(values, 0) ** exponent,
            lambda light: np.maximum(light, 0) ** (1 / exponent),
        )
    )


def of_code_point(code: int) -> Curve | None:
    """The curve of an ITU-T H.273 TransferCharacteristics, None where it is shown as sRGB is."""
    known = {16: Curve(_pq_decode, _pq_encode), 18: Curve(_hlg_decode, _hlg_encode)}
    return known.get(code) or gamma({4: 2.2, 5: 2.8, 8: 1.0, 17: 2.6}.get(code, 0))


def of_profile(icc: bytes) -> Curve | None:
    """The curve of an ICC profile of RGB or grey; None where it is sRGB's or cannot be told."""
    try:
        tags = _tags(icc)
        if b"cicp" in tags:
            return of_code_point(tags[b"cicp"][9])
        for name in (b"gTRC", b"kTRC"):
            if name in tags:
                return _unless_srgb(_curve(tags[name]))
    except (struct.error, IndexError, ValueError, ArithmeticError):
        pass  # a damaged profile is carried along but says nothing
    return None


def is_srgb(icc: bytes) -> bool:
    """Whether an ICC profile means sRGB, or grey with its curve."""
    try:
        tags = _tags(icc)
        kind = icc[16:20]
        if kind == b"GRAY":
            return b"kTRC" in tags and of_profile(icc) is None
        primaries = [struct.unpack_from(">3i", tags[name], 8) for name in SRGB_XYZ]
        near = np.abs(np.array(primaries) / 65536 - list(SRGB_XYZ.values())).max() < 0.005
        return kind == b"RGB " and b"gTRC" in tags and of_profile(icc) is None and bool(near)
    except (struct.error, KeyError, IndexError):
        return False


def _unless_srgb(curve: Curve | None) -> Curve | None:
    if curve is None:
        return None
    values = np.linspace(0, 1, 257)
    with np.errstate(all="ignore"):
        mapped, there = curve.to_srgb(values), curve.encode(curve.decode(values))
    if not np.isfinite(mapped).all() or np.abs(there - values).max() > 0.01:
        return None  # it cannot be undone
    return None if np.abs(mapped - values).max() < ALIKE else curve


def _tags(icc: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", icc, 128)
    tags = {}
    for at in range(132, 132 + 12 * min(count, 200), 12):
        name, start, length = struct.unpack_from(">4sII", icc, at)
        tags[name] = icc[start : start + length]
    return tags


def _curve(tag: bytes) -> Curve | None:
    if tag[:4] == b"curv":
        return _sampled_curve(tag)
    if tag[:4] == b"para":
        return _parametric_curve(tag)
    return None


def _sampled_curve(tag: bytes) -> Curve | None:
    (count,) = struct.unpack_from(">I", tag, 8)
    if count < 2:
        return gamma(struct.unpack_from(">H", tag, 12)[0] / 256 if count else 1.0)
    table = np.frombuffer(tag, ">u2", count, 12) / 65535
    grid = np.linspace(0, 1, count)
    if np.any(np.diff(table) < 0) or table[-1] <= table[0]:
        return None
    return Curve(
        lambda values: np.interp(values, grid, table), lambda light: np.interp(light, table, grid)
    )


def _parametric_curve(tag: bytes) -> Curve | None:
    """ICC.1:2022, table 68: (a x + b) ** g + e from d on, c x + f below."""
    (kind,) = struct.unpack_from(">H", tag, 8)
    numbers = [n / 65536 for n in struct.unpack_from(f">{(1, 3, 4, 5, 7)[kind]}i", tag, 12)]
    usual = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    g, a, b, c, d, e, f = numbers + usual[len(numbers) :]
    if kind in (1, 2):
        d, e, f, c = -b / a, c * (kind == 2), c * (kind == 2), 0.0
    if kind == 0:
        return gamma(g)
    if g <= 0 or a <= 0:
        return None
    knee = (max(a * d + b, 0)) ** g + e

    def decode(values: NDArray) -> NDArray:
        return np.where(values >= d, np.maximum(a * values + b, 0) ** g + e, c * values + f)

    def encode(light: NDArray) -> NDArray:
        above = (np.maximum(light - e, 0) ** (1 / g) - b) / a
        return np.where(light >= knee, above, (light - f) / c if c else 0.0)

    return Curve(decode, encode)


def _pq_decode(values: NDArray) -> NDArray:
    """SMPTE ST 2084."""
    power = np.maximum(values, 0) ** (1 / 78.84375)
    nits = (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578)
    return 10000 / PQ_WHITE_NITS * nits


def _pq_encode(light: NDArray) -> NDArray:
    power = np.maximum(light * PQ_WHITE_NITS / 10000, 0) ** 0.1593017578
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def _hlg_decode(values: NDArray) -> NDArray:
    """ARIB STD-B67."""
    high = (np.exp((np.maximum(values, 0.5) - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return np.where(values <= 0.5, values**2 / 3, high) / HLG_WHITE


def _hlg_encode(light: NDArray) -> NDArray:
    scene = np.maximum(light * HLG_WHITE, 0)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)
