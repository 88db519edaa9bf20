"""A phone, behind Debian's real adbd, is left exactly as it was, and cannot fill the memory."""

import shlex

import psutil
import pytest

from lpie.benchmarks.adb import adb as adb_module
from lpie.benchmarks.adb.adb import Adb, list_devices
from lpie.benchmarks.adb.failures import PhoneError
from lpie.benchmarks.adb.wake import STAY_ON, awake
from tests.device import phones

pytestmark = pytest.mark.skipif(bool(phones.unavailable()), reason=phones.unavailable() or "-")
SETTING = "stay_on_while_plugged_in"


@pytest.fixture(scope="module")
def the_phone(network, tmp_path_factory):
    return network.phone(tmp_path_factory.mktemp("phone"))


@pytest.fixture
def phone(the_phone):
    the_phone.reset()
    tool = the_phone.root / "system/bin/settings"
    whole = tool.read_text()
    yield the_phone
    tool.write_text(whole)


@pytest.fixture
def adb(network, phone, tmp_path):
    """The phone as the product reaches it: the real adb, in the phones' network."""
    variables = {k: v for k, v in network.environment().items() if k.startswith(("ADB", "ANDROID"))}
    words = shlex.join([*network._entered, "env", *(f"{k}={v}" for k, v in variables.items())])
    program = tmp_path / "adb"
    program.write_text(f'#!/bin/sh\nexec {words} adb "$@"\n')
    program.chmod(0o755)
    return Adb(str(program), phone.serial)


def break_tool(phone, when, answer):
    """From now on `settings WHEN` does what the shell command `answer` does."""
    tool = phone.root / "system/bin/settings"
    first, rest = tool.read_text().split("\n", 1)
    tool.write_text(f'{first}\n[ "$1" = {when} ] && {{ {answer}; exit; }}\n{rest}')


UNREADABLE = [
    'echo "cmd: Can\'t find service: settings"; exit 20',
    'echo "Error: java.lang.SecurityException"',
    "echo 3; exit 1",
    "true",
    "yes 7 | head -c 200000",
]


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("before", [None, "0", "3", "7"])
def test_the_setting_is_as_it_was(adb, phone, before, fails):
    if before is not None:
        (phone.state / "settings" / SETTING).write_text(before + "\n")

    def work():
        with awake(adb):
            assert phone.setting(SETTING) == STAY_ON
            assert (phone.state / "wakefulness").read_text() == "Awake\n"
            if fails:
                raise PhoneError("gone", "It went away.")

    if fails:
        with pytest.raises(PhoneError, match="went away"):
            work()
    else:
        work()
    assert phone.setting(SETTING) == before
    assert (phone.state / "wakefulness").read_text() == "Asleep\n"


@pytest.mark.parametrize("answer", UNREADABLE)
def test_a_setting_that_cannot_be_read_is_left_alone(adb, phone, answer):
    (phone.state / "settings" / SETTING).write_text("3\n")
    break_tool(phone, "get", answer)
    with awake(adb):
        assert phone.setting(SETTING) == "3"
        assert (phone.state / "wakefulness").read_text() == "Awake\n"
    assert phone.setting(SETTING) == "3"
    assert (phone.state / "wakefulness").read_text() == "Asleep\n"
    assert "put global" not in phone.calls()
    assert "delete global" not in phone.calls()


def test_a_setting_that_cannot_be_made_stays(adb, phone):
    (phone.state / "settings" / SETTING).write_text("3\n")
    break_tool(phone, "put", f'[ "$4" = {STAY_ON} ] && exit 1; echo "$4" >/state/settings/$3')
    with awake(adb):
        assert phone.setting(SETTING) == "3"
    assert phone.setting(SETTING) == "3"


def test_a_connection_that_breaks_before_the_end_is_tried_again(adb, phone):
    (phone.state / "settings" / SETTING).write_text("3\n")
    (phone.state / "broken").write_text("")
    with awake(adb):
        # The device's shell goes away with its connection, the first time.
        break_tool(
            phone,
            "put",
            "[ -e /state/broken ] && rm /state/broken && kill -9 $PPID $$; "
            'echo "$4" >/state/settings/$3',
        )
    assert phone.setting(SETTING) == "3"


@pytest.mark.parametrize("stream", ["", " >&2"])
def test_an_endless_answer_ends_and_takes_no_memory(adb, monkeypatch, stream):
    monkeypatch.setattr(adb_module, "MOST_PRINTED", 2_000_000)
    before = psutil.Process().memory_info().rss
    with pytest.raises(PhoneError, match="does not stop answering") as error:
        adb.shell(f"yes lpie{stream}", limit_s=600)
    assert error.value.kind == "endless"
    assert psutil.Process().memory_info().rss - before < 50_000_000
    assert adb.shell("echo here").text == "here\n"


def test_an_endless_file_ends(adb, phone, monkeypatch, tmp_path):
    monkeypatch.setattr(adb_module, "MOST_PULLED", 1_000_000)
    (phone.tmp / "endless").write_bytes(b"x" * 3_000_000)
    with pytest.raises(PhoneError, match="does not stop answering"):
        adb.pull("/data/local/tmp/endless", tmp_path / "file")


def test_long_answers_within_the_limit_are_whole(adb):
    printed = adb.shell("head -c 3000000 /dev/zero | tr '\\0' x; exit 3")
    assert (printed.text, printed.code) == ("x" * 3_000_000, 3)


def test_an_answer_without_an_end_is_cut_off_at_its_limit(adb):
    with pytest.raises(PhoneError, match="did not end `shell`"):
        adb.shell("while echo x; do sleep 0.1; done", limit_s=0.5)


def test_what_a_device_says_of_itself_moves_no_cursor(tmp_path):
    path = tmp_path / "adb"
    path.write_text(
        "#!/bin/sh\nprintf 'List of devices attached\\nA1 device model:\\033[31mX\\007\\n'\n"
    )
    path.chmod(0o755)
    (listed,) = list_devices(str(path))
    assert listed.about.isprintable()
    assert listed.serial == "A1"
