"""How long each file of tests takes: the longest begin first, so that all workers end together.

`make durations` measures them anew, into durations.json.
"""

import json
from collections import defaultdict
from pathlib import Path

import pytest

FILE = Path(__file__).with_name("durations.json")
LEAST_S = 1.0  # tests that take less are written down in one sum for their file
REST = "all others"


def pytest_addoption(parser):
    parser.addoption(
        "--write-durations", action="store_true", help=f"Write the durations to {FILE.name}."
    )


def pytest_configure(config):
    if config.getoption("write_durations") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Clock())


def seconds_of_files(path=FILE):
    """The seconds of every file of tests."""
    if not path.exists():
        return {}
    tests = json.loads(path.read_text())
    return {name: sum(durations.values()) for name, durations in tests.items()}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Files in the order of their durations; one that was never measured counts as long."""
    seconds = seconds_of_files()
    items.sort(key=lambda item: -seconds.get(item.nodeid.partition("::")[0], 60.0))


class _Clock:
    """Adds up what each test took, with its fixtures, in the process that prints the results."""

    def __init__(self):
        self.seconds = defaultdict(lambda: defaultdict(float))

    def pytest_runtest_logreport(self, report):
        file, _, test = report.nodeid.partition("::")
        self.seconds[file][test] += report.duration

    def pytest_sessionfinish(self):
        FILE.write_text(json.dumps(self._table(), indent=1) + "\n")

    def _table(self):
        table = {}
        for file, tests in sorted(self.seconds.items()):
            table[file] = {t: round(s, 1) for t, s in sorted(tests.items()) if s >= LEAST_S}
            table[file][REST] = round(sum(s for s in tests.values() if s < LEAST_S), 1)
        return table
