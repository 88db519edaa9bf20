import json
import os
import re
import subprocess
import sys
from collections import Counter

import pytest

from lpie.cli.main import COMMANDS, _flags
from lpie.cli.training.models import print_models
from lpie.errors import with_flags
from tests.conftest import ROOT, assert_one_sentence, run_lpie


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_every_help_ends_with_examples(verb):
    result = run_lpie(verb, "--help")
    assert result.returncode == 0, result.stderr
    before, _, rest = result.stdout.partition("Examples:\n")
    assert before
    assert re.search(rf"^ +lpie {verb}", rest, re.MULTILINE)
    # The page is for people; it says nothing that a program would read.
    assert ("--json" in rest) == (verb != "serve")


def test_the_verbs_named_in_help_are_those_of_the_table():
    text = " ".join(run_lpie("--help").stdout.split())  # long lines are wrapped
    for verb, (_, line) in COMMANDS.items():
        assert f"{verb} " in text
        assert line in text


def test_light_verbs_never_import_tensorflow_or_keras():
    code = (
        "import sys; from click.testing import CliRunner; from lpie.cli.main import lpie as cli\n"
        "import lpie, lpie.export, lpie.benchmarks, lpie.restore.restorer, lpie.export.delegates\n"
        "import lpie.benchmarks.bench\n"
        "import lpie.benchmarks.reports.run_page, lpie.benchmarks.reports.records_page\n"
        "import lpie.benchmarks.logs.read\n"
        "import lpie.benchmarks.records.compare, lpie.benchmarks.predict.predict\n"
        "import lpie.evaluation.evaluate\n"
        "lpie.export.check_delegate; lpie.benchmarks.benchmark; lpie.psnr; lpie.ModelSpec\n"
        f"for verb in {sorted(COMMANDS)!r}:\n"
        "    assert CliRunner().invoke(cli, [verb, '--help']).exit_code == 0, verb\n"
        "assert CliRunner().invoke(cli, ['models', '--pretrained']).exit_code == 0\n"
        "heavy = {m.split('.')[0] for m in sys.modules} & {'tensorflow', 'keras', 'jax'}\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=800)


def test_the_installed_command_is_python_m_lpie():
    script = os.path.join(os.path.dirname(sys.executable), "lpie")
    if not os.path.exists(script):
        pytest.skip("lpie is not installed in this environment")
    installed = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert installed.stdout == run_lpie("--version").stdout


@pytest.mark.parametrize("arguments", [["trian"], ["train"], ["bench"], ["restore", "--tile", "x"]])
def test_asked_wrongly_exits_with_2(arguments):
    result = run_lpie(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["exprot"], "No such command 'exprot'. Did you mean 'export'?"),
        (["quantise-aware"], "No such command 'quantise-aware'. Did you mean 'quantize-aware'?"),
        (["data", "prepair"], "No such command 'prepair'. Did you mean 'prepare'?"),
        (["xyz"], "No such command 'xyz'. Commands: train, "),
    ],
)
def test_an_unknown_verb_is_answered_with_the_nearest(arguments, answer):
    result = run_lpie(*arguments)
    assert result.returncode == 2
    assert answer in result.stderr


def test_errors_name_the_flag_that_was_typed():
    flags = _flags(["evaluate", "x", "-o", "a.json", "--limit=0"])
    assert flags["limit"] == "--limit"
    assert flags["output"] == "-o"
    assert flags["models"] == "MODEL"
    assert _flags(["data", "prepare", "x"])["patch_px"] == "--patch"
    assert _flags(["evaluate"])["output"] == "--output"
    assert _flags(["nosuch"]) == _flags([]) == {}
    message = "`limit` and `other` must be at least 1, in `lpie evaluate`."
    assert with_flags(message, flags) == message.replace("`limit`", "--limit")


