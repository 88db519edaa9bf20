"""What the page consists of: its files, its networks, and the manifest that names them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lpie import __version__
from lpie.errors import InputError, LpieError
from lpie.system.files import read_json, write_atomic
from lpie.web.networks import WebNetwork, web_network
from lpie.web.runtime import VERSION, runtime_folder

PAGE = Path(__file__).parent / "page"
# Where in the site the runtime and the networks are. Under one address neither ever changes, and a
# browser may keep it.
RUNTIME, NETWORKS, RECORDS = f"runtime/{VERSION}", "networks", "api/records"


def manifest(networks: Sequence[WebNetwork], *, records: bool) -> dict[str, Any]:
    """site.json, which the page reads first. records: whether somebody takes its measurements."""
    return {
        "lpie": __version__,
        "runtime": RUNTIME,
        "records": RECORDS if records else None,
        "networks": [_entry(network) for network in networks],
    }


def _entry(network: WebNetwork) -> dict[str, Any]:
    about = network.describe()
    return {**about, "url": f"{NETWORKS}/{about['file']}?{about['sha256'][:12]}"}


def page_files() -> dict[str, bytes]:
    """The page's own files by name; the service worker knows lpie's version."""
    files = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.is_file()}
    files["sw.js"] = files["sw.js"].replace(b"VERSION", __version__.encode())
    return files


def export_site(
    networks: Sequence[WebNetwork],
    folder: Path,
    *,
    runtime: Path | None = None,
    force: bool = False,
) -> Mapping[str, int]:
    """Write the page as a static site, for any server of files; returns {file: bytes}.

    The server must send COOP and COEP for threads; the page runs without them on one thread.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file. Give a folder.")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise InputError(f"{folder} is not empty. Give another folder, or --force to add to it.")
    files = {
        **page_files(),
        "site.json": json.dumps(manifest(networks, records=False)).encode(),
        **{f"{NETWORKS}/{n.name}.tflite": n.model.to_bytes() for n in networks},
    }
    source = runtime_folder(runtime)
    for path in sorted(source.rglob("*")):
        if path.is_file():
            files[f"{RUNTIME}/{path.relative_to(source).as_posix()}"] = path.read_bytes()
    for name, data in files.items():
        write_atomic(folder / name, data)
    return {name: len(data) for name, data in files.items()}


def check_site(folder: Path) -> dict[str, Any]:
    """The manifest of a static site in `folder`; an `InputError` where there is none."""
    try:
        table = read_json(folder / "site.json")
        if isinstance(table["networks"], list) and (folder / "index.html").is_file():
            return table
    except (LpieError, OSError, ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{folder} is no site of `lpie serve --export`. Write one there first.")


def put_into_site(model: Path, folder: Path) -> None:
    """Put a `.tflite` first into a static site, in place of one of the same name."""
    table = check_site(folder)
    network = web_network(model)
    others = [entry for entry in table["networks"] if entry.get("name") != network.name]
    write_atomic(folder / NETWORKS / f"{network.name}.tflite", network.model.to_bytes())
    table = {**table, "networks": [_entry(network), *others]}
    write_atomic(folder / "site.json", json.dumps(table))
