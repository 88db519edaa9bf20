import csv
import datetime
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import lpie
from lpie.benchmarks.records.record import new_record, timed_round, write_records
from lpie.benchmarks.reports.chart import (
    Bar,
    Series,
    bar_chart,
    front,
    line_chart,
    scatter_chart,
    ticks,
)
from lpie.benchmarks.reports.record_rows import to_csv, to_markdown
from lpie.benchmarks.reports.records_page import write_results
from lpie.benchmarks.reports.run_page import write_report
from lpie.cli.benchmark.report import report
from lpie.errors import InputError
from lpie.image.image import to_uint8, write_image
from lpie.image.metrics import psnr

NASTY = "<script>alert(1)</script>"
SECTIONS = ("samples", "curves", "quality", "exports", "latency", "configuration")
SCORES = {"psnr_db": 27.3, "ssim": 0.79, "degraded_psnr_db": 20.2, "degraded_ssim": 0.3}
CONFIG = {
    "model": {"name": "lpienet", "hyperparameters": {"width": 8}},
    "data": {"source": "builtin", "degrade": {"kinds": ["gaussian_noise"]}},
    "loss": {"ssim": 1.0},
    "train": {"steps": 400},
}
SPEC = {
    "network": "lpienet",
    "recipe": "int8",
    "width": 1920,
    "height": 1080,
    "file": "a.tflite",
    "file_bytes": 260_000,
    "sha256": "ab" * 32,
    "input_dtype": "float32",
    "verified": {
        "passed": True,
        "output_psnr_db": None,
        "residual_psnr_db": 41.04,
        "residual_correlation": 0.9991,
        "budget": {"output_psnr_db": 40},
    },
}
DEVICE = {"cpu": "Some CPU", "cores": 2}
ASKED = {"delegate": "cpu", "size": "1920x1080", "mode": "whole", "threads": 2}


def timed(times=(640.5, 611.0, 702.0), **sections):
    base = {"model": {"file": "a.tflite"}, "device": DEVICE, "requested": ASKED}
    return new_record(rounds=[timed_round(times)], **{**base, **sections})


BENCH = [timed(), new_record(failed="It needs 9 GB of memory.", requested=ASKED, device=DEVICE)]


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    _write(folder / "config.json", CONFIG)
    return folder


@pytest.fixture
def full(bare: Path) -> Path:
    training = [{"step": s, "loss": 1 / s, "parts": {"ssim": 0.5 / s}} for s in range(50, 401, 50)]
    validation = [{"step": s, **SCORES} for s in (200, 400)]
    (bare / "log.jsonl").write_text("".join(json.dumps(r) + "\n" for r in training + validation))
    _write_samples(bare / "samples", "astronaut")
    images = [{"name": "one.png", **SCORES}]
    _write(bare / "evaluation.json", {"source": "photos", "model": "m", **SCORES, "images": images})
    _write(bare / "exports" / "a.spec.json", SPEC)
    write_records(bare / "bench.json", BENCH)
    return bare


def test_the_page_has_every_section_and_loads_nothing_from_elsewhere(full: Path) -> None:
    page = _page(full)
    for section in SECTIONS:
        assert f'id="{section}"' in page
    assert "$" not in re.sub(r"base64,[\w+/=]+", "", page)
    assert not re.search(r"https?://|<link|@import|url\(|<script src", page)
    assert all(s.startswith("data:image/") for s in re.findall(r'(?:src|href)="([^"]*)"', page))
    assert 'class="missing"' not in page


def test_the_summary_and_the_tables_hold_the_numbers_of_the_files(full: Path) -> None:
    page = _page(full)
    assert "lpienet raises PSNR by 7.10 dB, from 20.20 to 27.30 dB, on photos." in page
    for shown in (
        "one.png",
        "∞",
        "41.0",
        "0.9991",
        "output_psnr_db ≥ 40",
        "640.5",
        "Some CPU",
        "It needs 9 GB of memory.",
        "data.degrade.kinds",
        "260.0",
    ):
        assert shown in page
    assert f"Written by lpie {lpie.__version__} on 2026-11-21." in page
    assert page.count("<svg") == 4  # loss, PSNR, SSIM, and the one size that was not refused


