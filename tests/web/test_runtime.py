"""LiteRT.js: only the pinned files, by their digests, and sentences for all else."""

import shutil
import tarfile

import pytest

from lpie.errors import InputError, LpieError
from lpie.web import runtime as litert


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_without_npm_a_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InputError, match=r"apt-get install npm.*--runtime"):
        litert.runtime_folder()


def test_a_folder_without_the_packages(tmp_path):
    with pytest.raises(InputError, match="npm pack"):
        litert.runtime_folder(tmp_path)


def test_another_file_under_the_name_is_refused(tmp_path):
    for file, _ in litert.PACKAGES.values():
        with tarfile.open(tmp_path / file, "w:gz") as archive:
            archive.add(__file__, "package/dist/index.js")
    with pytest.raises(LpieError, match="its SHA-512 differs"):
        litert.runtime_folder(tmp_path)
    assert not (tmp_path / "cache" / "lpie" / f"litertjs-{litert.VERSION}").exists()
