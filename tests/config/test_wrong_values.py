"""Every setting refuses every kind of wrong value with one sentence that names it."""

import dataclasses
import datetime
import os
import tomllib
import typing

import pytest

from lpie.config.config import Config, config_from, load_config, overridden, to_dict
from lpie.config.parse import override
from lpie.errors import InputError
from tests.conftest import SHARED


def settings(kind=Config, prefix=""):
    """(name, type, limits or None) of every setting."""
    types = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        name, of = f"{prefix}{field.name}", types[field.name]
        if dataclasses.is_dataclass(of):
            yield from settings(of, f"{name}.")
        else:
            yield name, of, field.metadata.get("limits")


SETTINGS = {name: (of, limits) for name, of, limits in settings()}
# As TOML writes them. Numbers of 5,000 digits are not valid in it, but those in hexadecimal are.
ANY = {
    "nan": "nan",
    "infinite": "-inf",
    "a date": "1979-05-27",
    "a time": "07:32:00",
    "deep": "[" * 60 + "]" * 60,
    "long": "0x" + "f" * 5000,
    "a table": "{a.b.c = {d = [1]}}",
    "an escape": '"\\u001b[31m\\u0000"',
    "a long text": '"' + "x" * 9000 + '"',
    "a list of all": '[1, "a", true, 1.5, [1], {a = 1}]',
    "1e400": "1e400",
}
BY_TYPE = {
    int: ["1.5", "true", '"7"', "[1]", "-1", "99999999999999999999", "1e30"],
    float: ["true", '"7"', "[1.0]", "-1", "1e300", "99999999999999999999"],
    str: ["1", "true", "[]", "1.5"],
    bool: ["0", "1", '"true"', "[]"],
    dict: ["1", '"a"', "true", "[]"],
    tuple: ["true", '"a-"', "{}", "[[[]]]", "[true, true]", '[1, "b"]', "[1, 2, 3, 4]", "-1"],
}
# Any text is the name of a folder or of a network, and that there is none is found out later.
FREE = {"an escape", "a long text"}


def kind_of(of):
    origin = typing.get_origin(of)
    return str if origin is typing.Literal else origin or of


@pytest.mark.parametrize("name", SETTINGS)
def test_every_wrong_value_is_one_sentence_that_names_the_setting(name):
    of, limits = SETTINGS[name]
    cases = [*ANY.values(), *BY_TYPE[kind_of(of)]]
    if limits:
        cases += [f"{limits[0] - 1}", f"{limits[1] * 2 + 1}"]
    for text in cases:
        if name == "model.hyperparameters" and text == ANY["a table"]:
            continue  # no network has it, which the network says
        for source in ("file", "--set"):
            assert_named(name, text, source)


def assert_named(name, text, source):
    section, _, key = name.rpartition(".")
    try:
        if source == "file":
            config_from(tomllib.loads(f"[{section}]\n{key} = {text}"))
        else:
            overridden({}, [f"{name}={text}"])
    except InputError as error:
        sentence = str(error)
        assert name in sentence, (text[:60], sentence)
        assert len(sentence) < 600, (text[:60], sentence)
        assert sentence.isprintable(), (text[:60], sentence)
    else:
        pytest.fail(f"{name} = {text[:60]} is taken from {source}")


@pytest.mark.parametrize("name", SETTINGS)
def test_an_unknown_key_names_the_nearest(name):
    key = name.rpartition(".")[2]
    with pytest.raises(InputError, match=f"Did you mean '{key}'"):
        overridden({}, [f"{name}z=1"])


