"""``train --tune``: a resumable study whose trials are runs under that of the training."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner, Result

from pipelines.train import register
from recommender import ContactStrategy
from recommender.learning.reward import RewardModel
from recommender.proof import tuning

N = 400


class Flat:
    """Stands in for the reward model in trials: blurred as far as the rate is off, in no time."""

    dies_at: int | None = None
    fits = 0

    def fit(self, past: Any, *, tree_settings: Any = None, **_: Any) -> Flat:  # noqa: ARG002
        Flat.fits += 1
        if Flat.fits == Flat.dies_at:
            raise KeyboardInterrupt
        self.blur = 0.1 * abs(np.log((0.05 if tree_settings is None else tree_settings.learning_rate) / 0.02))
        return self

    def expected_reward(self, context: pd.DataFrame) -> np.ndarray:
        noise = np.random.default_rng(0).normal(size=(len(context), 3))
        return np.clip(truth(context) + self.blur * noise, 0.01, 0.99)


def truth(context: pd.DataFrame) -> np.ndarray:
    """A call works for one half of the debtors."""
    return 0.2 + 0.5 * ((context["x"].to_numpy() > 0)[:, None] == (np.arange(3) == 0)[None])


@pytest.fixture
def place(registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a log and an empty registry."""
    assert registry.tracking_uri.endswith("mlflow.db")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=N), "channel": rng.choice(["call", "mail", "sms"], N), "p": 1 / 3})
    arm = frame["channel"].map({"call": 0, "mail": 1, "sms": 2}).to_numpy()
    frame["reward"] = (rng.random(N) < truth(frame)[np.arange(N), arm]).astype(float)
    frame["t"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(N), unit="h")
    frame.to_parquet(tmp_path / "log.parquet")
    monkeypatch.setattr(tuning, "RewardModel", Flat)
    Flat.dies_at, Flat.fits = None, 0
    return tmp_path


def train(place: Path, *words: str) -> Result:
    """Run the verb with a search in ``place``."""
    app = typer.Typer()
    register(app)
    roles = ["--factor", "channel", "--propensity", "p", "--time", "t"]
    where = ["--registry-uri", f"sqlite:///{place / 'mlflow.db'}", "--artifacts", str(place / "artefacts")]
    told = ["--out", str(place / "strategy"), "--study", str(place / "study.log"), "--jobs", "1"]
    call = [str(place / "log.parquet"), *roles, *where, *told, *words]
    return CliRunner().invoke(app, call, env={"COLUMNS": "200"})


def runs(place: Path) -> pd.DataFrame:
    """Runs in the registry's database, read without MLflow."""
    query = (
        "select r.run_uuid, r.name, r.status, t.value as parent, m.value as objective from runs r "
        "left join tags t on t.run_uuid = r.run_uuid and t.key = 'mlflow.parentRunId' "
        "left join latest_metrics m on m.run_uuid = r.run_uuid and m.key = 'objective' order by r.start_time, r.name"
    )
    with closing(sqlite3.connect(place / "mlflow.db")) as database:
        return pd.read_sql_query(query, database)


def test_a_killed_search_is_gone_on_with_under_the_same_run(place: Path) -> None:
    """Trials of both sessions hang under one parent, which ends as the run of the training with tuned settings."""
    Flat.dies_at = 6
    died = train(place, "--tune", "--tune-trials", "8")
    assert died.exit_code != 0
    before = runs(place)
    assert before.loc[before["parent"].isna(), "status"].tolist() == ["RUNNING"]

    refused = train(place, "--tune", "--tune-trials", "8")
    assert "--resume" in str(refused.exception)

    Flat.dies_at = None
    done = train(place, "--tune", "--tune-trials", "8", "--resume")
    assert done.exit_code == 0, done.output
    assert "8 trials" in done.output
    assert "gain of tuned" in done.output
    after = runs(place)
    parent = after.loc[after["parent"].isna()]
    assert parent["status"].tolist() == ["FINISHED"]
    trials = after.loc[after["parent"].notna()]
    assert len(trials) == 8
    assert set(trials["parent"]) == set(parent["run_uuid"])
    assert trials["objective"].iloc[0] == 0.0
    settings = ContactStrategy.load(place / "strategy").tree_settings
    assert settings is not None
    assert trials["objective"].max() > 0
    kept = list((place / "artefacts").rglob("tuning.txt"))
    assert len(kept) == 1
    assert str(settings["learning_rate"])[:8] in kept[0].read_text(encoding="utf-8")


def test_more_trials_later_are_a_run_of_their_own(place: Path) -> None:
    """What a finished run says of its training stays; a study of other decisions harms nothing when it is refused."""
    assert train(place, "--tune", "--tune-trials", "2").exit_code == 0
    assert train(place, "--tune", "--tune-trials", "3", "--resume").exit_code == 0
    held = runs(place)
    assert held.loc[held["parent"].isna(), "status"].tolist() == ["FINISHED", "FINISHED"]
    assert held["parent"].value_counts().tolist() == [2, 1]

    other = train(place, "--tune", "--tune-trials", "3", "--resume", "--seed", "1")
    assert "other decisions" in str(other.exception)
    assert runs(place).loc[lambda r: r["parent"].isna(), "status"].tolist() == ["FINISHED", "FINISHED", "FAILED"]


def test_tuning_is_off_by_default(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain training runs no trial, opens no registry and leaves the settings alone."""
    fitted: list[Any] = []
    fit = RewardModel.fit
    monkeypatch.setattr(
        RewardModel, "fit", lambda self, *a, **k: fitted.append(k["tree_settings"]) or fit(self, *a, **k)
    )
    assert train(place).exit_code == 0
    assert fitted == [None]
    assert Flat.fits == 0
    assert runs(place).empty
    assert train(place, "--resume").exit_code == 2
