"""What users of earlier versions call, type and have on disk still works."""

import importlib
import inspect
import json
import shutil

import click
import pytest

from tests.conftest import ROOT

GOLDEN = ROOT / "tests" / "golden" / "compatibility"
NAMES = json.loads((GOLDEN / "public_names.json").read_text())
FLAGS = json.loads((GOLDEN / "flags.json").read_text())


def accepts(function, parameters, *, ignore=()):
    signature = inspect.signature(function).parameters
    if any(each.kind is inspect.Parameter.VAR_KEYWORD for each in signature.values()):
        return
    missing = [name for name in parameters if name not in signature and name not in ignore]
    assert not missing, f"{function} no longer takes {missing}"


@pytest.mark.parametrize("name", sorted(NAMES))
def test_public_names_take_what_they_took(name):
    home, _, attribute = name.rpartition(".")
    facts, thing = NAMES[name], getattr(importlib.import_module(home), attribute)
    assert inspect.isclass(thing) == (facts["kind"] == "class")
    if "bases" in facts:
        assert facts["bases"] == [base.__name__ for base in thing.__mro__[1:-2]]
        return
    accepts(thing, facts["parameters"])
    for member, parameters in facts.get("members", {}).items():
        assert hasattr(thing, member) or member in thing.__dataclass_fields__
        if parameters is not None:
            accepts(getattr(thing, member), parameters)


def command(words):
    from lpie.cli.main import lpie

    found = lpie
    for word in words.split():
        found = found.get_command(click.Context(found), word)
        assert found is not None, words
    return found


@pytest.mark.parametrize("verb", sorted(FLAGS))
def test_old_flags_are_still_taken(verb):
    options = {
        flag
        for parameter in command(verb).params
        if isinstance(parameter, click.Option)
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }
    assert not set(FLAGS[verb]["options"]) - options


def test_old_config_keys_are_still_taken():
    from lpie.config.config import config_from, to_dict

    old = json.loads((GOLDEN / "config_0.1.json").read_text())
    new = to_dict(config_from(json.loads((GOLDEN / "config_0.1.json").read_text())))
    for section, values in old.items():
        for key, value in values.items():
            if key == "degrade":
                assert {k: new[section][key][k] for k in value} == value
            else:
                assert new[section][key] == value


def test_an_old_record_is_still_read(tmp_path):
    from lpie.benchmarks.records.schema import check
    from tests.conftest import run_lpie

    record = GOLDEN / "record_0.1.json"
    check(json.loads(record.read_text()), record.name)
    result = run_lpie("compare", record, record)
    assert result.returncode == 0, result.stderr
    result = run_lpie("report", record, "-o", tmp_path / "page.html")
    assert result.returncode == 0, result.stderr


def test_a_run_begun_by_an_older_lpie_goes_on(tmp_path):
    pytest.importorskip("keras")
    from lpie.training.trainer import train

    shutil.copytree(GOLDEN / "run_0.1", tmp_path / "run")
    before = json.loads((GOLDEN / "run_0.1" / "expected.json").read_text())
    after = train(tmp_path / "run" / "config.toml", tmp_path / "run", progress=False)
    assert after["steps"] == before["steps"]
    assert after["psnr_db"] == pytest.approx(before["psnr_db"], abs=0.01)
