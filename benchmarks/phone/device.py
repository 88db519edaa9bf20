"""What a device is and how it feels: its build, its temperatures, its battery, its clocks."""

import re
from dataclasses import dataclass, field
from typing import Any

from lpie.benchmarks.phone.adb import Adb

THERMAL = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
# `mType` of a Temperature; 6 to 8 are the battery's voltage, current and charge, no temperatures.
SENSORS = {0: "cpu", 1: "gpu", 2: "battery", 3: "skin", 4: "usb", 5: "pa", 9: "npu", 10: "tpu"}
CHARGES = {1: "unknown", 2: "charging", 3: "discharging", 4: "not charging", 5: "full"}
# Where /sys tells the clocks, and the zones' temperatures where there is no thermal service.
CLOCKS = (
    "grep -s . /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_cur_freq "
    "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq "
    "/sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor "
    "/sys/class/kgsl/kgsl-3d0/gpuclk /sys/class/misc/mali0/device/cur_freq "
    "/sys/class/devfreq/*mali*/cur_freq /sys/class/devfreq/*.gpu/cur_freq"
)
ZONES = (
    "for z in /sys/class/thermal/thermal_zone*; do echo \"$(cat $z/type) $(cat $z/temp)\"; done "
    "2>/dev/null"
)


@dataclass(frozen=True)
class Facts:
    """What does not change: `ro.` properties, as JSON holds them; "" where one is not told."""

    serial: str
    manufacturer: str
    model: str
    soc: str
    abi: str
    fingerprint: str
    android: str
    sdk: int | None
    emulator: bool
    memory_mb: float | None


@dataclass(frozen=True)
class State:
    """What changes. Temperatures are in degrees Celsius, clocks in kHz, None where untold.

    thermal: Android's thermal status by name, "unknown" where it does not tell. temperatures_c:
    by sensor. governors: by the processor, only read. charge_uah: what the battery still holds.
    """

    thermal: str = "unknown"
    temperatures_c: dict[str, float] = field(default_factory=dict)
    battery_level: int | None = None
    battery_c: float | None = None
    battery_status: str = "unknown"
    plugged: bool | None = None
    voltage_mv: int | None = None
    charge_uah: int | None = None
    clocks_khz: dict[str, int] = field(default_factory=dict)
    governors: dict[str, str] = field(default_factory=dict)

    @property
    def thermal_level(self) -> int:
        """0 (none) to 6 (shutdown); 0 where it is unknown, then temperatures have to tell."""
        return THERMAL.index(self.thermal) if self.thermal in THERMAL else 0

    def hottest_c(self) -> float | None:
        """The warmest of skin and battery, by which phones throttle; else of all there are."""
        chosen = [t for name, t in self.temperatures_c.items() if name in ("skin", "battery")]
        known = chosen or list(self.temperatures_c.values())
        if self.battery_c is not None:
            known = [*chosen, self.battery_c]
        return max(known, default=None)


def read_facts(adb: Adb) -> Facts:
    """The properties of the device, in one call."""
    printed = adb.shell("getprop; grep -s MemTotal /proc/meminfo")
    said = properties(printed.text)
    total = re.search(r"^MemTotal:\s+(\d+) kB", printed.text, re.MULTILINE)
    sdk = said.get("ro.build.version.sdk", "")
    return Facts(
        serial=adb.serial,
        manufacturer=said.get("ro.product.manufacturer", ""),
        model=said.get("ro.product.model", ""),
        soc=_soc(said),
        abi=said.get("ro.product.cpu.abi", ""),
        fingerprint=said.get("ro.build.fingerprint", ""),
        android=said.get("ro.build.version.release", ""),
        sdk=int(sdk) if sdk.isdigit() else None,
        emulator="1" in (said.get("ro.boot.qemu"), said.get("ro.kernel.qemu")),
        memory_mb=round(int(total[1]) * 1024 / 1e6) if total else None,
    )


def read_state(adb: Adb) -> State:
    """How the device feels now; what it does not tell is missing."""
    mark = "lpie-next"
    parts = adb.shell(
        f"dumpsys thermalservice; echo {mark}; dumpsys battery; echo {mark}; {CLOCKS}; echo {mark};"
        f" {ZONES}"
    ).text.split(mark)
    if len(parts) != 4:
        return State()
    thermal, battery, clocks, zones = parts
    status, temperatures = thermal_state(thermal)
    return State(
        thermal=status,
        temperatures_c=temperatures or zone_temperatures(zones),
        **battery_state(battery),
        **clock_state(clocks),
    )


