import json

import pytest
from click.testing import CliRunner

from lpie.benchmarks.records.compare import compare
from lpie.benchmarks.records.record import new_record, timed_round, write_records
from lpie.cli.benchmark.compare import compare as command
from lpie.errors import InputError
from tests.conftest import ROOT

STEADY = [10.0, 10.1, 9.9, 10.05, 9.95, 10.0]
WAVES = [10.0, 14.0, 9.0, 18.0, 11.0, 16.0]


def record(medians, *, run="", file="a.tflite", size="256x256", serial="S", **more):
    asked = {"delegate": "cpu", "size": size, "threads": 4}
    rounds = [timed_round([m, m * 1.001, m * 0.999]) for m in medians]
    device = {"serial": serial, "model": "Phone"}
    return new_record(
        rounds=rounds, run=run or None, model={"file": file}, device=device, requested=asked, **more
    )


def verdict(old, new, **options):
    (comparison,) = compare([old], [new], **options)
    return comparison.verdict


def slower(medians, ratio):
    return [ratio * median for median in medians]


def test_a_change_counts_when_its_whole_interval_is_beyond_the_threshold():
    assert verdict(record(STEADY), record(STEADY)) == "same"
    assert verdict(record(STEADY), record(slower(STEADY, 1.03))) == "same"
    assert verdict(record(STEADY), record(slower(STEADY, 1.2))) == "slower"
    assert verdict(record(STEADY), record(slower(STEADY, 1.03)), threshold=0.01) == "slower"
    assert verdict(record(STEADY), record(slower(STEADY, 0.8))) == "faster"
    assert verdict(record(STEADY), record(slower(STEADY, 1.05))) == "undecided"


def test_rounds_in_turns_see_what_noise_hides():
    old, new = record(WAVES), record(slower(WAVES, 1.1))
    assert verdict(old, new) == "undecided"
    old, new = record(WAVES, run="r"), record(slower(WAVES, 1.1), run="r")
    (comparison,) = compare([old], [new])
    assert (comparison.verdict, comparison.paired) == ("slower", True)
    assert comparison.interval == pytest.approx((1.1, 1.1))


def test_one_round_is_compared_by_its_ratio():
    (comparison,) = compare([record([10.0])], [record([12.0])])
    assert (comparison.verdict, comparison.interval) == ("slower", None)
    assert comparison.ratio == pytest.approx(1.2)


def test_records_are_matched_by_what_was_asked():
    old = [record(STEADY, file=name) for name in ("a.tflite", "b.tflite")]
    new = [record(slower(STEADY, 2), file="b.tflite"), record(STEADY, file="c.tflite")]
    (comparison,) = compare(old, new)
    assert comparison.old["model"]["file"] == "b.tflite"
    with pytest.raises(InputError, match="No record of B matches"):
        compare(old, new[1:])


def test_a_mismatch_is_refused_unless_it_is_to_be_ignored():
    for other in (record(STEADY, size="512x512"), record(STEADY, serial="T")):
        with pytest.raises(InputError, match=r"differ: .* and .* Add --ignore-mismatch"):
            compare([record(STEADY)], [other])
        assert verdict(record(STEADY), other, ignore_mismatch=True) == "same"


def test_what_is_no_measurement_is_named():
    fell = record(STEADY, executed={"delegate": "cpu"})
    fell = {**fell, "verdict": "fell_back", "why": "The graph ran on cpu."}
    (comparison,) = compare([record(STEADY)], [fell])
    assert (comparison.verdict, comparison.ratio) == ("invalid", None)
    assert comparison.why == "B is fell back: The graph ran on cpu."


def test_the_command_exits_with_1_on_a_regression(tmp_path):
    write_records(tmp_path / "a.json", [record(STEADY)])
    write_records(tmp_path / "b.json", [record(slower(STEADY, 1.2))])
    a, b = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    codes = [CliRunner().invoke(command, files).exit_code for files in ([a, a], [a, b], [b, a])]
    assert codes == [0, 1, 0]
    assert CliRunner().invoke(command, [a, b, "--threshold", "0.3"]).exit_code == 0
    result = json.loads(CliRunner().invoke(command, [a, b, "--json"]).output)
    assert result["regression"] is True
    assert result["results"][0]["verdict"] == "slower"
    text = CliRunner().invoke(command, [a, b]).output
    assert "a.tflite, 256x256, cpu, 4 threads" in text
    assert "1.200" in text


def test_the_old_name_of_ignore_mismatch_still_works(tmp_path):
    write_records(tmp_path / "a.json", [record(STEADY)])
    write_records(tmp_path / "b.json", [record(STEADY, serial="T")])
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    flags = ([], ["--ignore-mismatch"], ["--anyway"])
    codes = [CliRunner().invoke(command, [*files, *flag]).exit_code for flag in flags]
    assert codes == [1, 0, 0]
    assert "--anyway" not in CliRunner().invoke(command, ["--help"]).output


def test_a_record_of_plain_bench_before_it_had_a_serial_is_paired():
    old = json.loads((ROOT / "tests" / "golden" / "compatibility" / "record_0.1.json").read_text())
    new = json.loads(json.dumps(old))
    new["device"]["serial"], new["requested"]["delegate"] = "host", "xnnpack"
    other = json.loads(json.dumps(new))
    other["requested"]["size"] = "96x64"
    (comparison,) = compare([old], [new, other])
    assert comparison.verdict == "same"
