"""Phones of our own: Debian's real adbd, each in its own root, with a phone's tools as scripts.

They share one network namespace, which the adb client has to enter: no port of this machine is
used.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import ai_edge_litert

from tests.forked import Forked, run_in_network

HERE = Path(__file__).parent
SERVER_PORT = "5138"
# Without the first two XNNPACK does not start on Arm.
SYS = {
    "devices/system/cpu/possible": "0-1\n",
    "devices/system/cpu/present": "0-1\n",
    "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1803000\n",
    "devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq": "2400000\n",
    "devices/system/cpu/cpu0/cpufreq/scaling_governor": "schedutil\n",
    "class/kgsl/kgsl-3d0/gpuclk": "585000000\n",
    "class/thermal/thermal_zone0/type": "cpu-0\n",
    "class/thermal/thermal_zone0/temp": "41500\n",
}
PROPERTIES = """[ro.product.manufacturer]: [Lpie]
[ro.product.model]: [Papphone {number}]
[ro.soc.manufacturer]: [Debian]
[ro.soc.model]: [SM0001]
[ro.product.cpu.abi]: [arm64-v8a]
[ro.build.fingerprint]: [lpie/papphone/papphone:14/AA1A.000000.001/1:user/release-keys]
[ro.build.version.release]: [14]
[ro.build.version.sdk]: [34]
[persist.sys.note]: [two
lines]
"""
THERMAL = """IsStatusOverride: false
ThermalEventListeners:
\tcallbacks: 1
Thermal Status: {status}
Cached temperatures:
\tTemperature{{mValue=99.0, mType=3, mName=skin, mStatus=0}}
HAL Ready: true
HAL connection:
\tThermalHAL 2.0 connected: yes
Current temperatures from HAL:
\tTemperature{{mValue={skin}, mType=3, mName=skin, mStatus={status}}}
\tTemperature{{mValue=41.5, mType=0, mName=CPU0, mStatus=0}}
\tTemperature{{mValue=100.0, mType=8, mName=soc, mStatus=0}}
Current cooling devices from HAL:
\tCoolingDevice{{mValue=0, mType=2, mName=cpu0}}
"""
BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: {usb}
  Wireless powered: false
  Charge counter: {charge}
  status: {status}
  health: 2
  present: true
  level: 75
  scale: 100
  voltage: 4156
  temperature: 301
  technology: Li-ion
[EventLogBuffer]
  level: 10
  temperature: 512
"""


def unavailable() -> str:
    """Why there are no phones here, or ""."""
    if shutil.which("adb") is None or not Path("/usr/sbin/adbd").exists():
        return "adb or adbd is not installed (.ci/phone does that)"
    if os.geteuid() != 0:
        return "adbd and its namespaces need root"
    tried = subprocess.run(
        ["unshare", "-n", "-m", "--pid", "--fork", "true"], capture_output=True, check=False
    )
    return "" if tried.returncode == 0 else "this machine gives no namespaces (unshare)"


def binary(folder: Path, kind: str = "classic") -> Path:
    """A `benchmark_model` to push to a phone; kind: `classic` or `litert`."""
    path = folder / f"benchmark_model_{kind}"
    path.write_text(_program("benchmark_model").replace('KIND = "classic"', f'KIND = "{kind}"'))
    return path


def _program(name: str) -> str:
    """One of our programs for a phone, with no site to look through: it starts a third sooner."""
    text = (HERE / f"{name}.py").read_text()
    folders = sorted({str(Path(p).parent.resolve()) for p in ai_edge_litert.__path__})
    return f"#!{sys.executable} -S\nimport sys\nsys.path += {folders}\n" + text


