"""The model that the Android demo is built with, in place of the one that it comes with."""

import json
from pathlib import Path

from lpie.errors import InputError
from lpie.system.files import write_atomic
from lpie.tflite.spec import spec_path

ASSETS = Path("app/src/main/assets")


def check_app(folder: Path) -> None:
    """Refuse a `folder` that does not hold the source of the Android demo."""
    if not (folder / "app/src/main/AndroidManifest.xml").is_file():
        raise InputError(
            f"--into-app takes the folder android_demo of a clone of lpie. Received: {folder}."
        )


def put_into_app(model: Path, folder: Path) -> Path:
    """Copy `model` and its spec into the assets of the app in `folder`; the copy of the model."""
    scale = json.loads(spec_path(model).read_text()).get("scale", 1)
    if scale != 1:
        raise InputError(
            f"The app returns photos of their own size, and {model} enlarges {scale} times. "
            f"Restore with it on a computer: lpie restore {model} PHOTO."
        )
    copy = folder / ASSETS / "model.tflite"
    # The spec names the model's digest: between the two writes the app would refuse the pair.
    write_atomic(copy, model.read_bytes())
    write_atomic(spec_path(copy), spec_path(model).read_bytes())
    return copy
