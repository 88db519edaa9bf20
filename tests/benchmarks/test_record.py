import json
import os

import pytest

from lpie.benchmarks.records.record import (
    collection,
    model_section,
    new_record,
    read_records,
    summed_round,
    timed_round,
    write_records,
)
from lpie.benchmarks.records.schema import SCHEMA, blank, check, completed
from lpie.benchmarks.records.statistics import (
    describe,
    deviation,
    interval,
    percentile,
    ratio_interval,
)
from lpie.benchmarks.records.verdict import VERDICTS, same_place
from lpie.errors import InputError
from lpie.weights import tflite_file

GPU = {"delegate": "gpu", "nodes_total": 90, "nodes_delegated": 90, "partitions": 1}
STEADY = [[10.0, 10.2, 10.1], [10.1, 10.2, 10.0], [10.0, 10.1, 10.3]]


def record(rounds=STEADY, **sections):
    return new_record(rounds=[timed_round(times) for times in rounds], **sections)


def verdict(**sections):
    return record(**sections)["verdict"]


def test_a_record_says_what_was_measured_and_null_for_the_rest():
    file = tflite_file("denoise-s")
    made = record(model=model_section(file), memory={"peak_mb": 12.5}, summary={"init_ms": 4.0})
    assert made["schema"] == SCHEMA
    assert made["verdict"] == "valid"
    assert made["why"] == ""
    assert made["model"]["bytes"] == os.path.getsize(file)
    assert made["model"]["spec"]["network"] == "lpienet_rt"
    assert made["memory"] == {**dict.fromkeys(made["memory"]), "peak_mb": 12.5}
    assert made["summary"]["median_ms"] == 10.1
    assert made["summary"]["count"] == 9
    assert made["summary"]["init_ms"] == 4.0
    assert made["summary"]["interval_ms"] == [10.1, 10.1]
    assert made["summary"]["throttling"] is None
    assert made["energy"] == {"joules": None, "unavailable": None}
    assert made["quality"] is None


def test_every_definition_can_be_blank_or_in_part():
    quality = completed({"quality": {"psnr_db": 41.0}})["quality"]
    assert quality["residual_correlation"] is None
    state = {**blank("state"), "thermal_status": 0, "battery": {"level_percent": 80}}
    made = record(state={"before": state}, profile=[{"type": "CONV_2D", "mean_ms": 1.5}])
    assert made["state"]["before"]["battery"]["charging"] is None
    assert made["profile"][0]["name"] is None


def test_without_single_runs_the_rounds_own_numbers_are_summed_up():
    rounds = [
        summed_round(count=50, median_ms=8.0, mean_ms=8.2, min_ms=7.0, max_ms=12.0, std_ms=0.5),
        summed_round(count=60, median_ms=8.4, mean_ms=8.6, min_ms=7.5, max_ms=11.0, std_ms=0.7),
    ]
    summary = new_record(rounds=rounds)["summary"]
    assert summary["count"] == 110
    assert summary["median_ms"] == pytest.approx(8.2)
    assert (summary["min_ms"], summary["max_ms"]) == (7.0, 12.0)
    assert summary["spread_ms"] == pytest.approx(0.2)
    assert summary["p99_ms"] is None  # nobody measured it


def test_statistics_by_hand():
    times = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert describe(times)["median_ms"] == 3.0
    assert describe(times)["std_ms"] == pytest.approx(2**0.5)
    assert [percentile(times, p) for p in (5, 20, 21, 90, 99)] == [1.0, 1.0, 2.0, 5.0, 5.0]
    assert percentile(range(1, 101), 95) == 95  # nearest rank
    assert deviation(times) == 1.0
    with pytest.raises(ValueError, match="`times_ms`"):
        describe([])


def test_an_interval_covers_the_median_and_repeats():
    rounds = [10.0, 10.4, 9.8, 10.1, 10.2, 9.9]
    low, high = interval(rounds)
    assert 9.8 <= low <= 10.05 <= high <= 10.4
    assert interval(rounds) == (low, high)
    assert interval(rounds[:2]) is None


def test_pairs_of_rounds_take_out_what_disturbed_both():
    slow = [10.0, 14.0, 9.0, 18.0, 11.0, 16.0]  # a machine whose clock changes
    new = [1.05 * value for value in slow]
    low, high = ratio_interval(new, slow, paired=True)
    assert low == pytest.approx(1.05)
    assert high == pytest.approx(1.05)
    wide = ratio_interval(new, slow, paired=False)
    assert wide[0] < 1 < wide[1]