def test_a_page_is_about_its_run_not_about_a_pretrained_network_beside_it(full: Path) -> None:
    better = {**SCORES, "psnr_db": 39.9}
    beside = {"source": "photos", "model": "denoise", **better, "images": []}
    _write(full / "evaluation.json", {"source": "photos", "model": "x/run", **SCORES, "images": []})
    _write(full / "evaluation-a.json", beside)  # first in the order of names
    page = _page(full)
    assert "lpienet raises PSNR by 7.10 dB, from 20.20 to 27.30 dB, on photos." in page
    assert "39.90" in page


def test_every_section_has_its_headline_and_every_verdict_its_tooltip(full: Path) -> None:
    page = _page(full)
    headlines = re.findall(r'<p class="headline"><strong>(.*?)</strong>', page)
    assert headlines == ["+7.10 dB", "27.30 dB", "0.790", "260 kB", "640 ms"]
    tips = re.findall(r'role="tooltip">(.*?)</span>', page)
    assert len(tips) == 3  # of the export and of two records
    assert tips[0].endswith("It must reach output_psnr_db ≥ 40.")
    assert tips[1].startswith("The delegate that was asked for ran the whole graph")
    assert tips[2].endswith("It needs 9 GB of memory.")


def test_the_scores_under_a_picture_are_those_of_its_files(full: Path) -> None:
    degraded, _, target = _write_samples(full / "samples", "astronaut")
    assert f"Degraded: PSNR {psnr(degraded, target):.2f} dB" in _page(full)


def test_a_missing_part_says_how_to_make_it(bare: Path) -> None:
    page = _page(bare)
    assert page.count('class="missing"') == len(SECTIONS) - 1
    assert f"No export yet. Run: <code>lpie export {bare} --recipe float16 --size fhd" in page
    assert "its quality has not been measured yet" in page


def test_nothing_from_a_file_becomes_markup(full: Path) -> None:
    nasty_row = {key: NASTY for key in [*SCORES, "name", "file", "verified", "size"]}
    _write(full / "config.json", {"model": {"name": NASTY, NASTY: NASTY}})
    _write(full / "evaluation.json", {"source": NASTY, **nasty_row, "images": [nasty_row]})
    _write(full / "exports" / "a.spec.json", nasty_row)
    write_records(full / "bench.json", nasty_records())
    _write_samples(full / "samples", "a<script>$x")
    row = {"step": 1, "parts": {NASTY: 0.5}, "loss": float("nan")}
    (full / "log.jsonl").write_text(json.dumps(row))
    page = _page(full)
    assert page.count("<script>") == 1  # the page's own
    assert "&lt;script&gt;" in page


def test_a_corrupt_log_line_is_named_but_a_cut_last_one_ignored(bare: Path) -> None:
    log = bare / "log.jsonl"
    good = '{"step": 50, "loss": 0.5}\n'
    log.write_text(good + '{"step": 100, "lo')
    assert _page(bare).count("<svg") == 1
    digits = "9" * 400
    for bad in ('{"step": 100, "lo', f'{{"step": {digits}}}', '{"step": true}', "[" * 99_999):
        log.write_text(f"{good}{bad}\n{good}")
        with pytest.raises(InputError, match=r"log\.jsonl, line 2 "):
            _page(bare)


