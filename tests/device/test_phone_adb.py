"""What adb says, and what we say then; its programs here only print the real texts."""

import os
import subprocess
import sys

import pytest

from lpie.benchmarks.adb.adb import Adb, choose, find_adb, list_devices
from lpie.benchmarks.adb.failures import PhoneError
from lpie.errors import InputError
from tests.conftest import assert_one_sentence, run_lpie, wait_until

LIST = """* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
R58M12ABCDE            device usb:1-3 product:o1sxx model:SM_G991B device:o1s transport_id:1
43212600473            unauthorized usb:1-2.2 transport_id:39
emulator-5556          offline transport_id:2
R58M123       no permissions (missing udev rules? user is in the plugdev group); see \
[http://developer.android.com/tools/device.html] usb:1-2 transport_id:4
adb-R58M-abc (2)._adb-tls-connect._tcp device product:x transport_id:7
0a1b2c  authorizing transport_id:9
77 recovery usb:1-1

"""
UNAUTHORIZED = """error: device unauthorized.
This adb server's $ADB_VENDOR_KEYS is not set
Try 'adb kill-server' if that seems wrong.
Otherwise check for a confirmation dialog on your device.
"""


@pytest.fixture
def adb(tmp_path):
    """Makes an adb that prints `out` and `err`, and ends with `code`."""

    def make(out="", err="", code=0, sleep=0):
        (tmp_path / "out").write_text(out)
        (tmp_path / "err").write_text(err)
        path = tmp_path / "adb"
        path.write_text(
            f"#!/bin/sh\ntouch {tmp_path}/called\nsleep {sleep}\n"
            f"cat {tmp_path}/out\ncat {tmp_path}/err >&2\nexit {code}\n"
        )
        path.chmod(0o755)
        return str(path)

    return make


def test_the_list_of_devices(adb):
    found = {each.serial: each for each in list_devices(adb(LIST))}
    assert [each.state for each in found.values()] == [
        "device",
        "unauthorized",
        "offline",
        "no permissions (missing udev rules? user is in the plugdev group); see "
        "[http://developer.android.com/tools/device.html]",
        "device",
        "authorizing",
        "recovery",
    ]
    assert found["R58M12ABCDE"].about.startswith("usb:1-3 product:o1sxx model:SM_G991B")
    assert "adb-R58M-abc (2)._adb-tls-connect._tcp" in found
    assert choose(list(found.values()), ["all"]) == [
        "R58M12ABCDE",
        "adb-R58M-abc (2)._adb-tls-connect._tcp",
    ]


@pytest.mark.parametrize(
    ("serial", "kind", "words"),
    [
        ("43212600473", "unauthorized", "unlock it and confirm the question about USB debugging"),
        ("0a1b2c", "unauthorized", "still being authorized"),
        ("emulator-5556", "offline", "adb reconnect offline"),
        ("R58M123", "no permission", "udev rules"),
        ("77", "not started", "start it and wait"),
    ],
)
def test_one_that_cannot_be_used_says_why(adb, serial, kind, words):
    with pytest.raises(PhoneError, match=words) as caught:
        choose(list_devices(adb(LIST)), [serial])
    assert caught.value.kind == kind
    assert serial in str(caught.value)


def test_a_typo_in_a_serial_names_the_nearest(adb):
    with pytest.raises(InputError, match="Did you mean 'R58M12ABCDE'"):
        choose(list_devices(adb(LIST)), ["R58M12ABCDF"])


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (UNAUTHORIZED, "unauthorized"),
        ("error: insufficient permissions for device: missing udev rules?", "no permission"),
        ("error: device offline", "offline"),
        ("error: no devices/emulators found", "no device"),
        ("error: more than one device/emulator", "several devices"),
        ("error: device 'X' not found", "gone"),
        ("error: closed", "gone"),
        ("adb: error: couldn't read from device", "gone"),
        ("* failed to start daemon\nerror: cannot connect to daemon", "no daemon"),
        ("something new", "adb"),
        ("", "gone"),
    ],
)
def test_each_failure_has_its_kind(adb, said, kind):
    with pytest.raises(PhoneError) as caught:
        Adb(adb(err=said, code=1), "X").shell("true")
    assert caught.value.kind == kind
    assert str(caught.value).endswith(".")