@pytest.mark.parametrize(
    ("asked", "ran", "expected"),
    [
        ("gpu", GPU, "valid"),
        ("gpu-cl", GPU, "valid"),
        ("gpu-cl", {**GPU, "delegate": "gpu-gl"}, "fell_back"),
        ("gpu", {"delegate": "xnnpack"}, "fell_back"),
        ("gpu", {}, "fell_back"),  # no evidence is no GPU number
        ("gpu", {**GPU, "nodes_delegated": 80, "partitions": 3}, "fell_back"),
        ("gpu", {"delegate": "gpu", "full": False}, "fell_back"),
        ("npu", GPU, "fell_back"),
        ("cpu", {"delegate": "xnnpack", "nodes_total": 9, "nodes_delegated": 4}, "valid"),
        ("xnnpack", {"delegate": "cpu"}, "fell_back"),
        ("xnnpack", {"delegate": "xnnpack", "nodes_total": 9, "nodes_delegated": 4}, "valid"),
        (None, {}, "valid"),
    ],
)
def test_what_ran_is_compared_with_what_was_asked(asked, ran, expected):
    assert verdict(requested={"delegate": asked}, executed=ran) == expected
    if asked and expected == "valid":
        assert same_place(asked, ran["delegate"])


def test_reasons_are_told():
    ran = {"delegate": "xnnpack", "reasons": ["SPLIT: not supported"]}
    made = record(requested={"delegate": "gpu"}, executed=ran)
    assert made["why"] == "Asked for gpu; the graph ran on xnnpack. SPLIT: not supported"


def test_heat_and_noise_are_seen():
    cool, warm, hot = ({**blank("state"), "thermal_status": n} for n in (0, 1, 3))
    assert verdict(state={"before": cool, "after": cool}) == "valid"
    assert verdict(state={"before": warm, "after": warm}) == "valid"
    assert verdict(state={"before": cool, "after": warm}) == "throttled"
    assert verdict(state={"before": hot, "after": hot}) == "throttled"
    falling = record([[10.0 + i] * 3 for i in range(9)])
    assert falling["verdict"] == "throttled"
    assert falling["summary"]["throttling"] == pytest.approx(17 / 11)
    assert verdict(rounds=[[10.0] * 3, [14.0] * 3, [9.0] * 3, [13.0] * 3]) == "unstable"
    assert verdict(rounds=[[10.0, 30.0, 10.0, 22.0]]) == "unstable"
    assert verdict(rounds=[[10.0, 900.0, 10.1, 10.2, 10.0]]) == "valid"  # one interruption
    wide = summed_round(count=9, mean_ms=10.0, std_ms=3.0, min_ms=5.0, max_ms=30.0)
    assert new_record(rounds=[wide])["verdict"] == "unstable"


def test_the_worst_verdict_counts():
    fallen = {"requested": {"delegate": "gpu"}, "executed": {"delegate": "cpu"}}
    assert new_record()["verdict"] == "incomplete"
    assert (
        new_record(failed="It crashed.", incomplete="It is cut.", **fallen)["why"] == "It crashed."
    )
    assert record(incomplete="It is cut.", **fallen)["verdict"] == "incomplete"
    both = collection([record(), record(**fallen)])
    assert both["verdict"] == "fell_back"
    assert VERDICTS[0] == "valid"


def test_records_are_written_and_read_back(tmp_path):
    one, two = record(), record(run="a")
    write_records(tmp_path / "one.json", [one])
    write_records(tmp_path / "more" / "two.json", [one, two])
    (tmp_path / "other.json").write_text('{"machine": 1}')
    assert json.loads((tmp_path / "one.json").read_text()) == one
    assert read_records(tmp_path) == [one, two, one]
    with pytest.raises(InputError, match="is not a record"):
        read_records(tmp_path / "other.json")


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[" * 100_000, "null", "3", "[]", "{}", '{"schema": "lpie-bench/1"}', "\x00\xff",
        '{"schema": "lpie-bench/1", "records": 3}', '{"schema": "lpie-bench/1", "records": [null]}',
        '{"schema": "lpie-bench/9", "records": []}', "NaN", '{"a": ' + "9" * 5000 + "}",
        '{"schema": "lpie-bench/1", "records": []}',
    ],
)  # fmt: skip
def test_what_is_no_record_is_one_sentence(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as caught:
        read_records(tmp_path / "a.json")
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["verdict"], "fell back", "verdict must be one of"),
        (["summary", "median_ms"], "9", "summary.median_ms must be number or null"),
        (["summary", "median_ms"], -1.0, "must be bigger than or equal to 0"),
        (["summary", "median_ms"], 1e300, "must be smaller than or equal to"),
        (["summary", "median_us"], 9, "must not contain {'median_us'}"),
        (["rounds"], [{}], "rounds[0] must contain"),
        (["requested", "size"], "<script>", "requested.size must match pattern"),
    ],
)
def test_a_damaged_field_is_named(path, value, words):
    damaged = record()
    place = damaged
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(InputError) as caught:
        check(damaged, "a.json")
    assert words in str(caught.value)