def free_mb(adb: Adb) -> float | None:
    """Memory that a new process may have, in 10^6 bytes."""
    found = re.search(r"MemAvailable:\s+(\d+) kB", adb.shell("cat /proc/meminfo").text)
    return int(found[1]) * 1024 / 1e6 if found else None


def properties(text: str) -> dict[str, str]:
    """What `getprop` printed; a value may span lines."""
    return dict(re.findall(r"^\[(.+?)\]: \[(.*?)\]\s*$", text, re.MULTILINE | re.DOTALL))


def thermal_state(text: str) -> tuple[str, dict[str, float]]:
    """(status by name, temperatures) of `dumpsys thermalservice`.

    Only what the hardware says now: the service's cache may be hours old.
    """
    found = re.search(r"^\s*Thermal Status: (\d)\s*$", text, re.MULTILINE)
    level = int(found[1]) if found else len(THERMAL)
    _, _, now = text.partition("Current temperatures from HAL:")
    now, _, _ = now.partition("Current cooling devices")
    temperatures: dict[str, float] = {}
    for value, kind in re.findall(r"Temperature\{mValue=([-\d.]+), mType=(-?\d+)", now):
        name, degrees = SENSORS.get(int(kind)), _number(value)
        if name and degrees is not None and _plausible(degrees):
            temperatures[name] = max(degrees, temperatures.get(name, degrees))
    return (THERMAL[level] if level < len(THERMAL) else "unknown"), temperatures


def battery_state(text: str) -> dict[str, Any]:
    """The fields of `State` that `dumpsys battery` tells.

    Some makers append a log with older values to it: of each key the first value counts.
    """
    said: dict[str, str] = {}
    for key, value in re.findall(r"^\s*([A-Za-z ]+): (\S+)\s*$", text, re.MULTILINE):
        said.setdefault(key.strip().lower(), value)
    if "level" not in said:
        return {}
    tenths, status = _whole(said.get("temperature")), _whole(said.get("status"))
    powered = [value for key, value in said.items() if key.endswith(" powered")]
    return {
        "battery_level": _whole(said["level"]),
        "battery_c": tenths / 10 if tenths is not None else None,
        "battery_status": CHARGES.get(status or 1, "unknown"),
        "plugged": "true" in powered if powered else None,
        "voltage_mv": _whole(said.get("voltage")),
        "charge_uah": _whole(said.get("charge counter")),
    }


def clock_state(text: str) -> dict[str, Any]:
    """The fields of `State` out of PATH:VALUE lines of /sys."""
    clocks: dict[str, int] = {}
    governors: dict[str, str] = {}
    for path, value in re.findall(r"^(/sys/\S+?):(\S+)$", text, re.MULTILINE):
        cpu = re.search(r"/(cpu\d+)/", path)
        if path.endswith("scaling_governor") and cpu:
            governors[cpu[1]] = value
        elif value.isdigit() and cpu:
            clocks[cpu[1] + (" max" if path.endswith("max_freq") else "")] = int(value)
        elif value.isdigit():
            clocks["gpu"] = int(value) // 1000  # in Hz here
    return {"clocks_khz": clocks, "governors": governors}


def zone_temperatures(text: str) -> dict[str, float]:
    """The zones of /sys/class/thermal: thousandths or tenths of a degree, by the maker's whim."""
    found = {}
    for name, value in re.findall(r"^(\S+) (\d+)$", text, re.MULTILINE):
        scales = [int(value) / divisor for divisor in (1000, 10, 1)]
        degrees = next((each for each in scales if _plausible(each)), None)
        if degrees is not None:
            found[name] = degrees
    return found


def _soc(said: dict[str, str]) -> str:
    named = [said.get(f"ro.soc.{key}", "") for key in ("manufacturer", "model")]
    others = ("ro.board.platform", "ro.chipname", "ro.mediatek.platform", "ro.hardware")
    whole = " ".join(name for name in named if name)
    return whole or next((said[key] for key in others if said.get(key)), "")


def _plausible(degrees: float) -> bool:
    """Some sensors say 0 or nonsense when they have nothing to say."""
    return 5 <= degrees <= 125


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"-?\d{1,12}", text) else None


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?\d{1,6}(\.\d*)?", text) else None
