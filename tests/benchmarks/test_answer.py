"""One sentence about records: which is faster, by how much, and whether that can be believed."""

import json

import pytest
from click.testing import CliRunner

from lpie.benchmarks.harness.suite import read_suite
from lpie.benchmarks.records.answer import answer, turns
from lpie.benchmarks.records.compare import compare_within
from lpie.benchmarks.records.record import read_records, write_records
from lpie.benchmarks.reports.record_rows import to_terminal
from lpie.benchmarks.reports.records_page import write_results
from lpie.cli.benchmark.compare import compare as command
from lpie.errors import InputError
from tests.benchmarks.test_compare import STEADY, WAVES, record, slower
from tests.conftest import ROOT

TWO = [
    record(STEADY, run="r", file="a.tflite"),
    record(slower(STEADY, 1.5), run="r", file="b.tflite"),
]


def test_the_faster_one_by_how_much_and_how_sure():
    said = answer(TWO)
    assert said.startswith("a, cpu, 4 threads takes 10 ms at 256x256 on Phone; b, cpu, 4 threads")
    assert "takes 1.5 times as long (95 % interval 1.5 to 1.5)" in said
    assert said.endswith("The rounds were measured in turns, and all agree on it.")
    assert answer(TWO[::-1]) == said


def test_what_cannot_be_believed_says_so():
    same = [record(STEADY, run="r", file=name) for name in ("a.tflite", "b.tflite")]
    assert "no difference that the rounds, measured in turns, can show" in answer(same)
    few = [record([10.0], file="a.tflite"), record([15.0], file="b.tflite")]
    assert answer(few).endswith("Too few rounds to say how sure that is: three are the least.")
    noisy = [record(WAVES, file="a.tflite"), record(slower(WAVES, 2), file="b.tflite")]
    assert "a, cpu, 4 threads is throttled: " in answer(noisy)
    assert answer([record([])]).startswith("No measurement counts: incomplete.")
    assert answer([record(STEADY)]).endswith("The 95 % interval is 9.925 to 10.07 ms.")


def test_full_hd_and_the_largest_size_come_first():
    sizes = ("512x512", "3840x2160", "1920x1080", "1024x1024")
    records = [record(STEADY, size=size) for size in sizes]
    assert " at 1920x1080 on Phone" in answer(records)
    assert " at 3840x2160 on Phone" in answer(records[:2])
    assert " at 1024x1024 on Phone" in answer([records[0], records[3]])


def test_models_in_turns_show_their_ratio_at_once():
    (line,) = turns([*TWO, record(STEADY, file="c.tflite")])
    assert line.startswith("b, cpu, 4 threads takes 1.5 times as long")
    assert "as a, cpu, 4 threads. The rounds were measured in turns" in line


def test_rows_of_one_name_are_told_apart_by_their_threads():
    other = {**TWO[0], "requested": {**TWO[0]["requested"], "threads": 2}}
    _, rows = to_terminal([*TWO, other])
    names = [row[0] for row in rows]
    assert names == [
        "a.tflite 256x256, 4 threads",
        "b.tflite 256x256",
        "a.tflite 256x256, 2 threads",
    ]


def test_one_file_of_several_records_is_compared(tmp_path):
    path = tmp_path / "two.json"
    write_records(path, TWO)
    result = CliRunner().invoke(command, [str(path), "--json"])
    (row,) = json.loads(result.stdout)["results"]
    assert (result.exit_code, row["verdict"], row["paired"]) == (1, "slower", True)
    three = [*TWO, record(STEADY, file="c.tflite")]
    assert [c.new["model"]["file"] for c in compare_within(three)] == ["b.tflite", "c.tflite"]
    write_records(path, TWO[:1])
    result = CliRunner().invoke(command, [str(path)])
    assert isinstance(result.exception, InputError)
    assert "holds one record" in str(result.exception)


def test_requests_that_differ_are_compared_by_size_and_named():
    other = [{**record(STEADY), "requested": {**TWO[0]["requested"], "threads": n}} for n in (1, 2)]
    (comparison, _) = compare_within([TWO[0], *other])
    assert comparison.old is TWO[0]
    with pytest.raises(InputError, match="No two of the 3"):
        compare_within([record(STEADY, size=size) for size in ("8x8", "16x16", "32x32")])


def test_files_of_a_folder_are_in_the_order_of_their_numbers(tmp_path):
    for size in ("1024x1024", "512x512", "1920x1080"):
        write_records(tmp_path / f"a_{size}.json", [record(STEADY, size=size)])
    sizes = [r["requested"]["size"] for r in read_records(tmp_path)]
    assert sizes == ["512x512", "1024x1024", "1920x1080"]


def test_the_page_opens_with_the_answer(tmp_path):
    write_results(TWO, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert page.index("takes 1.5 times as long") < page.index("<section")


def test_a_suite_of_another_kind_says_which_kind_is_wanted():
    with pytest.raises(InputError, match="is a suite of designs"):
        read_suite(ROOT / "benchmarks" / "suites" / "losses.toml")
