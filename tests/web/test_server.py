"""Who may come in, what may be sent, and what is kept: by real requests to a real server."""

import http.client
import json
import ssl
import stat
from urllib.parse import urlsplit

import pytest

from lpie.benchmarks.records.record import new_record, read_records, timed_round
from lpie.web.site import RUNTIME

pytest.importorskip("uvicorn", reason="needs the extra web")
pytest.importorskip("starlette", reason="needs the extra web")
pytest.importorskip("cryptography", reason="needs the extra web")


def ask(address, path="/", *, method="GET", body=None, headers=(), host=None):
    """(status, headers, body) of one request; the path is sent as it is."""
    url = urlsplit(address)
    if url.scheme == "https":
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection("127.0.0.1", url.port, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", url.port)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", url.netloc if host is None else host)
    for name, value in dict(headers).items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    got = answer.status, dict(answer.getheaders()), answer.read()
    connection.close()
    return got


@pytest.fixture(scope="module")
def site(tmp_path_factory, networks):
    """A server without LiteRT.js, which these tests do not run: (address, records)."""
    from lpie.web import serve

    folder = tmp_path_factory.mktemp("site")
    (folder / "runtime" / "core").mkdir(parents=True)
    (folder / "runtime" / "core" / "index.js").write_text("export {};")
    (folder / "secret.js").write_text("secret")
    patch = pytest.MonkeyPatch()
    patch.setattr(serve, "runtime_folder", lambda given: folder / "runtime")
    with serve.serving(networks, records=folder / "records", port=0) as server:
        yield server.address, folder / "records"
    patch.undo()


@pytest.fixture
def lan(tmp_path, networks, monkeypatch):
    """A server for other devices: (address with its token, addresses of later devices)."""
    from lpie.web import serve

    later = []
    monkeypatch.setattr(serve, "runtime_folder", lambda given: tmp_path)
    monkeypatch.setattr(serve, "_addresses", lambda: ["127.0.0.1"])
    options = {"records": tmp_path / "records", "port": 0, "lan": True, "invited": later.append}
    with serve.serving(networks, **options) as server:
        yield server.address, later


def measurement(**changes):
    """What a page sends: one sound record of 3 rounds."""
    record = new_record(
        rounds=[timed_round([10.0, 10.1], at_s=i) for i in range(3)],
        runner={"name": "web", "version": "Chromium 150"},
        model={"file": "a.tflite"},
        requested={"delegate": "gpu", "accelerator": "webgpu", "size": "64x64"},
        executed={"delegate": "gpu", "full": True},
        started="2026-12-01T10:00:00+00:00",
    )
    return {**record, **changes}


def send(address, *records, **options):
    body = json.dumps({"records": list(records)}).encode()
    options = {"headers": {"Origin": address.rstrip("/")}, **options}
    return ask(address, "/api/records", method="POST", body=body, **options)


def test_the_page_is_isolated_and_nothing_but_the_site_is_served(site):
    address, _ = site
    status, headers, body = ask(address)
    assert status == 200
    assert b"<title>lpie</title>" in body
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert ask(address, f"/{RUNTIME}/core/index.js")[0] == 200
    for path in (
        f"/{RUNTIME}/../secret.js",
        f"/{RUNTIME}/..%2fsecret.js",
        f"/{RUNTIME}/core/../../secret.js",
        f"/{RUNTIME}//etc/passwd",
        "/networks/..%2f..%2fsecret.js",
        "/..%2fapp.py",
        "/__init__.py",
        "/nothing",
    ):
        assert ask(address, path)[0] == 404, path


def test_a_network_is_served_as_the_manifest_says(site, networks):
    import hashlib

    address, _ = site
    for entry in json.loads(ask(address, "/site.json")[2])["networks"]:
        status, _, body = ask(address, f"/{entry['url']}")
        assert status == 200
        assert hashlib.sha256(body).hexdigest() == entry["sha256"]
        assert len(body) == entry["bytes"]


