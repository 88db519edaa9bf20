"""The devices that `lpie bench` measures on, and their list."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lpie.cli.format import echo, print_json, print_table

if TYPE_CHECKING:
    from lpie.benchmarks.adb.adb import Adb

HOST = "host"


def chosen_devices(asked: Sequence[str], adb: str | None) -> "list[Adb | None]":
    """Those with the serials that were asked for, all of them for `all`; None is this computer."""
    from lpie.benchmarks.adb.adb import Adb, choose, find_adb, list_devices
    from lpie.benchmarks.adb.failures import failure

    devices: list[Adb | None] = []
    if set(asked) != {HOST}:
        program = find_adb(adb)
        listed = list_devices(program)
        serials = choose(listed, [serial for serial in asked if serial != HOST])
        for device in listed:
            if "all" in asked and device.serial not in serials:
                echo(f"Left out: {failure(device.state, device.serial)}", err=True)
        devices += [Adb(program, serial) for serial in serials]
    return [*devices, None] if HOST in asked else devices


def print_devices(adb: str | None, as_json: bool) -> None:
    """List the devices that adb sees, and what is wrong with those that cannot be used."""
    from lpie.benchmarks.adb.adb import find_adb, list_devices
    from lpie.benchmarks.adb.failures import failure

    devices = list_devices(find_adb(adb))
    if as_json:
        print_json({"devices": [vars(device) for device in devices]})
        return
    if not devices:
        raise failure("no devices/emulators found", "")
    print_table(["serial", "state", "about"], [[d.serial, d.state, d.about] for d in devices])
    for device in devices:
        if device.state != "device":
            echo(str(failure(device.state, device.serial)), err=True)
