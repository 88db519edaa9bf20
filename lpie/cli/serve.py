"""`lpie serve`."""

import contextlib
import subprocess
from pathlib import Path

import click

from lpie.cli.format import echo
from lpie.cli.options import command, option
from lpie.cli.paths import PATH, PathType
from lpie.errors import InputError, require

PORT = 8800


@command()
@click.argument("models", nargs=-1, type=PATH)
@option("--lan", is_flag=True, help="Let other devices in: HTTPS, a one-time address, a QR code.")
@option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Port to listen on; 0 takes a free one.",
    advanced=True,
)
@option(
    "--records",
    type=PATH,
    default="browser_records",
    show_default=True,
    help="Folder for what browsers measure.",
)
@option("--export", "folder", type=PATH, help="Write a static site to this folder instead.")
@option("--force", is_flag=True, help="With --export: write into a folder that is not empty.")
@option(
    "--runtime",
    type=PathType(),
    help="Folder with LiteRT.js as `npm pack` writes it.  [default: fetched once by npm]",
    advanced=True,
)
@option("--open", "opened", is_flag=True, help="Open the page in the browser.")
def serve(
    models: tuple[Path, ...],
    lan: bool,
    port: int,
    records: Path,
    folder: Path | None,
    force: bool,
    runtime: Path | None,
    opened: bool,
) -> None:
    """Serve a page that restores photos and measures networks in any browser.

    MODELS are .tflite files or names of pretrained networks; all pretrained ones by default. Photos
    stay in the browser. What it measures is kept in --records for `lpie compare` and `lpie report`.
    An Android phone on USB opens the same address: adb passes it on.

    \b
    Examples:
      lpie serve
      lpie serve denoise mine.tflite --lan
      lpie serve --export site
    """
    for module in ("starlette", "uvicorn", "segno", "cryptography"):
        require(module, extra="web")
    from lpie.web.networks import pretrained_networks, web_network

    networks = [web_network(model) for model in models] or pretrained_networks()
    names = [network.name for network in networks]
    if len(set(names)) < len(names):
        raise InputError("Two of MODELS have the same name. Rename one of the files.")
    if folder is not None:
        from lpie.web.site import export_site

        files = export_site(networks, folder, runtime=runtime, force=force)
        echo(f"{folder}: {len(files)} files, {sum(files.values()) / 1e6:.1f} MB")
        return
    from lpie.web.serve import serving

    with serving(
        networks, records=records, port=port, lan=lan, runtime=runtime, invited=_invite
    ) as served:
        if lan:
            _invite(served.address)
            echo("The browser will warn that it does not know the certificate. Its SHA-256:")
            echo(served.fingerprint)
        else:
            echo(served.address)
            _reach_phones(served.address)
        echo("Ctrl-C ends.")
        if opened:
            click.launch(served.address)
        with contextlib.suppress(KeyboardInterrupt):
            served.wait()


def _invite(address: str) -> None:
    """Print the address for the next device, also as a QR code."""
    import segno

    segno.make(address).terminal(compact=True)
    echo(f"For the next device: {address}")


def _reach_phones(address: str) -> None:
    """Let Android phones on USB open `address`, where adb is there and knows some."""
    port = address.rstrip("/").rsplit(":", 1)[1]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        listed = subprocess.run(["adb", "devices"], capture_output=True, text=True, timeout=10)
        for line in listed.stdout.splitlines()[1:]:
            serial, _, state = line.partition("\t")
            if state == "device":
                command = ["adb", "-s", serial, "reverse", f"tcp:{port}", f"tcp:{port}"]
                if subprocess.run(command, capture_output=True, timeout=10).returncode == 0:
                    echo(f"{serial} opens the same address in its own browser.")
