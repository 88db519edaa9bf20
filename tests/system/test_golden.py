"""The files that lpie and the Android app are both held to are what lpie computes."""

import json

import pytest

from tests.golden_numbers import FOLDER, golden


@pytest.mark.parametrize("name", sorted(golden()))
def test_is_what_lpie_computes(name: str) -> None:
    stored = json.loads((FOLDER / name).read_text())
    assert stored == json.loads(json.dumps(golden()[name])), "see tests/golden_numbers.py"


def test_no_file_is_left_over() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == set(golden())
