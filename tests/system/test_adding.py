"""The recipes of CONTRIBUTING.md, followed in a copy of the packages: what they add works."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SKIP = shutil.ignore_patterns("__pycache__", "*.npz", "*.tflite", "build")


class Copy:
    """A copy of the packages that Python imports instead of the installed ones."""

    def __init__(self, folder):
        self.folder = folder
        shutil.copytree(ROOT / "lpie", folder / "lpie", ignore=SKIP)
        for package in ("export", "benchmarks"):
            shutil.copytree(ROOT / package, folder / "lpie" / package, ignore=SKIP)
        for path in (ROOT / "lpie").rglob("*"):
            if path.suffix in (".npz", ".tflite"):
                (folder / path.relative_to(ROOT)).symlink_to(path)

    def write(self, path, text):
        (self.folder / path).write_text(text)

    def insert(self, path, before, text):
        """Put `text` in front of the only place where `before` stands."""
        old = (self.folder / path).read_text()
        assert old.count(before) == 1, f"{before!r} in {path}"
        self.write(path, old.replace(before, text + before))

    def run(self, *arguments, **variables):
        result = subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            text=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(self.folder), **variables},
            timeout=800,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture
def copy(tmp_path):
    copy = Copy(tmp_path)
    assert str(tmp_path) in copy.run("-c", "import lpie.export; print(lpie.export.__file__)")
    return copy


def test_a_phone(copy):
    copy.insert(
        "lpie/benchmarks/predict/phones.toml",
        "[soc.tensor-g3]\n",
        '[soc.mine]\nphones = ["my-phone"]\ngpu_tflops = 1.0\ngpu_source = "assumed"\n'
        'gb_per_s = 50.0\nmemory_source = "assumed"\n\n',
    )
    told = copy.run("-m", "lpie", "predict", "denoise-s", "--phone", "my-phone", "--json")
    assert '"my-phone"' in told or '"mine"' in told


def test_a_verb(copy):
    copy.write(
        "lpie/cli/mine.py",
        'import click\n\n\n@click.command()\ndef mine() -> None:\n    """Say so."""\n'
        '    click.echo("It works.")\n',
    )
    row = '    "mine": ("lpie.cli.mine", "Say that it works."),\n'
    copy.insert("lpie/cli/main.py", '    "restore": (', row)
    assert "Say that it works." in copy.run("-m", "lpie", "--help")
    assert copy.run("-m", "lpie", "mine") == "It works.\n"


def test_a_degradation(copy):
    copy.write(
        "lpie/data/degrade/mine.py",
        "from dataclasses import dataclass\n\n"
        "from lpie.data.degrade.degradation import Degradation, Range, degradation, setting\n\n\n"
        '@degradation("mine")\n@dataclass(frozen=True)\nclass Mine(Degradation):\n'
        "    darkness: Range = setting((0.5, 0.5), 0, 1)\n\n"
        "    def apply(self, image, rng):\n        return image * self.darkness[0]\n",
    )
    config = "lpie/config/degrade.py"
    imported = "from lpie.data.degrade.blur.motion_blur import MotionBlur\n"
    copy.insert(config, imported, "from lpie.data.degrade.mine import Mine\n")
    copy.insert(config, "    EightBits,\n", "    Mine,\n")
    program = (
        "import numpy as np\nfrom lpie.config.config import config_from\n"
        "table = {'kinds': ['mine'], 'darkness': [0.25, 0.25]}\n"
        "config = config_from({'data': {'degrade': table}})\n"
        "image = np.ones((2, 2, 3), np.float32)\n"
        "print(config.data.degrade.apply(image, np.random.default_rng(0)).mean())\n"
    )
    assert float(copy.run("-c", program)) == 0.25


def test_a_delegate_rule(copy):
    gpu = "lpie/export/delegates/gpu.py"
    row = '    "CONV_2D": _gpu(6,'
    text = (copy.folder / gpu).read_text()
    assert text.count(row) == 1
    copy.write(gpu, text.replace(row, '    "CONV_2D": _gpu(0,'))
    program = (
        "from lpie.export import check_delegate\nfrom lpie.weights import tflite_file\n"
        "verdict = check_delegate(tflite_file('denoise-s'), 'gpu')\n"
        "print({refusal.op for refusal in verdict.refused})\n"
    )
    assert copy.run("-c", program) == "{'CONV_2D'}\n"


def test_a_recipe(copy):
    row = (
        "    Recipe(\n"
        '        "mine", "float32, verified less strictly",\n'
        '        (*BEGIN, "convert", *END), "float32", "float32", _budget(80, 0.999),\n'
        "    ),\n"
    )
    copy.insert("lpie/export/recipes.py", '    Recipe(\n        "float16",', row)
    assert "verified less strictly" in copy.run("-m", "lpie", "export", "--help")
    program = "from lpie.export import ExportRequest; print(ExportRequest(recipe='mine').recipe)"
    assert copy.run("-c", program) == "mine\n"


def test_a_network(copy):
    copy.write(
        "lpie/models/mine.py",
        "from lpie.backend import keras\n\n\ndef mine(*, width: int = 8) -> keras.Model:\n"
        "    image = keras.Input((None, None, 3))\n"
        '    x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(image)\n'
        '    x = keras.layers.Conv2D(3, 3, padding="same")(x)\n'
        "    return keras.Model(image, image + x)\n",
    )
    row = '    "mine": Network("lpie.models.mine:mine", "by me"),\n'
    copy.insert("lpie/models/__init__.py", '    "lpienet": Network(', row)
    program = "import lpie; print(lpie.build_model('mine', width=4).count_params())"
    count = copy.run("-c", program, KERAS_BACKEND="numpy")  # which is imported the fastest
    assert count == f"{(27 * 4 + 4) + (36 * 3 + 3)}\n"


def test_the_default_loss(copy):
    config = "lpie/config/config.py"
    text = (copy.folder / config).read_text()
    assert text.count("    ssim: float = setting(1.0,") == 1
    copy.write(
        config, text.replace("    ssim: float = setting(1.0,", "    ssim: float = setting(0.5,")
    )
    program = "from lpie.config.config import config_from; print(config_from({}).loss.ssim)"
    assert copy.run("-c", program) == "0.5\n"
