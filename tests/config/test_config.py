from pathlib import Path

import pytest

from lpie.config.config import Config, config_from, load_config, to_dict
from lpie.config.parse import differences
from lpie.errors import InputError


def test_a_file_lists_only_what_differs(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text("[train]\nsteps = 7\n[data.degrade]\nnoise_sigma = [0, 55]\n")
    config = load_config(path, ["train.seed=3", "data.source=clean", "data.folder=photos"])
    assert config.train.steps == 7
    assert config.train.seed == 3
    assert config.data.degrade.noise_sigma == (0.0, 55.0)
    assert config.data.folder == str(Path("photos").resolve())
    assert config.train.batch_size == Config().train.batch_size


def test_folders_are_taken_from_where_they_are_written(tmp_path, monkeypatch):
    path = tmp_path / "configs" / "c.toml"
    path.parent.mkdir()
    path.write_text(
        '[data]\nsource = "clean"\nfolder = "photos"\n[train]\ninitial_weights = "../runs/a"\n'
    )
    monkeypatch.chdir(tmp_path)
    config = load_config(path, ["data.validation_folder=photos"])
    assert config.data.folder == str(tmp_path / "configs" / "photos")
    assert config.data.validation_folder == str(tmp_path / "photos")
    assert config.train.initial_weights == str(tmp_path / "runs" / "a")
    assert load_config(path, ["train.initial_weights=denoise"]).train.initial_weights == "denoise"


def test_json_round_trip_and_differences():
    config = config_from({"train": {"steps": 7}, "data": {"degrade": {"noise_sigma": 10}}})
    assert config_from(to_dict(config)) == config
    found = differences(to_dict(Config()), to_dict(config))
    assert [line.split()[0] for line in found] == ["data.degrade.noise_sigma", "train.steps"]
    assert "(20000 there, 7 now)" in found[1]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[train]\nstep = 7", "Did you mean 'steps'"),
        ("[trian]\nsteps = 7", "Did you mean 'train'"),
        ("[train]\nsteps = 'seven'", r"train\.steps must be a whole number. Received: 'seven'"),
        ("[train]\nsteps = true", "train.steps must be a whole number. Received: True"),
        ("[train]\nsteps = 0", "train.steps must be at least 1. Received: 0"),
        ("train = 3", "train must be a section"),
        (
            "[train]\nprecision = 'bfloat16'\nquantization_aware = true",
            "train.precision must be float32 with train.quantization_aware",
        ),
        ("[data]\nsource = 'builtn'", "Did you mean 'builtin'"),
        ("[data]\nsource = 'clean'", "data.folder must be set"),
        ("[data.degrade]\nnoise_sigma = [1, 2, 3]", r"two numbers \[low, high\]"),
        ("[train]\naccumulate = 0", "train.accumulate must be at least 1. Received: 0"),
        ("[data]\npatch_px = 8", "data.patch_px must be at least 16. Received: 8"),
        ("[train]\nprogressive = [[5, 8, 4]]", "train.progressive must be of patches of at"),
        ("[train]\nprogressive = 5", "train.progressive must be a list. Received: 5"),
        ("[data]\nsource = 3", "data.source must be text. Received: 3"),
        ("[model]\nhyperparameters = 3", "model.hyperparameters must be a section"),
        ("[train]\nfinal_learning_rate = -1", "train.final_learning_rate must be at least 0"),
        (
            "[loss]\nssim = 0\nl1 = 0\ngradient = 0",
            "loss must be of at least one weight above 0. Received: all weights 0",
        ),
        ("[loss]\nl1 = -1", r"loss\.l1 must be at least 0\. Received: -1\.0\."),
        ("[train\n", "is not valid TOML"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=words):
        load_config(path)


@pytest.mark.parametrize("override", ["steps=3", "train.steps", "train.steps.more=1"])
def test_a_wrong_override_is_one_sentence(tmp_path, override):
    path = tmp_path / "c.toml"
    path.write_text("[train]\nsteps = 3")
    with pytest.raises(InputError, match="--set"):
        load_config(path, [override])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.toml does not exist"):
        load_config(tmp_path / "gone.toml")
