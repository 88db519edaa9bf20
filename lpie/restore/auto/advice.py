"""Which pretrained network a photo needs, and whether a network is meant for a photo.

The limits were chosen on clean photos of BSDS500, SUN and Kodak24, with noise, blur and JPEG of
known strength, and on pairs of SIDD, SICE, LOL and GoPro, with margins. No photo remained on which
they have not been tuned.
"""

from collections.abc import Callable
from typing import NamedTuple

from lpie.restore.auto.look import Look
from lpie.restore.auto.noise import Noise
from lpie.weights import tasks

# Colour noise is white when its energy falls little towards high frequencies; a camera's
# demosaicing leaves 0.3 to 0.65 of it.
_WHITE = 0.8
_LEAST_WHITE = 1.8  # levels; clean photos have up to 0.8
_LEAST_CORRELATED = 2.2  # clean phone photos have up to 2.7, which the guard's ramp makes harmless
_COLOUR_TEXTURE = 4.0  # levels of low frequencies, which one clean photo in a hundred exceeds
# Texture is grey as grain is, but has more energy at middle frequencies.
_LEAST_GREY, _GREY_WHITE = 7.0, 0.85
_DARK = 0.2  # mean luma
# Noise that says that a photo's darkness is that of its scene, or that must go first.
_DARK_CORRELATED, _DARK_WHITE = 0.5, 5.0
# A photo out of focus or enlarged has wide edges too: only surely blurred ones are deblurred.
_LEAST_WIDE_PX, _LEAST_TYPICAL_PX, _LEAST_NARROW_PX, _LEAST_EDGES = 4.8, 3.6, 3.2, 200
_MOST_NOISE_TO_DEBLUR, _BLOCKS = 0.8, 1.5
_MOST_DEBLUR = 0.7  # gains as much on blurred photos as all of it, and harms others far less


class Advice(NamedTuple):
    """What a photo needs. network: None where it is left as it is. reason: why, as a phrase."""

    network: str | None
    strength: float
    reason: str


class Verdict(NamedTuple):
    """How much of a network a photo gets, from 0 to 1; reason: why not all of it, or ""."""

    strength: float
    reason: str


def advise(look: Look) -> Advice:
    """Which pretrained network the photo needs, if any."""
    if look.too_small:
        return Advice(None, 0, "too small to tell what it needs: left as it is")
    noise = look.noise
    dark = look.mean < _DARK
    if dark and not _noise_comes_first(noise):
        return _use("lowlight", look, f"dark (mean {look.mean:.0%} of white)")
    if _is_white(noise) and noise.colour >= _LEAST_WHITE:
        return _use("denoise", look, f"noise of {_levels(noise)}, alike in all pixels")
    if _correlated(noise) >= _LEAST_CORRELATED:
        return _use("denoise-phone", look, f"noise of {_levels(noise)}, correlated between pixels")
    if _is_grey_noise(noise):
        return _use("denoise-phone", look, f"noise of {_levels(noise)}, alike in all colours")
    if dark:
        why = f"dark, with noise of {_levels(noise)} that brightening would raise"
        return Advice(None, 0, f"{why}: left as it is")
    if _is_blurred(look):
        why = f"blurred, edges of about {look.edges.wide:.0f} px"
        return _use("deblur", look, why, most=_MOST_DEBLUR)
    return Advice(None, 0, "neither noisy, dark nor blurred: left as it is")


def guard(task: str, look: Look) -> Verdict:
    """How much of a network for `task` the photo gets."""
    limits = tasks()[task]["guard"]
    value, why = _ESTIMATES[limits["estimate"]](look)
    if look.too_small or value is None:
        return Verdict(1, "")
    none, full = limits["none"], limits["full"]
    strength = min(max((value - none) / (full - none), 0.0), 1.0)
    if strength == 1:
        return Verdict(1, "")
    if strength == 0:
        return Verdict(0, f"{why}: left as it is (`force_task` runs {task} all the same)")
    return Verdict(strength, f"{why}: {strength:.0%} of {task} (`force_task` takes all of it)")


def _use(network: str, look: Look, why: str, *, most: float = 1.0) -> Advice:
    """`network`, as much of it as its own guard allows, and at most `most`."""
    strength = min(guard(network, look).strength, most)
    share = "" if strength == 1 else f"{strength:.0%} of "
    if strength == 0:
        return Advice(None, 0, f"{why}, too little for {network}: left as it is")
    return Advice(network, strength, f"{why}: {share}{network}")


def _noise_of(look: Look) -> tuple[float | None, str]:
    return _strongest(look.noise), "hardly any noise"


def _brightness_of(look: Look) -> tuple[float | None, str]:
    return look.mean, f"not dark (mean {look.mean:.0%} of white)"


def _edges_of(look: Look) -> tuple[float | None, str]:
    if not look.edges.typical:
        return None, ""
    return look.edges.typical, f"sharp, edges of about {look.edges.typical:.1f} px"


_ESTIMATES: dict[str, Callable[[Look], tuple[float | None, str]]] = {
    "noise": _noise_of,
    "brightness": _brightness_of,
    "edges": _edges_of,
}


def _is_white(noise: Noise) -> bool:
    return noise.colour >= _WHITE * _correlated(noise)


def _correlated(noise: Noise) -> float:
    """The level of correlated noise; of JPEG's, low frequencies are left, as texture has them."""
    return max(noise.colour_middle, noise.colour_low - _COLOUR_TEXTURE)


def _is_grey_noise(noise: Noise) -> bool:
    return noise.luma_floor >= _LEAST_GREY and noise.luma >= _GREY_WHITE * noise.luma_middle


def _strongest(noise: Noise) -> float:
    """The noise in levels of 255, however it is spread; grey noise is that of each channel."""
    grey = noise.luma / 3**0.5 if _is_grey_noise(noise) else 0.0
    return max(noise.colour, _correlated(noise), grey)


def _levels(noise: Noise) -> str:
    return f"about {max(round(_strongest(noise)), 1)} levels"


def _noise_comes_first(noise: Noise) -> bool:
    """Whether a dark photo has noise that must go first, or that says that its scene is dark."""
    if _is_grey_noise(noise):
        return True
    if _is_white(noise):
        return noise.colour >= _DARK_WHITE
    return _correlated(noise) >= _DARK_CORRELATED


def _is_blurred(look: Look) -> bool:
    """Whether the photo is surely blurred, and clean enough to be deblurred."""
    edges, noise = look.edges, look.noise
    wide = (
        edges.wide >= _LEAST_WIDE_PX
        and edges.typical >= _LEAST_TYPICAL_PX
        and edges.narrow >= _LEAST_NARROW_PX
    )
    clean = _strongest(noise) <= _MOST_NOISE_TO_DEBLUR and look.blockiness < _BLOCKS
    return wide and clean and edges.measured >= _LEAST_EDGES
