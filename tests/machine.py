"""What some tests need of the machine beyond Python: where it is, and what happens to those tests when it is not there.

``python -m tests.machine chromium`` prints the browser that the tests would use, and fails when there is none.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Set by CI: a test that cannot run for want of a program is then a failure.
SWITCH = "REQUIRE_EVERY_TEST"
# Set by CI: what looking up the lock for known vulnerabilities came to.
AUDIT = "LOCK_AUDIT"
MISSING = "not on this machine: "


def chromium():
    """Path of a Chromium: of the system, else the one that Playwright's installer brought, else None."""
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome"):
        found = shutil.which(name)
        # Ubuntu's chromium-browser without snap is a shell script that only says how to get one.
        if found and not (Path(found).read_bytes()[:2] == b"#!" and b"snap install" in Path(found).read_bytes()):
            return Path(found)
    if not playwright_starts():
        return None
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = Path(playwright.chromium.executable_path)
    return found if found.exists() else None


def playwright_starts():
    """Whether Playwright's driver, a node of its own, finds the system libraries that it asks for."""
    from playwright._impl._driver import compute_driver_executable

    return subprocess.run([*compute_driver_executable(), "--version"], capture_output=True, check=False).returncode == 0


def postgres():
    """Folder of the programs of the newest PostgreSQL server, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def missing(what, get):
    """Skip the test that asks, or fail it where every test is required.

    Parameters
    ----------
    what : str
        The program, e.g. ``"Chromium"``.
    get : str
        The command that brings it.
    """
    reason = f"{MISSING}{what} (get it: {get})"
    if os.environ.get(SWITCH):
        pytest.fail(f"{reason}; {SWITCH} is set", pytrace=False)
    pytest.skip(reason)


def closing_lines(skipped):
    """Tell of each missing program how many tests were skipped for it and how to get it, then what the audit came to.

    Parameters
    ----------
    skipped : iterable of pytest.TestReport
    """
    counts = {}
    for report in skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        _, found, what = reason.partition(MISSING)
        if found:
            counts[what] = counts.get(what, 0) + 1
    lines = [f"NOT RUN: {count} tests, for want of {what}" for what, count in sorted(counts.items())]
    return [*lines, *filter(None, [os.environ.get(AUDIT)])]


if __name__ == "__main__":
    place = chromium() if sys.argv[1:] == ["chromium"] else None
    if place is None:
        sys.exit(1)
    sys.stdout.write(f"{place}\n")
