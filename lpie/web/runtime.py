"""LiteRT.js, the runtime of the page: pinned, fetched once by npm, never part of lpie."""

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from lpie.errors import InputError, LpieError, last_line
from lpie.system.environment import cache_folder

VERSION = "2.5.3"
# npm package: its file in the registry's own form, and the SHA-512 that the registry publishes.
PACKAGES = {
    "@litertjs/core": (
        f"litertjs-core-{VERSION}.tgz",
        "PlGmbMOq9WitX7FO0jhbdJw9GthatsyuCQXjTt/wJZo0FLaw48q4tz8IwqgqCIkviYGr9OFDL1kCnN4nzWoyJQ==",
    ),
    "@litertjs/wasm-utils": (
        f"litertjs-wasm-utils-{VERSION}.tgz",
        "4fJiw6tBQnIs+0jH/OQ16nYOiSl8/+zZnn5h2ul8aTKHi05sVqZW580Tmk78pC2kT39A9OYBVdFawteZ/sI1kQ==",
    ),
}
LIMIT_S = 300
# A browser resolves no name of a package.
IMPORT = (b'from "@litertjs/wasm-utils"', b'from "./wasm-utils.js"')


def runtime_folder(packages: Path | None = None) -> Path:
    """The folder of LiteRT.js as the page loads it: core/ and wasm/.

    packages: a folder with the two packages as `npm pack` writes them, instead of fetching them.
    The result stands in lpie's cache, and later calls need no network.
    """
    cache = cache_folder()
    target = (cache or Path(tempfile.mkdtemp())) / f"litertjs-{VERSION}"
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            built = _build(packages or _fetch(Path(folder)), Path(folder) / "built")
            _publish(built, target)
    return target


def _fetch(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(
            "The page needs LiteRT.js, which npm fetches, and npm is not installed. Install it "
            "(Debian: apt-get install npm), or give a folder with the packages by --runtime."
        )
    names = [f"{name}@{VERSION}" for name in PACKAGES]
    command = [npm, "pack", "--silent", "--ignore-scripts", *names]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        raise LpieError(f"npm did not fetch LiteRT.js within {LIMIT_S} s.") from None
    if done.returncode:
        raise LpieError(f"npm could not fetch LiteRT.js: {last_line(done.stderr or done.stdout)}")
    return folder


def _build(packages: Path, target: Path) -> Path:
    """The two packages, compared with their digests, as files that a browser can load."""
    for name, (file, digest) in PACKAGES.items():
        path = packages / file
        if not path.is_file():
            raise InputError(f"{packages} lacks {file}. Get it there by: npm pack {name}@{VERSION}")
        if _sha512(path) != digest:
            raise LpieError(f"{path} is not {name} {VERSION}: its SHA-512 differs.")
        _unpack(path, target)
    core = target / "core" / "index.js"
    text = core.read_bytes()
    if text.count(IMPORT[0]) != 1:
        raise LpieError(f"LiteRT.js {VERSION} imports its helper in a way that is not known.")
    core.write_bytes(text.replace(*IMPORT))
    return target


def _unpack(package: Path, target: Path) -> None:
    """The files that the page loads, by their names there; links and folders are passed over."""
    utils = "wasm-utils" in package.name
    with tarfile.open(package) as archive:
        for member in archive:
            name = member.name.removeprefix("package/")
            if not member.isfile() or Path(name).suffix not in (".js", ".wasm"):
                continue
            if utils and name == "dist/bundle.js":
                place = target / "core" / "wasm-utils.js"
            elif not utils and name == "dist/index.js":
                place = target / "core" / "index.js"
            elif not utils and name.startswith("wasm/") and name.count("/") == 1:
                place = target / name
            else:
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            assert source is not None
            place.write_bytes(source.read())


def _publish(built: Path, target: Path) -> None:
    try:
        built.rename(target)
    except OSError:
        if not target.is_dir():  # else another process was first
            raise


def _sha512(path: Path) -> str:
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