class Network:
    """A network namespace for phones and for the adb that talks to them."""

    def __init__(self) -> None:
        self.phones: list[Phone] = []
        self._holder = subprocess.Popen(
            ["unshare", "-n", "sh", "-c", "ip link set lo up && echo up && exec sleep 1000000"],
            stdout=subprocess.PIPE,
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"up\n"
        self._entered = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net"]

    def run(self, *command: object, timeout: float = 600, **options):
        """`command` inside, to its end."""
        return subprocess.run(
            [*self._entered, *map(str, command)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=self.environment(),
            check=False,
            **options,
        )

    def start(self, *command: object, **options) -> subprocess.Popen:
        """`command` inside, begun."""
        return subprocess.Popen(
            [*self._entered, *map(str, command)], env=self.environment(), **options
        )

    def lpie(self, *arguments: object, timeout: float = 600):
        """The real command line, inside."""
        words = [str(argument) for argument in arguments]
        where = (self._holder.pid, "lpie", words, self.environment(), Path.cwd())
        return Forked(run_in_network, *where).completed(timeout)

    def environment(self):
        """adb's: a server of this namespace; 5553 keeps it from finding a phone twice."""
        return {
            **os.environ,
            "ANDROID_ADB_SERVER_PORT": SERVER_PORT,
            "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553",
        }

    def phone(self, root: Path) -> "Phone":
        """Another phone, switched on and connected."""
        phone = Phone(self, root, 6555 + 2 * len(self.phones))
        self.phones.append(phone)
        return phone

    def close(self) -> None:
        """Everything off."""
        self.run("adb", "kill-server")
        for phone in self.phones:
            phone.off()
        self._holder.kill()
        self._holder.wait()


class Phone:
    """One phone. Its files, under `root`, can be read and changed from here."""

    def __init__(self, network: Network, root: Path, port: int) -> None:
        self.network, self.root, self.port = network, root, port
        self.serial = f"127.0.0.1:{port}"
        self.state, self.tmp = root / "state", root / "data/local/tmp"
        for folder in (self.state / "settings", self.tmp, root / "system", root / "sys"):
            folder.mkdir(parents=True)
        shutil.copytree(HERE / "tools", root / "system/bin")
        for name, text in SYS.items():
            path = root / "sys" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.reset()
        self.on()

    def reset(self) -> None:
        """As a phone lies on the table: cool, charging, its screen off."""
        number = self.port - 6554
        for setting in (self.state / "settings").iterdir():
            setting.unlink()
        self.write("properties", PROPERTIES.format(number=number))
        self.write("wakefulness", "Asleep\n")
        self.write("packages", "org.tensorflow.lite.benchmark\norg.lpie.demo\n")
        self.write("logcat", "")
        self.program("activity")
        self.program("benchmark_model")
        self.write("calls", "")
        self.write("faults.json", "[]")
        self.write("proc-meminfo", "MemTotal: 7812500 kB\nMemAvailable: 3906250 kB\n")
        self.write("meminfo", "MEMINFO in pid 1 [x]\n  EGL mtrack 1024 0\n   GL mtrack 2048 0\n")
        self.heat(0, 30.5)
        self.charge("true", 2)

    def write(self, name: str, text: str) -> None:
        """What a tool says from now on."""
        path = self.state / name
        path.write_text(text)

    def program(self, name: str) -> None:
        """One of our programs where the phone's tools find it."""
        path = self.state / name
        path.write_text(_program(name))
        path.chmod(0o755)

    def running(self, what: str) -> str:
        """The phone's own processes whose command line holds `what`."""
        words = ["adb", "-s", self.serial, "shell", f"pgrep -af '[{what[0]}]{what[1:]}'"]
        return self.network.run(*words).stdout

    def heat(self, status: int, skin: float) -> None:
        self.write("thermalservice", THERMAL.format(status=status, skin=skin))

    def charge(self, usb: str, status: int, *, charge_uah: int = 3456000) -> None:
        self.write("battery", BATTERY.format(usb=usb, status=status, charge=charge_uah))

    def faults(self, *faults: dict) -> None:
        """What goes wrong: {"when": parts of the command, "what": ..., "after": calls}."""
        self.write("faults.json", json.dumps(faults))

    def calls(self) -> str:
        """The tools' own record of what changed the phone."""
        return (self.state / "calls").read_text()

    def setting(self, name: str) -> str | None:
        path = self.state / "settings" / name
        return path.read_text().strip() if path.exists() else None

    def left(self) -> list[str]:
        """What lies in the folder that shells write to."""
        return sorted(path.name for path in self.tmp.iterdir())

    def on(self) -> None:
        shown = {str(Path(p).resolve()) for p in (sys.prefix, sys.base_prefix, HERE)}
        shown |= {str(Path(p).parent.resolve()) for p in ai_edge_litert.__path__}
        self._daemon = self.network.start(
            *("unshare", "-m", "--pid", "--fork"),
            *("--kill-child", HERE / "start.sh", self.root, self.port, *sorted(shown)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 300
        while time.monotonic() < until:
            said = self.network.run("adb", "connect", self.serial).stdout
            # It says "connected" of an offline one too.
            answer = self.network.run("adb", "-s", self.serial, "shell", "echo here").stdout
            if answer == "here\n":
                return
            time.sleep(0.1)
        raise AssertionError(f"the phone does not start: {said}")

    def off(self) -> None:
        """Unplugged: no goodbye."""
        with contextlib.suppress(ProcessLookupError):
            self._daemon.send_signal(signal.SIGKILL)
        self._daemon.wait()
