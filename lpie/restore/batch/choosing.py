"""Which network each photo of a batch gets, and how much of it, with the reason."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from numpy.typing import NDArray

from lpie.errors import InputError
from lpie.image.photo import Photo
from lpie.restore.auto.advice import advise, guard
from lpie.restore.auto.look import look_at
from lpie.restore.restorer import Restorer
from lpie.weights import AUTO, is_name, pretrained

if TYPE_CHECKING:
    from pathlib import Path

    import keras

    from lpie.restore.network import ImageModel


class Choice(NamedTuple):
    """What one photo gets.

    restorer: None where the photo is left as it is. strength: the share of the network's change.
    network: the name of a pretrained network, "" of others. note: why, as a phrase; "" where a
    network runs as it was asked for.
    """

    restorer: Restorer | None
    strength: float = 1.0
    network: str = ""
    note: str = ""


class Chooser(Protocol):
    """Chooses for each photo; `scale` and `reason` are those of `Restorer`."""

    scale: int
    reason: str

    def choose(self, photo: Photo) -> Choice:
        """What `photo` gets."""
        ...

    def close(self) -> None:
        """Free the memory of the networks."""
        ...


def chooser_of(
    model: "Restorer | keras.Model | ImageModel | Path | str", *, force_task: bool, **options: Any
) -> Chooser:
    """Who chooses for `model`: "auto", a pretrained network with its guard, or any other network.

    force_task: whether a pretrained network runs without its guard. options: of `Restorer`.
    """
    name = str(model) if isinstance(model, str) and is_name(model) else ""
    if force_task and (name == AUTO or name not in pretrained()):
        raise InputError(
            "`force_task` runs a pretrained network on photos that it is not meant for. Received: "
            f"{model if isinstance(model, str) else 'a network'} as the model, which "
            f"{'chooses by itself' if name == AUTO else 'has no guard'}: omit it."
        )
    if name == AUTO:
        return _Auto(options)
    restorer = model if isinstance(model, Restorer) else Restorer(model, **options)
    return _Guarded(restorer, name) if name and not force_task else _Fixed(restorer, name)


class _Fixed:
    """One network for all photos, without a question."""

    def __init__(self, restorer: Restorer, name: str) -> None:
        self._restorer, self._name = restorer, name
        self.scale, self.reason, self.close = restorer.scale, restorer.reason, restorer.close

    def choose(self, photo: Photo) -> Choice:
        """The network as it is."""
        return Choice(self._restorer, network=self._name)


class _Guarded(_Fixed):
    """A pretrained network, which leaves photos alone that it is not meant for."""

    def choose(self, photo: Photo) -> Choice:
        """The network, by less strength where the photo needs little of it."""
        verdict = guard(pretrained()[self._name]["task"], look_at(shown(photo)))
        restorer = self._restorer if verdict.strength > 0 else None
        return Choice(restorer, verdict.strength, self._name, verdict.reason)


class _Auto:
    """The pretrained network that a photo needs; one is open at a time."""

    scale, reason = 1, ""

    def __init__(self, options: dict[str, Any]) -> None:
        self._open: Callable[[str], Restorer] = lambda name: Restorer(name, **options)
        self._restorers: dict[str, Restorer] = {}

    def choose(self, photo: Photo) -> Choice:
        """The network, or none, by what the photo shows."""
        advice = advise(look_at(shown(photo)))
        if advice.network is None:
            return Choice(None, note=advice.reason)
        for name, other in self._restorers.items():
            if name != advice.network:
                other.close()
        if advice.network not in self._restorers:
            self._restorers[advice.network] = self._open(advice.network)
        restorer = self._restorers[advice.network]
        return Choice(restorer, advice.strength, advice.network, advice.reason)

    def close(self) -> None:
        """Free the memory of all networks."""
        for restorer in self._restorers.values():
            restorer.close()


def shown(photo: Photo) -> NDArray:
    """The first picture of `photo` as a network sees it, [H, W, 3]."""
    picture = next(picture for picture in photo.pictures if not picture.mask)
    return picture.rgb()
