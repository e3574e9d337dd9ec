"""``score`` as a process: killed in the middle, asked again, and what it says meanwhile."""

import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from pipelines.score_progress import progress_on
from tests.store.plan_portfolio import portfolio, write

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """Score 120 accounts, some fifteen chunks."""
    folder = tmp_path_factory.mktemp("score")
    accounts, contacts = write(folder, *portfolio(120, seed=1))
    options = ["--strategy", str(folder / "none"), "--as-of", "2026-11-23T08:00:00-05:00", "--chunk-rows", "8"]
    options += ["--other-accounts"]
    return [sys.executable, "-m", "pipelines", "score", str(accounts), "--contacts", str(contacts), *options]


def test_a_killed_run_is_resumed_without_loss_or_duplicates(command, tmp_path):
    """SIGKILL in the middle, the same command again: the very bytes of a run that nobody killed."""
    calm, killed = tmp_path / "calm.parquet", tmp_path / "killed.parquet"
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    started = subprocess.Popen(
        [*command, "--out", str(killed)], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    parts = tmp_path / "killed.parquet.parts" / "parts"
    until = time.monotonic() + 600
    while len(list(parts.glob("*.arrow"))) < 4:
        assert started.poll() is None and time.monotonic() < until
        time.sleep(0.005)
    started.send_signal(signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    started.stderr.close()
    finished = {path.name: path.stat().st_mtime_ns for path in parts.glob("*.arrow")}
    assert 4 <= len(finished) < 15
    assert not killed.exists()
    # The process that was killed is what is asked about; the others may be this one.
    for out in (killed, calm):
        done = CliRunner().invoke(build_app("score"), [*command[command.index("score") :], "--out", str(out)])
        assert done.exit_code == 0, (done.output, done.exception)
        assert ("resuming" in done.stdout) == (out == killed)
    assert killed.read_bytes() == calm.read_bytes()
    plan = pd.read_parquet(calm)
    assert plan["row"].nunique() == plan["decision_id"].nunique() == 120
    assert not (tmp_path / "killed.parquet.parts").exists()


@pytest.mark.parametrize("dumb", [False, True])
def test_without_a_terminal_a_line_comes_now_and_then(dumb):
    """Accounts, rate and time left, at most every thirty seconds; silence in a short run; so on a dumb one."""
    told = io.StringIO()
    now = [0.0]
    console = Console(file=told, width=100, force_terminal=dumb, _environ={"TERM": "dumb"})
    with progress_on(console, clock=lambda: now[0], every=30.0) as tell:
        tell(0, 0, 1_000)
        for finished in range(100, 1_001, 100):
            now[0] += 10.0
            tell(finished, 0, 1_000)
    lines = told.getvalue().splitlines()
    assert lines[0] == "planned 300 of 1,000 accounts, 10 a second, 0:01:10 left"
    assert len(lines) == 3


def test_on_a_terminal_a_bar_shows_the_rate():
    """The bar tells the rate of this run, what was resumed not counted."""
    told = io.StringIO()
    now = [0.0]
    console = Console(file=told, force_terminal=True, width=100, _environ={"TERM": "xterm"})
    with progress_on(console, clock=lambda: now[0]) as tell:
        tell(500, 500, 1_000)
        now[0] = 10.0
        tell(700, 500, 1_000)
    assert "20/s" in told.getvalue()
    assert "700/1000" in told.getvalue()
