"""The commands of the guides, run in their order in a new folder, as somebody who reads them does.

Every block of a guide is run, but for those below a comment `<!-- not run: why -->`.
"""

import pytest

from tests import pasted
from tests.conftest import ROOT

GUIDES = ["benchmark.md"]
# Words that make a command short here; nothing else about it is different.
SHORTER = {"bench": ["--rounds=1", "--seconds=0", "--warmup-seconds=0"]}
PYTHON_SHORTER = 'sizes=["256x256"]', 'sizes=["64x64"], rounds=1, seconds=0'


@pytest.mark.parametrize("guide", GUIDES)
def test_commands_work_in_their_order(guide, tmp_path):
    folder = pasted.set_up(tmp_path / "pasted")
    for line, language, code, why in pasted.blocks(ROOT / "docs" / "guides" / guide):
        if why or language not in ("sh", "python"):
            continue
        for command in [code] if language == "python" else pasted.commands(code):
            result = _run(command, language, folder)
            where = f"{guide}, block of line {line}: {command}"
            assert pasted.worked(result, command), f"{where}\n{result.stderr[-2000:]}"


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
