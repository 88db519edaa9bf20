"""The commands of the guides, run in their order in a new folder, as somebody who reads them does.

Every block of a guide is run, but for those below a comment `<!-- not run: why -->`. Where a guide
lists alternatives later on, only its opening is run: what comes before its first heading.
"""

import re

import pytest

from tests import pasted
from tests.conftest import ROOT

GUIDES = ["benchmark.md", "own-network.md"]
# Words that make a command short here; nothing else about it is different.
SHORTER = {
    "bench": ["--rounds=1", "--seconds=0", "--warmup-seconds=0"],
    "train": ["--set=train.steps=2", "--set=train.batch_size=2", "--set=train.warmup_steps=1"],
}
PYTHON_SHORTER = 'sizes=["256x256"]', 'sizes=["64x64"], rounds=1, seconds=0'
FOLDER = ROOT / "docs" / "guides"
OPENING = ["restore.md"]
NEEDS_A_RUN = "runs/smoke"  # which takes minutes to train


def steps(guide):
    """(line, language, command) of what is run of a guide."""
    text = (FOLDER / guide).read_text()
    heading = re.search(r"^## ", text, re.MULTILINE)
    opening = text[: heading.start()].count("\n") if heading else len(text)
    for line, language, code, why in pasted.blocks(FOLDER / guide):
        if why or language not in ("sh", "python") or (guide in OPENING and line > opening):
            continue
        for command in [code] if language == "python" else pasted.commands(code):
            if NEEDS_A_RUN not in command:
                yield line, language, command


@pytest.mark.parametrize("guide", [g for g in OPENING + GUIDES if (FOLDER / g).exists()])
def test_commands_work_in_their_order(guide, tmp_path):
    folder = pasted.set_up(tmp_path / "pasted")
    ran = 0
    for line, language, command in steps(guide):
        result = _run(command, language, folder)
        where = f"{guide}, block of line {line}: {command}"
        assert pasted.worked(result, command), f"{where}\n{result.stderr[-2000:]}"
        ran += 1
    assert ran


def _run(command, language, folder):
    if language == "python":
        return pasted.paste_python(command.replace(*PYTHON_SHORTER), folder)
    words = command.split()
    more = SHORTER.get(words[1], ()) if words[0] == "lpie" and "|" not in command else ()
    return pasted.paste(command.replace("512x512", "64x64"), folder, *more)


def test_what_is_not_run_says_why(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "Text\n\n```sh\nlpie a  # why\npip install x\nlpie b \\\n  c\n```\n"
        "<!-- not run: needs a phone -->\n```sh\nlpie d\n```\n"
    )
    first, second = pasted.blocks(page)
    assert pasted.commands(first[2]) == ["lpie a", "lpie b c"]
    assert (first[3], second[3]) == (None, "needs a phone")