def test_models_as_json_and_as_a_table(capsys):
    pytest.importorskip("keras")
    rows = json.loads(run_lpie("models", "--json").stdout)
    found = {(row["name"], *row["hyperparameters"].values()): row for row in rows}
    row = found["lpienet",]
    assert row["parameters"] == 133_652
    assert row["macs_per_pixel"] == 18_281
    assert "denoise-lpienet" in row["pretrained"]
    assert found["nafnet", "baseline"]["parameters"] == 29_056_227
    assert found["nafnet",]["receptive_field_px"] is None
    assert found["nafnet", "plain"]["halo_px"] == 352
    print_models(rows)
    shown = capsys.readouterr().out
    assert "133,652" in shown
    assert "nafnet train_size=256" in shown
    assert "Pretrained weights of lpienet: denoise-lpienet, " in shown


def test_a_wrong_setting_is_one_sentence(tmp_path):
    pytest.importorskip("keras")
    (tmp_path / "c.toml").write_text("[train]\nstep = 3\n")
    result = run_lpie("train", tmp_path / "c.toml", "--workdir", tmp_path / "run")
    assert_one_sentence(result, 2, "Did you mean 'steps'")
    assert not (tmp_path / "run").exists()


def test_a_bad_photo_stops_a_training_or_is_counted(tmp_path, astronaut):
    pytest.importorskip("keras")
    from lpie.image.image import write_image

    for name in ("a.png", "b.png", "c.png"):
        write_image(tmp_path / "photos" / name, astronaut[:64, :64])
    (tmp_path / "photos" / "b.png").write_bytes(b"no photo")
    (tmp_path / "c.toml").write_text(
        '[model]\nname = "lpienet_rt"\n'
        "hyperparameters = { widths = [8, 8], encoder_blocks = [1], middle_blocks = 1 }\n"
        '[data]\nsource = "clean"\nfolder = "photos"\npatch_px = 32\n'
        "[train]\nsteps = 1\nbatch_size = 1\n"
    )
    arguments = ["train", tmp_path / "c.toml", "--workdir", tmp_path / "run"]
    assert_one_sentence(run_lpie(*arguments), 2, "b.png is not a readable image")
    result = run_lpie(*arguments, "--skip-bad")
    assert result.returncode == 0, result.stderr
    assert "Left out:" in result.stderr
    assert "1 steps on 1 photos" in result.stdout  # a.png is held back for validation
    (tmp_path / "photos" / "a.png").write_bytes(b"no photo either")
    arguments[-1] = tmp_path / "run2"
    result = run_lpie(*arguments, "--skip-bad")
    assert_one_sentence(result, 2, "No usable photo is left to validate on")


def test_the_demo_end_to_end_with_few_steps(tmp_path):
    """Everything that `make demo` does; after so few steps the gain is too small: exit 1."""
    pytest.importorskip("tensorflow")
    few = ("--steps", 3, "--rounds", 1)
    result = run_lpie("demo", "-o", tmp_path / "demo", *few, "--json", timeout=800)
    assert result.returncode == 1, result.stderr
    assert "less than the 8 dB expected" in result.stderr
    table = json.loads(result.stdout)
    asked = [record["requested"] for record in table["bench"]["records"]]
    assert Counter((request["size"], request["mode"]) for request in asked) == {
        ("256x256", "whole"): 3,
        ("1920x1080", "whole"): 3,
        ("3840x2160", "tiles"): 1,
    }
    # The pretrained network has restored the photo by more than 10 dB before anything is trained.
    pretrained = table["pretrained"]
    assert pretrained["psnr_db"] > pretrained["degraded_psnr_db"] + 10
    for name in ("noisy.png", "restored_pretrained.png", "restored.png"):
        assert (tmp_path / "demo" / name).is_file()
    assert len(table["seconds"]) == 6
    page = (tmp_path / "demo" / "report.html").read_text()
    assert "chelsea" in page
    assert "3840x2160" in page


def test_the_smoke_config_is_valid():
    from lpie.config.config import load_config

    assert load_config(ROOT / "configs" / "smoke.toml").train.steps == 300