def test_the_defaults_and_the_limits_themselves_are_taken():
    assert config_from(to_dict(Config())) == Config()
    for name, (of, limits) in SETTINGS.items():
        if limits and of is int and name not in ("train.batch_size", "data.patch_px"):
            overridden({}, [f"{name}={limits[0]}"])
    config = overridden({}, ["train.seed=4294967295", "train.steps=1_000_000_000"])
    assert config.train.seed == 2**32 - 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["train.batch_size=65536", "data.patch_px=4096"], "at most 2,147,483,648 pixels together"),
        (["train.progressive=[[5, 1000000, 1000000]]"], "pixels together"),
        (["train.progressive=[[-5, 32, 1]]"], "of first steps in 0 to"),
        (["train.progressive=[[5, 32, 4]"], "--set train.progressive must be a value as TOML"),
        (["train.steps=3\ntrain = 2"], "train.steps must be a whole number"),
        (["model.hyperparameters.a=1979-05-27"], "model.hyperparameters.a must be text, true"),
        (["model.hyperparameters.a=nan"], "model.hyperparameters.a must be text, true"),
        (["model.hyperparameters.a=99999999"], "a number within 1,000,000. Received: 99999999."),
        (["model.name=" + "a" * 5000], "model.name must be text of at most 4,096"),
        (["a.b=1"], "Unknown setting a"),
        (["\x1b[31m.b=1"], r"Unknown setting \x1b[31m"),
        ([".=1"], "Unknown setting "),
        (["=1"], "--set takes SECTION.KEY=VALUE. Received: '=1'."),
    ],
)
def test_combinations_and_slips_of_the_pen(changes, words):
    with pytest.raises(InputError) as error:
        overridden({}, changes)
    assert words in str(error.value)
    assert str(error.value).isprintable()


def test_values_that_python_hands_over_are_checked_alike():
    for value in (datetime.date(2026, 12, 1), 10**6000, object(), b"x"):
        with pytest.raises(InputError, match=r"train\.steps must be"):
            config_from({"train": {"steps": value}})


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("[train]\nsteps = 2".encode("utf-16"), "is in UTF-16. Save it as UTF-8."),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is no text in UTF-8 (byte 0). Is it another file?"),
        (b"[train]\nsteps = 2\nsteps = 3", "is not valid TOML: Cannot overwrite a value"),
        (b"[train]\nsteps = 2\n[train]\nseed = 1", "Cannot declare ('train',) twice"),
        (b"a=" + b"[" * 1000 + b"]" * 1000, "is not valid TOML: it is nested too deeply."),
        (b"[train]\nsteps = " + b"9" * 5000, "is not valid TOML: Exceeds the limit"),
        (b"a." * 400_000 + b"b = 1", "is not valid TOML: a key has too many parts"),
        (b"a." * 30 + b"b = 1", "Unknown setting a; its name 'a'"),
        (b"\x1b[31m = 1", "is not valid TOML"),
        (b'"\\u001b[31m" = 1', "Unknown setting \\x1b[31m"),
        (b"train = [1]", "train must be a section of keys. Received: [1]."),
    ],
)
def test_a_file_that_is_no_config_is_one_sentence(tmp_path, data, words):
    path = tmp_path / "c.toml"
    path.write_bytes(data)
    with pytest.raises(InputError) as error:
        load_config(path)
    assert words in str(error.value)
    assert str(error.value).isprintable()


def test_a_folder_a_pipe_and_a_device_are_no_config(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path, words in ((tmp_path, "folder"), (tmp_path / "pipe", "pipe"), ("/dev/zero", "device")):
        with pytest.raises(InputError, match=words):
            load_config(tmp_path / path)


def test_an_empty_file_has_the_defaults(tmp_path):
    (tmp_path / "c.toml").write_bytes(b"")
    assert load_config(tmp_path / "c.toml") == Config()


def test_the_files_of_the_cases():
    if not SHARED.is_dir():
        pytest.skip("no ../shared beside this clone")
    with pytest.raises(InputError, match="nested too deeply"):
        load_config(SHARED / "cases/hostile/deep1000.toml")
    assert load_config(SHARED / "cases/training/bom.toml").train.steps == 2


def test_a_setting_of_200_mb_is_refused_at_once():
    with pytest.raises(InputError, match=r"--set takes at most 100,000 characters. Received: 200,"):
        override({}, "train.steps=" + "x" * 200_000_000)
