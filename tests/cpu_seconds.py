"""CPU seconds of the tests by folder, of the dearest files and tests: ``python -m pytest -p tests.cpu_seconds ...``.

Wall time hangs on what else the machine does; CPU time hardly. A test pays for the fixtures that it is the first to ask
for and for child processes once they are waited for; those forked by :mod:`tests.forked` are not counted.
"""

from __future__ import annotations

import os
from collections import Counter

import pytest

_NAME = "cpu_seconds"


def _spent() -> float:
    return sum(os.times()[:4])


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item):
    """Note when a test begins."""
    item.stash[_BEGAN] = _spent()
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    """Tell with the last report, which travels from a worker to whoever prints."""
    if call.when == "teardown":
        item.user_properties.append((_NAME, _spent() - item.stash[_BEGAN]))


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter):
    """Sums, the dearest eighty files, the dearest eighty tests."""
    tests: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "teardown":
                tests[report.nodeid] = dict(report.user_properties)[_NAME]
    files: Counter[str] = Counter()
    for name, seconds in tests.items():
        files[name.split("::")[0]] += seconds
    folders: Counter[str] = Counter()
    for name, seconds in files.items():
        folders[name.rpartition("/")[0]] += seconds
    terminalreporter.section(f"{sum(tests.values()):.0f} CPU seconds")
    for name, seconds in [*folders.most_common(), *files.most_common(80), *tests.most_common(80)]:
        terminalreporter.write_line(f"{seconds:8.1f} {name}")


_BEGAN = pytest.StashKey[float]()
