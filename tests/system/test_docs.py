"""The site builds without a warning, with a page for each command and every public name."""

import inspect
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site, made from links to the sources."""
    for module in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("docs")
    core = folder / "packages" / "lpie"
    core.mkdir(parents=True)
    for path in (ROOT / "lpie").iterdir():
        (core / path.name).symlink_to(path)
    for package in ("export", "benchmarks"):
        (core / package).symlink_to(ROOT / package)
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder / "site")],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=800,
        env={**os.environ, "LPIE_PACKAGES": str(folder / "packages"), "NO_MKDOCS_2_WARNING": "1"},
    )
    assert result.returncode == 0, result.stderr
    return folder / "site"


def test_each_command_has_a_page(site):
    from lpie.cli.main import COMMANDS

    for verb in COMMANDS:
        assert f'<h1 id="lpie-{verb}"' in (site / f"reference/cli/{verb}.html").read_text()


def test_each_public_name_is_in_the_reference(site):
    import lpie
    import lpie.benchmarks
    import lpie.export

    anchors = set(re.findall(r'id="(lpie[\w.]+)"', (site / "reference/api.html").read_text()))
    for package in (lpie, lpie.export, lpie.benchmarks):
        assert {f"{home}.{name}" for name, home in package._HOME.items()} <= anchors


def test_each_public_function_documents_its_arguments():
    import lpie
    import lpie.benchmarks
    import lpie.export

    for package in (lpie, lpie.export, lpie.benchmarks):
        for name in package._HOME:
            thing = getattr(package, name)
            assert thing.__doc__.strip().splitlines()[0].endswith(".")
            if inspect.isfunction(thing):
                assert "Args:" in thing.__doc__, name
                assert "Raises:" in thing.__doc__ or "Returns:" in thing.__doc__, name


def test_no_page_loads_anything_from_elsewhere(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link)[^>]+(?:src|href)="(https?:[^"]+)"', page.read_text()
        )
        assert not loaded, page
