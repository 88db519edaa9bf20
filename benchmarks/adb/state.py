"""What a device is and how it feels: its build, its temperatures, its battery, its clocks."""

import re
from dataclasses import dataclass, field
from typing import Any

from lpie.benchmarks.adb.adb import Adb
from lpie.printable import printable

# `mType` of a Temperature; 6 to 8 are the battery's voltage, current and charge, no temperatures.
SENSORS = {0: "cpu", 1: "gpu", 2: "battery", 3: "skin", 4: "usb", 5: "pa", 9: "npu", 10: "tpu"}
DISCHARGING = "3"  # `status` of the battery
# Where /sys tells the clocks, and the zones' temperatures where there is no thermal service.
CLOCKS = (
    "grep -s . /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq "
    "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq "
    "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor "
    "/sys/class/kgsl/kgsl-3d0/gpuclk /sys/class/misc/mali0/device/cur_freq "
    "/sys/class/devfreq/*mali*/cur_freq /sys/class/devfreq/*.gpu/cur_freq"
)
ZONES = (
    'for z in /sys/class/thermal/thermal_zone*; do echo "$(cat $z/type) $(cat $z/temp)"; done '
    "2>/dev/null"
)


@dataclass(frozen=True)
class State:
    """What changes. Temperatures are in degrees Celsius; None is what the device does not tell.

    thermal_status: Android's, 0 (none) to 6 (shutdown). charge_uah: what the battery still holds.
    governors: by the processor; they are only read.
    """

    thermal_status: int | None = None
    temperatures_c: dict[str, float] = field(default_factory=dict)
    battery_percent: int | None = None
    battery_c: float | None = None
    voltage_mv: int | None = None
    charge_uah: int | None = None
    charging: bool | None = None  # or powered from outside
    low_power: bool | None = None
    frequencies_mhz: dict[str, float] = field(default_factory=dict)
    governors: dict[str, str] = field(default_factory=dict)

    def hottest_c(self) -> float | None:
        """The warmest of skin and battery, by which phones throttle; else of all there are."""
        known = [t for name, t in self.temperatures_c.items() if name in ("skin", "battery")]
        if self.battery_c is not None:
            known.append(self.battery_c)
        return max(known or self.temperatures_c.values(), default=None)

    def section(self) -> dict[str, Any]:
        """The `state` of a record."""
        battery = {
            "level_percent": self.battery_percent,
            "temperature_c": self.battery_c,
            "voltage_mv": self.voltage_mv,
            "charging": self.charging,
            "low_power": self.low_power,
        }
        return {
            "thermal_status": self.thermal_status,
            "temperatures_c": self.temperatures_c,
            "battery": battery if self.battery_percent is not None else None,
            "frequencies_mhz": self.frequencies_mhz,
        }


def read_facts(adb: Adb) -> dict[str, Any]:
    """The `device` of a record, in one call."""
    printed = adb.shell("getprop; cat /proc/meminfo; echo cores: $(nproc) $(uname -sm)").text
    known = {key: printable(value) for key, value in properties(printed).items()}
    total = re.search(r"^MemTotal:\s+(\d+) kB", printed, re.MULTILINE)
    machine = re.search(r"^cores: (\d+) (.*)$", printed, re.MULTILINE)
    return {
        "serial": adb.serial,
        "manufacturer": known.get("ro.product.manufacturer"),
        "model": known.get("ro.product.model"),
        "soc": _soc(known),
        "abi": known.get("ro.product.cpu.abi"),
        "android": known.get("ro.build.version.release"),
        "sdk": _whole(known.get("ro.build.version.sdk")),
        "fingerprint": known.get("ro.build.fingerprint"),
        "cores": int(machine[1]) if machine else None,
        "memory_mb": round(int(total[1]) * 1024 / 1e6) if total else None,
        "system": printable(machine[2]) if machine else None,
    }


def read_state(adb: Adb) -> State:
    """How the device feels now."""
    mark = "lpie-next"
    scripts = (
        "dumpsys thermalservice",
        "dumpsys battery",
        CLOCKS,
        ZONES,
        "settings get global low_power",
    )
    printed = adb.shell(f"; echo {mark}; ".join(scripts)).text.split(mark)
    thermal, battery, clocks, zones, saver = (printed + [""] * len(scripts))[: len(scripts)]
    status, temperatures = thermal_state(thermal)
    return State(
        thermal_status=status,
        temperatures_c=temperatures or zone_temperatures(zones),
        low_power={"0": False, "1": True}.get(saver.strip()),
        **battery_state(battery),
        **clock_state(clocks),
    )


