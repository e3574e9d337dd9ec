"""Tuning is seeded, resumable, reported, and never worse than the defaults on its objective."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.learning.training_set import TrainingSet
from recommender.learning.trees.action_trees import TreeSettings
from recommender.learning.trees.tree_search import SEARCH_SPACE, tree_settings
from recommender.proof import forward_value, tuning
from recommender.proof.forward_value import Tally, compare
from recommender.proof.tuning import _table

optuna.logging.set_verbosity(optuna.logging.WARNING)

SPACE = ActionSpace({"channel": ["call", "sms"], "hour": [9, 12, 18]})
N = 1_200


def truth(context: pd.DataFrame) -> np.ndarray:
    """True response probability of every action."""
    call = np.arange(len(SPACE)) < 3
    return 0.2 + 0.3 * (call[None] == (context["x"].to_numpy() > 0)[:, None])


@pytest.fixture(scope="module")
def training() -> TrainingSet:
    """A small log in time order, two contacts a debtor."""
    rng = np.random.default_rng(0)
    action = rng.integers(0, len(SPACE), N)
    context = pd.DataFrame({"x": rng.normal(size=N)})
    reward = (rng.random(N) < truth(context)[np.arange(N), action]).astype(float)
    propensity = np.full(N, 1 / len(SPACE))
    return TrainingSet(
        context, (), SPACE, action, reward, "binary", propensity, np.arange(N) // 2, np.arange(N, dtype=float)
    )


class KnownQuality:
    """Stands in for the reward model: knows the truth, blurred the more the settings are off their best."""

    fits = 0
    dies_at: int | None = None
    best_rate: float | None = 0.02

    def fit(self, past: TrainingSet, *, tree_settings: TreeSettings | None = None, **_: Any) -> KnownQuality:  # noqa: ARG002
        KnownQuality.fits += 1
        if KnownQuality.fits == KnownQuality.dies_at:
            raise KeyboardInterrupt  # nothing of the search runs after it, as after a kill
        rate = 0.05 if tree_settings is None else tree_settings.learning_rate
        best = KnownQuality.best_rate
        self.blur = 0.02 if best is None and tree_settings is None else abs(np.log(rate / (best or 0.001)))
        return self

    def expected_reward(self, context: pd.DataFrame) -> np.ndarray:
        noise = np.random.default_rng(5).normal(size=(len(context), len(SPACE)))
        return np.clip(truth(context) + 0.25 * self.blur * noise, 0.01, 0.99)


@pytest.fixture(autouse=True)
def known_quality(monkeypatch: pytest.MonkeyPatch) -> None:
    """Searches are tested with a model of known quality; one test below takes the real one."""
    monkeypatch.setattr(tuning, "RewardModel", KnownQuality)
    monkeypatch.setattr(forward_value, "cross_fit_rewards", lambda context, *_, **__: truth(context))
    KnownQuality.fits, KnownQuality.dies_at, KnownQuality.best_rate = 0, None, 0.02


def trials_of(journal: Path) -> list[optuna.trial.FrozenTrial]:
    """Finished trials of a journal."""
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
    trials = optuna.load_study(study_name="tree-settings", storage=storage).trials
    return [trial for trial in trials if trial.state.is_finished() and trial.state.name != "FAIL"]


def test_better_settings_are_found_and_shown_beside_the_default(training: TrainingSet) -> None:
    """Where the default blurs the truth, the search finds settings that gain in value, and the table says so."""
    told: list[dict[str, Any]] = []
    result = tuning.tune(training, n_trials=25, report=told.append)
    assert result.settings is not None
    assert result.settings == result.best
    assert abs(np.log(result.settings["learning_rate"] / 0.02)) < abs(np.log(0.05 / 0.02))
    assert result.objective > 0
    assert result.table.index.tolist() == ["default", "tuned", "gain of tuned"]
    gain = result.table.loc["gain of tuned"]
    assert gain["loss"] > 0
    assert gain["value_low"] <= gain["value"] <= gain["value_high"]
    assert gain["value"] == pytest.approx(result.table.loc["tuned", "value"] - result.table.loc["default", "value"])
    assert [trial["number"] for trial in told] == list(range(25))
    assert told[0]["value"] == 0.0
    assert result.n_pruned == sum(trial["state"] == "PRUNED" for trial in told) > 0
    assert result.n_finished == 25


def test_defaults_stay_where_nothing_beats_them(training: TrainingSet) -> None:
    """The defaults are the first trial, so the result is never worse on the objective."""
    KnownQuality.best_rate = None
    result = tuning.tune(training, n_trials=6)
    assert result.settings is None
    assert result.objective == 0.0
    assert result.table.index.tolist() == ["default"]
    assert "no trial beat" in result.kept
    assert len(result.study.trials) == 6
    assert result.study.best_value == result.objective


def test_what_is_clearly_worse_on_rows_no_trial_saw_is_dropped(
    training: TrainingSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings that win the search and lose the newest fifth clearly are reported, not used."""

    class Turns(KnownQuality):
        def fit(self, past: TrainingSet, *, tree_settings: TreeSettings | None = None, **_: Any) -> KnownQuality:
            super().fit(past, tree_settings=tree_settings)
            newest = past.order is not None and past.order.max() > 0.75 * N
            if newest:
                self.blur = 0.02 if tree_settings is None else 8.0
            return self

    monkeypatch.setattr(tuning, "RewardModel", Turns)
    result = tuning.tune(training, n_trials=12)
    assert result.best is not None
    assert result.settings is None
    assert "clearly worse" in result.kept