def test_a_device_cannot_colour_the_terminal(adb):
    with pytest.raises(PhoneError) as caught:
        Adb(adb(err="adb: \x1b[31mred\x07", code=1), "X").shell("true")
    assert str(caught.value) == r"adb failed on X: adb: \x1b[31mred\x07."


def test_a_full_device_says_so(adb, tmp_path):
    said = (
        "adb: error: failed to copy 'm' to '/data/m': remote write failed: No space left on device"
    )
    with pytest.raises(PhoneError, match="no space left"):
        Adb(adb(err=said, code=1), "X").push(tmp_path / "out", "/data/m")


def test_words_arrive_as_they_are(tmp_path):
    """Whatever a file is called: nothing in it is run here, nor by the device's shell."""
    path = tmp_path / "adb"
    path.write_text('#!/bin/sh\nfor last; do :; done\nexec sh -c "$last"\n')
    path.chmod(0o755)
    nasty = ["a b", "$(touch /tmp/lpie-was-here)", "'; false; '", '"x"', "`id`", "*", "-n"]
    printed = Adb(str(path), "X").shell(["printf", "%s\\n", *nasty])
    assert printed.text.splitlines() == nasty
    assert printed.code == 0
    assert not os.path.exists("/tmp/lpie-was-here")


def test_a_hung_call_ends_at_its_limit(adb):
    with pytest.raises(PhoneError, match="did not end `shell`") as caught:
        Adb(adb(sleep=1_000_000), "X").shell("true", limit_s=0.3)
    assert caught.value.kind == "hung"


def test_a_hung_daemon_says_what_to_do(adb, monkeypatch):
    monkeypatch.setattr("lpie.benchmarks.adb.adb.LIMIT_S", 0.3)
    with pytest.raises(PhoneError, match="adb kill-server"):
        list_devices(adb(sleep=60))


def test_where_adb_is_looked_for(adb, monkeypatch, tmp_path):
    monkeypatch.setenv("ADB", adb())
    assert find_adb() == str(tmp_path / "adb")
    with pytest.raises(InputError, match="not an executable adb"):
        find_adb("/nowhere/adb")
    monkeypatch.delenv("ADB")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_adb() == str(tmp_path / "adb")


def test_without_any_adb_the_command_says_how_to_get_one(tmp_path):
    result = run_lpie("bench", "denoise", "--device", "all", env={"PATH": str(tmp_path), "ADB": ""})
    if "is not installed" in result.stderr or "No device" in result.stderr:
        pytest.skip("adbutils is installed here, which brings an adb")
    assert_one_sentence(result, 2, "adb was not found", "pip install 'lpie[adb]'")


@pytest.mark.parametrize(
    ("out", "arguments", "words"),
    [
        ("List of devices attached\n\n", ["--device", "all"], "No device is connected"),
        (LIST, ["--device", "43212600473"], "43212600473 does not trust this computer"),
        (LIST, ["--device", "R58M123"], "join the group plugdev"),
    ],
)
def test_command_line(adb, out, arguments, words):
    result = run_lpie("bench", "denoise", *arguments, "--adb", adb(out))
    assert_one_sentence(result, 1, words)


def test_the_list_in_the_terminal(adb):
    result = run_lpie("bench", "--devices", "--adb", adb(LIST))
    assert result.returncode == 0
    assert "R58M12ABCDE" in result.stdout
    assert "43212600473 does not trust this computer yet" in result.stderr


def test_a_call_does_not_outlive_ctrl_c(adb, tmp_path):
    """adb hangs; the command ends at once all the same."""
    program = adb(sleep=1_000_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "lpie", "bench", "--devices", "--adb", program],
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until((tmp_path / "called").exists, process)
    process.send_signal(2)
    assert process.wait() == 130
