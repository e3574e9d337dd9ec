"""``train --dask``: the trees of the blend from a cluster, the rest from here, an ordinary strategy in the end."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import recommender.distributed
from pipelines.__main__ import build_app
from recommender import ContactStrategy
from recommender.distributed import cluster

ROOT = Path(__file__).parents[2]
N = 2_000


def portfolio(n, seed):
    """What works hangs on a range of x, which lines do not see and trees do; the chances are known."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"x": rng.uniform(-2, 2, n), "kind": rng.choice(list("abc"), n)})
    chance = 0.1 + 0.5 * ((np.abs(frame["x"].to_numpy()) > 1)[:, None] == (np.arange(3) == 0)[None])
    arm = rng.integers(0, 3, n)
    frame["channel"] = np.array(["call", "mail", "sms"])[arm]
    frame["reward"] = (rng.random(n) < chance[np.arange(n), arm]).astype(float)
    return frame, chance


def train(log, out, *words):
    """Run the verb."""
    entries = ["train", str(log), "--factor", "channel", "--out", str(out), "--jobs", "1", *words]
    result = CliRunner().invoke(build_app(), entries, env={"COLUMNS": "200"})
    assert result.exit_code == 0, (result.output, result.exception)
    return ContactStrategy.load(out), result.output


def test_a_strategy_boosted_on_two_workers_is_as_good_as_one_from_here(tmp_path, monkeypatch):
    """Log-loss on fresh decisions within 1 % of one machine's; what is saved is loaded and asked as any other."""
    monkeypatch.setattr(recommender.distributed, "cluster", lambda address: cluster(address, n_workers=2))
    portfolio(N, seed=0)[0].to_parquet(tmp_path / "log.parquet")
    here, _ = train(tmp_path / "log.parquet", tmp_path / "here")
    there, entries = train(tmp_path / "log.parquet", tmp_path / "there", "--dask", "local", "--dask-minutes", "5")
    assert f"{N:,} rows and 2 workers" in entries
    assert there.trained_on_["n_boosted"] == N
    members = [strategy.reward_model_.parts["event"] for strategy in (here, there)]
    assert members[0].weights == members[1].weights
    assert members[0].weights["trees"] > 0.2
    assert [len(member.trees["trees"].boosters) for member in members] == [5, 1]

    fresh, chance = portfolio(4_000, seed=1)

    def loss(strategy):
        expected = strategy.expected_reward(fresh)
        assert expected.shape == chance.shape
        return -float(np.mean(chance * np.log(expected) + (1 - chance) * np.log(1 - expected)))

    least = -float(np.mean(chance * np.log(chance) + (1 - chance) * np.log(1 - chance)))
    assert loss(there) == pytest.approx(loss(here), rel=0.01)
    assert loss(there) < 1.05 * least
    ranked = there.recommend(fresh.head(20), as_of="2026-11-23T13:00:00+00:00", explore=False)
    assert ranked.groupby("row")["rank"].min().eq(1).all()


def test_without_the_extra_it_is_one_clear_message(tmp_path):
    """Dask is not installed: said before the log is read, with the command that installs it."""
    (tmp_path / "distributed.py").write_text(
        'raise ModuleNotFoundError("No module named \'distributed\'", name="distributed")\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "train", "no-such-log.parquet", "--dask", "local"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert 'pip install "recommender[distributed]"' in done.stderr
    assert "Traceback" not in done.stderr
    assert "no-such-log" not in done.stderr
