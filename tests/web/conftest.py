"""The page in a real Chromium: served by lpie, driven by its own protocol."""

import json
import os
import shutil
import time
from contextlib import contextmanager

import pytest

from lpie.errors import LpieError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
NETWORKS = ("denoise-s", "lowlight-s")


@pytest.fixture(scope="session")
def runtime(tmp_path_factory):
    """The folder of LiteRT.js, as a user's lpie has it."""
    pytest.importorskip("cryptography", reason="needs the extra web")
    from lpie.web.runtime import runtime_folder

    try:
        return runtime_folder()
    except LpieError as error:
        pytest.skip(f"LiteRT.js cannot be had: {error}")


@pytest.fixture(scope="session")
def networks():
    from lpie.web.networks import web_network

    return [web_network(name) for name in NETWORKS]


@pytest.fixture(scope="session")
def served(runtime, networks, tmp_path_factory):
    """(address of the page, folder of its records)."""
    from lpie.web.serve import serving

    records = tmp_path_factory.mktemp("records")
    with serving(networks, records=records, port=0) as server:
        yield server.address, records


@pytest.fixture(scope="session")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def context(browser):
    made = browser.new_context(accept_downloads=True, viewport={"width": 1000, "height": 700})
    made.set_default_timeout(60_000)
    yield made
    made.close()


@pytest.fixture
def page(context, served):
    """The page, opened anew; its errors fail the test."""
    with opened(context, served[0]) as tab:
        yield tab


@contextmanager
def opened(context, address):
    tab = context.new_page()
    errors = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.goto(address)
    wait(tab, "document.querySelectorAll('#network option').length > 0")
    yield tab
    tab.close()
    assert not errors, errors


def wait(tab, condition, seconds=60):
    """Until `condition` is true; the page's own policy forbids Playwright's way to wait."""
    end = time.monotonic() + seconds
    while not tab.evaluate(condition):
        assert time.monotonic() < end, f"{condition}: {tab.inner_text('body')[:2000]}"
        tab.wait_for_timeout(50)


def golden(name):
    path = os.path.join(os.path.dirname(__file__), "..", "golden", f"{name}.json")
    with open(path) as file:
        return json.load(file)