@pytest.mark.parametrize("dies_at", [2, 8, 20])
def test_a_killed_study_goes_on_to_the_same_end(training: TrainingSet, tmp_path: Path, dies_at: int) -> None:
    """Wherever it is interrupted, the resumed study asks and finds what an uninterrupted one does."""
    whole = tuning.tune(training, n_trials=12, journal=str(tmp_path / "whole.log"))
    KnownQuality.fits, KnownQuality.dies_at = 0, dies_at
    broken = tmp_path / "broken.log"
    with pytest.raises(KeyboardInterrupt):
        tuning.tune(training, n_trials=12, journal=str(broken))
    KnownQuality.dies_at = None
    told: list[dict[str, Any]] = []
    resumed = tuning.tune(training, n_trials=12, journal=str(broken), report=told.append)
    assert len(told) < 12 or dies_at == 2
    assert [t.params for t in trials_of(broken)] == [t.params for t in trials_of(tmp_path / "whole.log")]
    assert [t.value for t in trials_of(broken)] == [t.value for t in trials_of(tmp_path / "whole.log")]
    assert resumed.settings == whole.settings
    pd.testing.assert_frame_equal(resumed.table, whole.table)


def test_the_budget_ends_the_search_but_never_the_default(training: TrainingSet, tmp_path: Path) -> None:
    """Without time left the default is still judged, and the open trial is taken up by the next session."""
    journal = str(tmp_path / "journal.log")
    result = tuning.tune(training, n_trials=5, go_on=lambda: False, journal=journal)
    assert result.n_finished == 1
    assert result.settings is None
    again = tuning.tune(training, n_trials=5, journal=journal)
    assert again.n_finished == 5
    assert again.objective == tuning.tune(training, n_trials=5).objective


def test_the_seed_decides(training: TrainingSet) -> None:
    """The same seed finds the same settings, another one asks other questions."""
    first, second, other = (tuning.tune(training, n_trials=6, random_state=seed) for seed in (1, 1, 2))
    assert first.best == second.best
    assert first.best != other.best


def test_a_study_of_another_log_is_refused(training: TrainingSet, tmp_path: Path) -> None:
    """A journal remembers the decisions that it judged on."""
    journal = str(tmp_path / "journal.log")
    tuning.tune(training, n_trials=1, journal=journal)
    with pytest.raises(InvalidInput, match="other decisions"):
        tuning.tune(training.take(np.arange(N - 1)), n_trials=2, journal=journal)


def test_too_few_rows_are_refused(training: TrainingSet) -> None:
    """A hundred decisions cannot choose settings."""
    with pytest.raises(InvalidInput, match="at least 200"):
        tuning.tune(training.take(np.arange(100)))


def test_settings_fit_logs_of_any_length() -> None:
    """The smallest leaf is a share of the rows; unknown names and values outside their range are refused."""
    assert tree_settings({"leaf_share": 1e-3}, 20_000).min_leaf == 20
    assert tree_settings({"leaf_share": 1e-3}, 200_000).min_leaf == 200
    assert tree_settings({}, 100).n_leaves == SEARCH_SPACE["n_leaves"].usual
    with pytest.raises(InvalidInput, match="depth"):
        tree_settings({"depth": 3}, 100)
    with pytest.raises(InvalidInput, match="l2"):
        tree_settings({"l2": -1.0}, 100)


def test_the_real_model_takes_the_settings(training: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two trials with the reward model itself: finite objectives and a table."""
    monkeypatch.undo()
    small = training.take(np.arange(400))
    told: list[dict[str, Any]] = []
    result = tuning.tune(small, n_trials=2, n_splits=1, report=told.append)
    assert np.isfinite(result.objective)
    assert np.isfinite(result.table.to_numpy()).all()
    assert [trial["state"] for trial in told] == ["COMPLETE", "COMPLETE"]


def test_the_table_tells_means_with_95_percent() -> None:
    """1.96 errors to either side, of both candidates and of what they are apart on the same rows."""
    rng = np.random.default_rng(0)
    rows = rng.integers(5, 20, 100).astype(float)
    default, tuned = (Tally(rng.normal(size=100), rng.normal(size=100), rows) for _ in range(2))
    apart = Tally(tuned.value - default.value, default.loss - tuned.loss, rows)
    table = _table(default, tuned, compare(tuned, default, value_unit=1.0, loss_unit=1.0))
    for candidate, tally in (("default", default), ("tuned", tuned), ("gain of tuned", apart)):
        for name in ("value", "loss"):
            mean, error = tally.mean(name)
            ends = [mean, mean - 1.959964 * error, mean + 1.959964 * error]
            assert table.loc[candidate, [name, f"{name}_low", f"{name}_high"]].tolist() == pytest.approx(ends, rel=1e-6)
    assert list(_table(default, tuned, None).index) == ["default"]
