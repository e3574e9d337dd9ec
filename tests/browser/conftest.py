"""One demo portfolio, one server and one Chromium for all tests of the pages."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from api.pages.passwords import hash_password
from tests import machine
from tests.browser.reading import MANAGER, PASSWORD, log_in

ROOT = Path(__file__).parents[2]
_FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Processes that nobody asked for: one kept ready for the next page, and one a site.
    "--disable-features=SpareRendererForSitePerProcess",
    "--disable-site-isolation-trials",
    "--renderer-process-limit=1",
]


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return held.getsockname()[1]


@pytest.fixture(scope="session")
def server(demo_site, tmp_path_factory):
    """Address of a running application on the demo portfolio."""
    port = free_port()
    told = json.loads((demo_site / "site.json").read_text())["environment"]
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RECOMMENDER_")},
        **told,
        "RECOMMENDER_MANAGERS": json.dumps({MANAGER: hash_password(PASSWORD)}),
        "RECOMMENDER_LOGIN_RATE_LIMIT": "1000/minute",
        "OMP_NUM_THREADS": "1",
    }
    log = (tmp_path_factory.mktemp("server") / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "api.serve", "--port", str(port)], cwd=ROOT, env=environment, stdout=log, stderr=log
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"{address}/en/login", timeout=1):  # noqa: S310 - our own address
                    break
            except OSError:
                if process.poll() is not None:
                    pytest.fail(f"the server did not start: {Path(log.name).read_text()[-2000:]}")
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        log.close()


@pytest.fixture(scope="session")
def chromium():
    """A browser; without one the tests that ask for it are skipped, or fail where every test is required."""
    from playwright.sync_api import Error, sync_playwright

    place = machine.chromium()
    get = "make test as root, or: apt-get install -y chromium fonts-liberation libatomic1"
    if place is None or not machine.playwright_starts():
        machine.missing("Chromium" if place is None else "what Playwright's driver needs", get)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(
                executable_path=place, headless=True, chromium_sandbox=False, args=_FLAGS
            )
        except Error as error:
            if "shared libraries" not in str(error):
                raise
            machine.missing("the system libraries of Chromium", get)
        yield browser
        browser.close()


@pytest.fixture
def chromium_on_path(chromium, tmp_path_factory, monkeypatch):
    """The same browser under the name by which a program looks for one."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "chromium").symlink_to(machine.chromium())
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


@pytest.fixture(scope="session")
def session_state(chromium, server):
    """Cookies of a manager who is logged in."""
    context = chromium.new_context()
    page = context.new_page()
    log_in(page, server)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def open_page(chromium, server, session_state):
    """Open a page as the logged-in manager: ``open_page("/es/results", width=390, theme="dark")``."""
    contexts = []

    def opened(path, *, width=1440, theme="light", scripts=True, logged_in=True):
        context = chromium.new_context(
            base_url=server,
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            java_script_enabled=scripts,
            storage_state=session_state if logged_in else None,
        )
        context.set_default_timeout(60_000)
        contexts.append(context)
        page = context.new_page()
        page.requests_made, page.complaints = [], []
        page.on("request", lambda request: page.requests_made.append(request.url))
        page.on("console", lambda said: page.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.answer = page.goto(path)
        return page

    yield opened
    for context in contexts:
        context.close()
