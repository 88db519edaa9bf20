"""The page measures by the protocol of `lpie bench`; its records are read like any other."""

import functools
import http.server
import threading

import pytest

from lpie.benchmarks.records.record import read_records
from tests.web.conftest import opened, wait


def measured(context, address, **wanted):
    """Open the page for a measurement; its first verdict and status."""
    query = "&".join(f"{name}={value}" for name, value in wanted.items())
    with opened(context, f"{address}#measure?start=1&seconds=0&{query}") as tab:
        wait(tab, "'measured' in document.documentElement.dataset", 200)
        return (
            tab.inner_text("#results"),
            tab.inner_text("#measure-status"),
            tab.inner_text("#answer"),
        )


def test_networks_in_turns(context, served):
    address, folder = served
    before = set(folder.glob("*.json"))
    table, status, answer = measured(
        context, address, networks="denoise-s,lowlight-s", sizes="64x48", on="wasm", rounds=3
    )
    assert "denoise-s" in table
    assert "lowlight-s" in table
    (file,) = set(folder.glob("*.json")) - before
    assert file.name in status
    assert "64x48" in answer
    one, two = read_records(file)
    assert one["run"] == two["run"] is not None
    for record in (one, two):
        assert record["runner"]["name"] == "web"
        assert record["requested"]["accelerator"] == "wasm"
        assert record["executed"]["delegate"] == "xnnpack"
        assert record["verdict"] in ("valid", "unstable")
        assert len(record["rounds"]) == 3
        assert record["summary"]["warmup_runs"] >= 2
        assert 0 < record["summary"]["parts_ms"]["inference"] <= record["summary"]["max_ms"]
        assert record["device"]["cores"]
        assert record["model"]["spec"]["network"] == "lpienet_rt"


def test_tiles_and_the_gpu(context, served):
    address, folder = served
    before = set(folder.glob("*.json"))
    measured(
        context, address, networks="denoise-s", sizes="184x160", on="webgpu", rounds=1, mostPx=160
    )
    (file,) = set(folder.glob("*.json")) - before
    (record,) = read_records(file)
    if record["verdict"] == "failed":
        pytest.skip(f"this Chromium has no WebGPU: {record['why']}")
    assert record["requested"]["mode"] == "tiles"
    assert record["requested"]["tiles"]["count"] > 1
    assert record["executed"]["delegate"] == "gpu"
    assert record["executed"]["full"] is True
    assert any("GPU" in note for note in record["notes"])


def test_a_report_shows_what_the_browser_measured(context, served, tmp_path):
    from click.testing import CliRunner

    from lpie.cli.main import lpie

    address, folder = served
    if not list(folder.glob("*.json")):
        measured(context, address, networks="denoise-s", sizes="64x48", on="wasm", rounds=3)
    page = tmp_path / "report.html"
    done = CliRunner().invoke(lpie, ["report", str(folder), "-o", str(page)])
    assert done.exit_code == 0, done.output
    assert "denoise-s" in page.read_text()


def test_a_static_site_works_from_any_server_of_files(context, networks, runtime, tmp_path):
    from lpie.web.site import export_site

    export_site(networks, tmp_path / "site")
    handler = functools.partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://localhost:{server.server_port}/"
        table, status, _ = measured(
            context, address, networks="denoise-s", sizes="64x48", on="wasm", rounds=1
        )
        server.shutdown()
    assert "ms" in table
    assert status == "Measured."


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_a_browser_is_driven_without_a_hand(networks, runtime):
    from lpie.web.drive import Wanted, measure_in_browser
    from tests.web.conftest import CHROMIUM

    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    (record,) = measure_in_browser(
        networks[:1], Wanted(sizes=("64x48",), rounds=3, seconds=0.0, limit_s=60)
    )
    assert record["runner"]["name"] == "web"
    assert len(record["rounds"]) == 3
