"""The value ladder in every answer: chances, money, cost, net value and gain, each with its interval."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.deciding import decide
from recommender.history import RUNGS
from recommender.store.files import feedback_from_file, write_log
from recommender.strategy import money_of
from recommender.strategy.values import Believed, gain_over_idle

ACTIONS = ActionSpace({"channel": ["call", "sms"], "hour": [9, 18]}, no_contact=True)
ROLES = {"context": ["balance_minor", "x"], "reward": "reward", "rung": "rung", "paid": "paid", "cost": "cost"}
WORDS = ["none", *RUNGS]


def contacts(n: int = 1_600, seed: int = 0) -> pd.DataFrame:
    """A log in which calls work for those with x > 0; a call costs 900, an SMS 40."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"balance_minor": rng.integers(50_000, 500_000, n), "x": rng.normal(size=n)})
    action = rng.integers(0, len(ACTIONS), n)
    frame = pd.concat([frame, ACTIONS.describe(action)], axis=1)
    idle = action == ACTIONS.no_contact_index
    call = frame["channel"] == "call"
    steps = np.column_stack(
        [np.where(call, 0.5, 0.9), np.where(call == (frame["x"] > 0), 0.7, 0.3), *np.full((3, n), 0.75)]
    )
    climbs = rng.random((n, 5)) < steps
    climbed = np.where(climbs.all(axis=1), 5, (~climbs).argmax(axis=1))
    climbed = np.where(idle, np.where(rng.random(n) < 0.05, 5, 0), climbed)
    frame["rung"] = np.array(WORDS, dtype=object)[climbed]
    frame["paid"] = np.where(climbed == 5, 0.2 * frame["balance_minor"], 0.0)
    frame["cost"] = np.where(idle, 0.0, np.where(call, 900.0, 40.0))
    frame["reward"] = frame["paid"] - frame["cost"]
    frame["response"] = (climbed >= 2).astype(float)
    return frame


def log_of(frame: pd.DataFrame, **roles: str) -> LoggedFeedback:
    """The frame as a log; ``roles`` replace those of :data:`ROLES`."""
    return LoggedFeedback.from_frame(frame, actions=ACTIONS, **(ROLES | roles))


@pytest.fixture(scope="module")
def strategy() -> ContactStrategy:
    """Trained on net money."""
    return ContactStrategy(random_state=0, n_jobs=1).fit(log_of(contacts()))


@pytest.fixture(scope="module")
def ranked(strategy: ContactStrategy) -> pd.DataFrame:
    """Every action of sixty accounts."""
    return strategy.recommend(contacts(60, seed=1), top_k=len(ACTIONS))


def test_every_answer_has_the_ladder_in_order(strategy: ContactStrategy, ranked: pd.DataFrame) -> None:
    """Paid <= kept <= promised <= reached <= delivered, and every number lies within its interval."""
    contact = ranked[ranked["channel"].notna()]
    names = [f"p_{rung}" for rung in RUNGS]
    for lower, higher in pairwise(names):
        for end in ("", "_lo", "_hi"):
            assert (contact[higher + end] <= contact[lower + end] + 1e-12).all()
    for name in [*names, "expected_amount", "net_value", "net_gain", "gain"]:
        held = ranked[ranked[name].notna()]
        assert (held[f"{name}_lo"] <= held[name] + 1e-9).all(), name
        assert (held[name] <= held[f"{name}_hi"] + 1e-9).all(), name
    assert list(ranked.columns[-len(strategy.value_names_) :]) == list(strategy.value_names_)


def test_the_gain_over_waiting_has_the_interval_of_a_difference() -> None:
    """Zou and Donner by hand: each end joins the end of one with the opposite end of the other."""
    action = Believed(np.array([1.0]), np.array([0.6]), np.array([2.0]))
    idle = Believed(np.array([0.5]), np.array([0.4]), np.array([0.8]))
    gain = gain_over_idle(action, idle)
    assert gain["gain"] == pytest.approx(0.5)
    assert gain["gain_lo"] == pytest.approx(0.5 - np.hypot(0.4, 0.3))
    assert gain["gain_hi"] == pytest.approx(0.5 + np.hypot(1.0, 0.1))


