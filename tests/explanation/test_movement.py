"""What moved from one period to the next: the sums of explained decisions, told apart by debtor."""

import math

import numpy as np
import pandas as pd
import pytest

from recommender import LoggedFeedback
from recommender.errors import InvalidInput
from recommender.explanation import WHOLE, explain, what_moved

N = 240


@pytest.fixture(scope="module")
def decisions(simulated_log):
    """Some decisions of the training log."""
    return simulated_log.take(np.arange(N))


@pytest.fixture(scope="module")
def middle(decisions):
    """A moment with half of the decisions before it, and days that reach over all of them."""
    time = pd.to_datetime(pd.Series(decisions.time), utc=True)
    return time.sort_values().iloc[N // 2], 1.0 + (time.max() - time.min()) / pd.Timedelta(days=1)


@pytest.fixture(scope="module")
def moved(strategy, decisions, middle):
    """Everybody, and two halves."""
    at, days = middle
    return what_moved(strategy, decisions, at=at, days=days, by={"half": ["a", "b"] * (N // 2)})


def test_changes_are_those_of_decisions_explained_one_by_one(strategy, decisions, middle, moved):
    """A loop over decisions and debtors, in plain Python, finds the same means, changes and intervals."""
    time = pd.to_datetime(pd.Series(decisions.time), utc=True)
    reward = strategy.log_expected_reward(decisions)
    for segment, chosen in (("all", range(N)), ("a", range(0, N, 2))):
        own = moved[moved["segment"] == segment].set_index("group")
        told = {"before": [], "now": []}
        for row in chosen:
            told["now" if time.iloc[row] >= middle[0] else "before"].append(row)
        value = {row: float(reward[row, decisions.action[row]]) for row in chosen}
        mean = {name: sum(value[row] for row in rows) / len(rows) for name, rows in told.items()}
        pulls = {}
        for name, rows in told.items():
            for row in rows:
                sign = 1.0 if name == "now" else -1.0
                debtor = decisions.groups[row]
                pulls[debtor] = pulls.get(debtor, 0.0) + sign * (value[row] - mean[name]) / len(rows)
        half = 1.96 * math.sqrt(len(pulls) / (len(pulls) - 1) * sum(pull**2 for pull in pulls.values()))
        whole = own.loc[WHOLE]
        assert (whole["n_before"], whole["n_now"]) == (len(told["before"]), len(told["now"]))
        assert whole["now"] == pytest.approx(mean["now"], rel=1e-9)
        assert whole["change"] == pytest.approx(mean["now"] - mean["before"], rel=1e-9)
        assert whole["hi"] - whole["lo"] == pytest.approx(2 * half, rel=1e-9)
        assert own.drop(index=WHOLE)["change"].sum() == pytest.approx(whole["change"], abs=1e-9)


def test_a_concept_is_what_an_account_alone_is_told(hurdle, known_drivers):
    """Where nothing hangs on past contacts, a concept's mean is that of the accounts explained as accounts."""
    frame = known_drivers[0].head(120).reset_index(drop=True)
    frame["at"] = pd.Timestamp("2026-01-02", tz="UTC") + pd.to_timedelta(np.arange(120) // 60 * 31, unit="D")
    log = LoggedFeedback.from_frame(
        frame,
        actions=hurdle.actions_,
        context=[str(name) for name in hurdle.feature_names_in_],
        categorical=["likes", "language"],
        reward="reward",
        propensity="propensity",
        reward_kind="amount",
        time="at",
    )
    table = what_moved(hurdle, log, at=pd.Timestamp("2026-02-01", tz="UTC"), days=31).set_index("group")
    for name, rows in (("now", np.arange(60, 120)), ("before", np.arange(60))):
        local = explain(hurdle, frame.iloc[rows], actions=log.action[rows][:, None], language="en")
        names, split = local.group_contributions()
        for position, group in enumerate(names):
            assert table.loc[group, name] == pytest.approx(split[:, 0, position].mean(), abs=1e-9)


def test_few_decisions_have_no_figures(strategy, decisions, middle):
    """A period below the least count is counted and says nothing; without decisions there are no rows."""
    at, days = middle
    few = what_moved(strategy, decisions, at=at, days=days, sample=20)
    assert set(few["n_now"]) == {20}
    assert few[["before", "now", "change", "lo", "hi"]].isna().all(axis=None)
    assert what_moved(strategy, decisions, at=at + pd.Timedelta(days=9_000), days=days).empty
    with pytest.raises(InvalidInput, match="1 entries for 240"):
        what_moved(strategy, decisions, at=at, days=days, by={"half": ["a"]})


@pytest.mark.parametrize(("first", "days"), [(10, 10), (12, 5), (15, 15)])
def test_a_period_begins_with_its_first_instant_and_ends_before_its_last(hurdle, known_drivers, first, days):
    """Decisions at the very ends of both periods: each belongs to the period that begins with it."""
    frame = known_drivers[0].head(120).reset_index(drop=True)
    day = np.arange(120) // 4
    frame["at"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(day, unit="D")
    log = LoggedFeedback.from_frame(
        frame,
        actions=hurdle.actions_,
        context=[str(name) for name in hurdle.feature_names_in_],
        categorical=["likes", "language"],
        reward="reward",
        propensity="propensity",
        reward_kind="amount",
        time="at",
    )
    at = pd.Timestamp("2026-01-01", tz="UTC") + pd.Timedelta(days=first)
    whole = what_moved(hurdle, log, at=at, days=days).set_index("group").loc[WHOLE]
    counts = [sum(first + low <= one < first + low + days for one in day) for low in (-days, 0)]
    assert [whole["n_before"], whole["n_now"]] == counts