def free_mb(adb: Adb) -> float | None:
    """Memory that a new process may have, in 10^6 bytes."""
    match = re.search(r"MemAvailable:\s+(\d+) kB", adb.shell("cat /proc/meminfo").text)
    return int(match[1]) * 1024 / 1e6 if match else None


def properties(text: str) -> dict[str, str]:
    """What `getprop` printed; a value may span lines."""
    return dict(re.findall(r"^\[(.+?)\]: \[(.*?)\]\s*$", text, re.MULTILINE | re.DOTALL))


def thermal_state(text: str) -> tuple[int | None, dict[str, float]]:
    """(status, temperatures) of `dumpsys thermalservice`.

    Only what the hardware says now: the service's cache may be hours old.
    """
    match = re.search(r"^\s*Thermal Status: ([0-6])\s*$", text, re.MULTILINE)
    _, _, now = text.partition("Current temperatures from HAL:")
    now, _, _ = now.partition("Current cooling devices")
    temperatures: dict[str, float] = {}
    for value, kind in re.findall(r"Temperature\{mValue=(-?\d{1,4}(?:\.\d+)?), mType=(\d+)", now):
        name, degrees = SENSORS.get(int(kind)), float(value)
        if name and _plausible(degrees):
            temperatures[name] = max(degrees, temperatures.get(name, degrees))
    return (int(match[1]) if match else None), temperatures


def battery_state(text: str) -> dict[str, Any]:
    """The fields of `State` that `dumpsys battery` tells.

    Some makers append a log with older values to it: of each key the first value counts.
    """
    values: dict[str, str] = {}
    for key, value in re.findall(r"^\s*([A-Za-z ]+): (\S+)\s*$", text, re.MULTILINE):
        values.setdefault(key.strip().lower(), value)
    if "level" not in values:
        return {}
    tenths = _whole(values.get("temperature"))
    powered = "true" in [value for key, value in values.items() if key.endswith(" powered")]
    return {
        "battery_percent": _whole(values["level"]),
        "battery_c": tenths / 10 if tenths is not None else None,
        "voltage_mv": _whole(values.get("voltage")),
        "charge_uah": _whole(values.get("charge counter")),
        "charging": powered or values.get("status") != DISCHARGING,
    }


def clock_state(text: str) -> dict[str, Any]:
    """The fields of `State` out of PATH:VALUE lines of /sys."""
    clocks: dict[str, float] = {}
    governors: dict[str, str] = {}
    for path, value in re.findall(r"^(/sys/\S+?):(\S+)$", text, re.MULTILINE):
        cpu = re.search(r"/(cpu\d+)/", path)
        if path.endswith("scaling_governor") and cpu:
            governors[cpu[1]] = value
        elif value.isdigit() and cpu:
            name = cpu[1] + (" max" if path.endswith("max_freq") else "")
            clocks[name] = int(value[:12]) / 1e3
        elif value.isdigit():
            clocks["gpu"] = int(value[:15]) / 1e6  # in Hz here
    return {"frequencies_mhz": clocks, "governors": governors}


def zone_temperatures(text: str) -> dict[str, float]:
    """The zones of /sys/class/thermal: thousandths or tenths of a degree, by the maker's whim."""
    temperatures = {}
    for name, value in re.findall(r"^(\S+) (\d{1,7})$", text, re.MULTILINE):
        scales = [int(value) / divisor for divisor in (1000, 10, 1)]
        degrees = next((value for value in scales if _plausible(value)), None)
        if degrees is not None:
            temperatures[name] = degrees
    return temperatures


def _soc(values: dict[str, str]) -> str | None:
    whole = " ".join(
        values[f"ro.soc.{key}"] for key in ("manufacturer", "model") if values.get(f"ro.soc.{key}")
    )
    others = ("ro.board.platform", "ro.chipname", "ro.mediatek.platform", "ro.hardware")
    return whole or next((values[key] for key in others if values.get(key)), None)


def _plausible(degrees: float) -> bool:
    """Some sensors say 0 or nonsense when they have nothing to say."""
    return 5 <= degrees <= 125


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"\d{1,12}", text) else None