def test_other_names_of_the_server_are_refused(site):
    assert ask(site[0], host="evil.example")[0] == 421
    assert ask(site[0], host="")[0] in (400, 421)


def test_a_measurement_is_judged_again_and_kept(site):
    address, folder = site
    forged = measurement(verdict="valid", why="")
    forged["summary"]["median_ms"] = 0.001
    forged["executed"]["full"] = False
    status, _, body = send(address, forged)
    assert status == 200, body
    told = json.loads(body)
    (kept,) = read_records(folder / told["file"])
    assert kept["summary"]["median_ms"] == pytest.approx(10.05)
    assert kept["verdict"] == "fell_back"
    assert json.loads(ask(address, "/api/records")[2])["records"]


def test_what_is_no_measurement_is_refused(site):
    address, folder = site
    before = sorted(folder.glob("*")) if folder.exists() else []
    bad = [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"records": []}',
        b'{"records": [1]}',
        b'{"records": [{"schema": "lpie-bench/1"}]}',
        b"[" * 100_000,
        b'{"records": [' + b" " * 2_100_000 + b"]}",
        json.dumps({"records": [measurement()] * 201}).encode(),
        json.dumps(
            {"records": [measurement(runner={**measurement()["runner"], "name": "host"})]}
        ).encode(),
        json.dumps({"records": [measurement(device="../../x")]}).encode(),
        json.dumps({"records": [measurement(started="../../../x")]}).encode(),
    ]
    headers = {"Origin": address.rstrip("/")}
    for body in bad:
        answer = ask(address, "/api/records", method="POST", body=body, headers=headers)
        assert answer[0] == 400, (body[:60], answer)
        assert json.loads(answer[2])["error"].strip(), body[:60]
    assert (sorted(folder.glob("*")) if folder.exists() else []) == before


def test_only_the_page_itself_may_send(site):
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        assert send(site[0], measurement(), headers=headers)[0] == 403


def test_a_token_opens_the_page_once(lan):
    address, later = lan
    url = urlsplit(address)
    assert url.scheme == "https"
    for path in ("/", "/site.json", "/api/records", "/networks/denoise-s.tflite", "/enter/x"):
        assert ask(address, path)[0] == 403, path
    assert send(f"https://{url.netloc}/", measurement())[0] == 403
    status, headers, _ = ask(address, url.path)
    assert status == 303
    cookie = headers["set-cookie"].split(";")[0]
    assert {"HttpOnly", "Secure", "SameSite=strict"} <= {
        part.strip() for part in headers["set-cookie"].split(";")
    }
    assert ask(address, headers={"Cookie": cookie})[0] == 200
    assert ask(address, url.path)[0] == 403
    assert ask(address, headers={"Cookie": "lpie=x"})[0] == 403
    assert len(later) == 1
    assert later[0] != address
    assert ask(address, urlsplit(later[0]).path)[0] == 303


def test_the_key_of_the_certificate_is_for_its_owner_alone(tmp_path):
    from lpie.web.certificate import write_certificate

    certificate, key, fingerprint = write_certificate(tmp_path, ["192.0.2.7", "localhost"])
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(fingerprint.split(":")) == 32
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)


def test_a_port_in_use_is_a_sentence(site, networks, tmp_path, monkeypatch):
    from lpie.errors import InputError
    from lpie.web import serve

    monkeypatch.setattr(serve, "runtime_folder", lambda given: tmp_path)
    port = urlsplit(site[0]).port
    taken = pytest.raises(InputError, match=f"Port {port} cannot be used")
    with taken, serve.serving(networks, records=tmp_path, port=port):
        pass


def test_a_browser_has_a_name_in_reports():
    from lpie.benchmarks.records.names import device_name

    record = measurement()
    record["device"]["system"] = "Android 15"
    assert device_name(record) == "Android 15, Chromium 150"
    record["device"]["model"] = "Pixel 9"
    assert device_name(record) == "Pixel 9, Chromium 150"