def test_money_is_one_opinion(ranked: pd.DataFrame) -> None:
    """Where the reward is net money, that is the net value; gain is above NO_CONTACT, whose own gain is 0."""
    np.testing.assert_allclose(ranked["net_value"], ranked["expected_reward"])
    np.testing.assert_allclose(ranked["expected_amount"] - ranked["cost"], ranked["net_value"])
    idle = ranked["channel"].isna()
    alone = ranked[idle].set_index("row")["expected_reward"]
    np.testing.assert_allclose(ranked["net_gain"], ranked["expected_reward"] - alone.reindex(ranked["row"]).to_numpy())
    assert (ranked.loc[idle, ["gain", "gain_lo", "gain_hi", "net_gain", "cost"]] == 0).all(axis=None)
    assert set(ranked.loc[~idle, "cost"]) == {900.0, 40.0}


def test_a_response_is_told_in_money_too(ranked: pd.DataFrame) -> None:
    """Trained on responses, net value is the chance of payment times what comes in, less the cost."""
    assert money_of(log_of(contacts(), reward="response")) == "other"
    assert money_of(log_of(contacts(), reward="paid")) == "gross"
    assert money_of(log_of(contacts())) == "net"
    other = ContactStrategy(random_state=0, n_jobs=1, reward_model=LogisticRegression())
    other.fit(log_of(contacts(), reward="response"))
    told = other.recommend(contacts(60, seed=1), top_k=len(ACTIONS))
    np.testing.assert_allclose(told["net_value"], told["expected_amount"] - told["cost"])
    assert told["expected_amount"].mean() == pytest.approx(contacts(4_000, seed=3)["paid"].mean(), rel=0.3)


def test_a_strategy_keeps_its_ladder(strategy: ContactStrategy, ranked: pd.DataFrame, tmp_path: object) -> None:
    """Saved and loaded it gives the same answer; a strategy without rungs says nothing of them."""
    loaded = ContactStrategy.load(strategy.save(f"{tmp_path}/strategy"))
    again = loaded.recommend(contacts(60, seed=1), top_k=len(ACTIONS))
    pd.testing.assert_frame_equal(again, ranked)
    assert loaded.version_ == strategy.version_


def test_decisions_tell_the_same(strategy: ContactStrategy) -> None:
    """What services and plans call gives the columns of the strategy, for legal actions only."""
    accounts = contacts(20, seed=2)[["balance_minor", "x"]].assign(account_id=[f"A{i}" for i in range(20)])
    at = pd.Timestamp("2026-11-24T14:00Z").to_pydatetime()
    made = decide(accounts, strategy=strategy, as_of=at, packs=["CO"])
    assert tuple(made.values) == strategy.value_names_
    assert set(strategy.value_names_) <= set(made.ranked.columns)


def test_labels_are_kept_with_the_log(tmp_path: object) -> None:
    """A log written and read knows its rungs; an unknown word is refused by name."""
    frame = contacts(50)
    place = write_log(frame, f"{tmp_path}/log.parquet", actions=ACTIONS, roles=ROLES)
    read = feedback_from_file(place)
    assert read.climbed is not None
    np.testing.assert_array_equal(read.climbed.rung, log_of(frame).climbed.rung)
    assert read.digest == log_of(frame).digest
    assert read.take(np.arange(5)).climbed.rung.tolist() == read.climbed.rung[:5].tolist()
    with pytest.raises(ValueError, match=r"rung.*'answered'"):
        log_of(frame.assign(rung="answered"))
    with pytest.raises(ValueError, match="cannot be context"):
        log_of(frame, context=["x", "paid"])