def test_what_is_no_run_or_is_damaged_is_refused_by_name(full: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not a run: it holds no config\.json"):
        write_report(tmp_path / "nowhere", tmp_path / "page.html")
    (full / "bench.json").write_text("[1, 2")
    with pytest.raises(InputError, match=r"bench\.json is not valid JSON"):
        _page(full)
    _write(full / "bench.json", {"machine": {}, "results": []})
    with pytest.raises(InputError, match=r"bench\.json is not a record of lpie-bench/1"):
        _page(full)
    _write(full / "evaluation.json", {"images": 3})
    with pytest.raises(InputError, match=r"'images' must be a list"):
        _page(full)


def test_large_pictures_are_cropped_and_sent_as_jpeg(bare: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    for kind in ("degraded", "restored"):
        write_image(bare / "samples" / f"x.{kind}.png", noise)
    page = _page(bare)
    assert page.count("data:image/jpeg") == 2
    assert 'width="1024" height="900"' in page
    assert "Compare with target</button>" not in page  # there is no target


def test_the_command_writes_once_and_prints_json(full: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    arguments = [str(full), "-o", str(out), "--json"]
    first, second, third = (
        CliRunner().invoke(report, [*arguments, *more]) for more in ([], [], ["--force"])
    )
    assert json.loads(first.output) == {"report": str(out)}
    assert isinstance(second.exception, InputError)
    assert third.exit_code == 0
    assert "Examples:" in CliRunner().invoke(report, ["--help"]).output


def nasty_records():
    """Records in which every free string is hostile."""
    executed = {"delegate": "gpu", "reasons": [NASTY]}
    device = dict.fromkeys(("serial", "manufacturer", "model", "soc", "cpu"), NASTY)
    asked = {"accelerator": NASTY, "delegate": "gpu"}
    base = {"model": {"file": NASTY}, "device": device, "requested": asked, "executed": executed}
    quality = {"psnr_db": 40.0, "reference": NASTY}
    profile = [{"type": NASTY, "name": NASTY, "mean_ms": 1.0}]
    rounds = [timed_round([9.0, 9.1], at_s=60.0 * n) for n in range(7)]
    return [
        new_record(rounds=rounds, quality=quality, profile=profile, **base),
        new_record(failed=NASTY, log={"text": NASTY, "file": NASTY}, **base),
    ]


def test_a_page_of_records_has_every_part_and_no_markup_of_theirs(tmp_path: Path) -> None:
    write_results(nasty_records(), tmp_path / "page.html", today=datetime.date(2026, 11, 28))
    page = (tmp_path / "page.html").read_text()
    assert page.count("<script>") == 1
    assert page.count("<svg") == 4  # latency, over time, quality, ops
    assert 'class="missing"' not in page
    for section in ("latency", "throttling", "quality", "ops", "verdicts"):
        assert f'id="{section}"' in page
    assert not re.search(r"https?://|<link|@import|url\(|<script src", page)


def test_what_did_not_do_what_was_asked_is_never_drawn(tmp_path: Path) -> None:
    gpu = {"requested": {**ASKED, "delegate": "gpu"}}
    fell = timed((77.25, 77.25), executed={"delegate": "xnnpack"}, **gpu)
    cut = timed((78.25, 78.25), incomplete="The log is cut.")
    ran = timed((79.25, 79.25), executed={"delegate": "gpu", "full": True}, **gpu)
    for suffix, render in (("md", to_markdown), ("csv", to_csv)):
        (tmp_path / f"page.{suffix}").write_text(render([fell, cut, ran]))
    write_results([fell, cut, ran], tmp_path / "page.html")
    for suffix in ("html", "md", "csv"):
        page = (tmp_path / f"page.{suffix}").read_text()
        assert "79.2" in page
        assert "77.2" not in page
        assert "78.2" not in page
        assert "Asked for gpu; the graph ran on xnnpack." in page
    assert "A curve over time needs 6 rounds" in (tmp_path / "page.html").read_text()


def test_a_doubtful_measurement_is_drawn_pale(tmp_path: Path) -> None:
    write_results([timed((10.0, 20.0, 30.0, 40.0))], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert 'class="bar doubtful"' in page
    assert "(unstable)" in page


def test_markdown_and_csv_hold_one_line_for_each_record() -> None:
    nasty = timed(model={"file": "=cmd|'x'\n[a](b)<i>"})
    lines = to_markdown([timed(), nasty]).splitlines()
    assert len(lines) == 4
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "<i>" not in lines[3].replace("\\<i\\>", "")
    rows = list(csv.DictReader(io.StringIO(to_csv([timed(), nasty]))))
    assert [row["median_ms"] for row in rows] == ["640.5", "640.5"]
    assert rows[1]["model"].startswith("'=cmd")


def test_the_command_reports_records_by_suffix(tmp_path: Path) -> None:
    write_records(tmp_path / "results" / "a.json", BENCH)
    results = str(tmp_path / "results")
    for name, words in (
        ("a.html", "<!doctype html>"),
        ("a.md", "| model"),
        ("a.csv", "model,device"),
    ):
        result = CliRunner().invoke(report, [results, "-o", str(tmp_path / name)])
        assert result.exit_code == 0, result.output
        assert words in (tmp_path / name).read_text()
    wrong = CliRunner().invoke(report, [results, "-o", str(tmp_path / "a.pdf")])
    assert "must end in .html, .md or .csv" in str(wrong.exception)
    (tmp_path / "empty").mkdir()
    empty = CliRunner().invoke(report, [str(tmp_path / "empty"), "-o", str(tmp_path / "b.html")])
    assert isinstance(empty.exception, InputError)


def test_a_point_that_another_beats_is_not_on_the_front() -> None:
    points = [("slow", 30.0, 41.0), ("good", 10.0, 40.0), ("bad", 20.0, 39.0), ("fast", 5.0, 30.0)]
    assert [name for name, _, _ in front(points)] == ["fast", "good", "slow"]
    drawing = scatter_chart(points, title="t", x_label="ms", y_label="dB")
    assert drawing.count('<circle class="c0"') == 3
    assert drawing.count('<circle class="c1"') == 1


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (20.1, 27.4, [20, 22, 24, 26, 28]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_and_cover_the_data(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


def test_a_line_lands_on_its_values() -> None:
    drawing = line_chart([Series("a", [(0, 0.0), (10, 10.0)])], title="t", x_label="step")
    assert '<polyline class="c0" points="44.0,204.0 386.0,12.0"/>' in drawing


def test_a_line_of_one_or_equal_or_very_many_points_is_drawn() -> None:
    for points in ([(5, 0.78)], [(1, 2.0), (2, 2.0)], [(i, i % 7) for i in range(10_000)]):
        drawing = line_chart([Series("a", points)], title="t", x_label="step")
        assert "nan" not in drawing
        assert drawing.count(",") < 1000


def test_a_bar_is_as_long_as_its_value() -> None:
    drawing = bar_chart([Bar("a", 50, 40, 60), Bar("b", 100, 90, 100)], title="t", unit="ms")
    short, long = (float(w) for w in re.findall(r'width="([\d.]+)"', drawing))
    assert long == pytest.approx(2 * short)


def _page(run: Path) -> str:
    out = run.parent / "page.html"
    write_report(run, out, today=datetime.date(2026, 11, 21))
    return out.read_text("utf-8")


def _write(path: Path, record: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))


def _write_samples(folder: Path, name: str) -> tuple[np.ndarray, ...]:
    """A noisy, a half as noisy and the clean crop of a photo: [96, 128, 3] uint8 each."""
    photo = pytest.importorskip("skimage.data").astronaut()[64:160, 160:288]
    noise = np.random.default_rng(0).normal(0, 25 / 255, photo.shape)
    images = tuple(to_uint8(photo / 255 + noise * scale) for scale in (1, 0.5, 0))
    for kind, image in zip(("degraded", "restored", "target"), images, strict=True):
        write_image(folder / f"{name}.{kind}.png", image)
    return images
