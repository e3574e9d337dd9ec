"""The value ladder: rungs learnt together, monotone by construction, calibrated on known truth."""

from __future__ import annotations

import json
from itertools import pairwise

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.history import RUNGS, Climbed
from recommender.learning import LadderModel, interval_of

ACTIONS = ActionSpace({"channel": ["call", "sms", "email"], "hour": [9, 13, 18]}, no_contact=True)
STAGE_EDGES = (0, 30, 90)
COST = np.array([900.0, 40.0, 5.0])


def true_steps(X: np.ndarray, action: np.ndarray) -> np.ndarray:
    """Known chance of each step from the one below, shape (n, 5); the last alone counts without a contact."""
    channel, hour = np.divmod(np.minimum(action, 8), 3)
    stage = np.searchsorted(STAGE_EDGES, X[:, 0])
    taste = X[:, 1] * np.array([0.6, -0.4, 0.1])[channel]
    late = np.where(hour == 2, 0.3, 0.0) * X[:, 2]
    reach = np.array([0.2, 1.5, 1.0])[channel] - 0.2 * stage
    score = np.column_stack(
        [reach, 0.1 + taste + late - 0.2 * stage, 0.5 + 0.5 * taste, 0.8 + 0.3 * X[:, 2], 1.4 - 0.2 * stage]
    )
    steps = 1.0 / (1.0 + np.exp(-score))
    steps[action == ACTIONS.no_contact_index, 4] = 0.06
    return steps


def test_one_unknown_rung_leaves_the_highest_unknown() -> None:
    """Delivered and perhaps paid is no "delivered"."""
    reached = np.array([[1.0, 1.0, 0.0], [1.0, np.nan, 0.0], [np.nan] * 3, [0.0, 0.0, 0.0]])
    assert Climbed.of_rungs(reached, None, None).rung.tolist() == [2, -1, -1, 0]


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, Climbed, np.ndarray]:
    """Encoded context, actions, labels and the true cumulative chances of a log."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.integers(-10, 150, n), rng.normal(size=n), rng.normal(size=n)]).astype(np.float64)
    action = rng.integers(0, len(ACTIONS), n)
    steps = true_steps(X, action)
    truth = np.cumprod(steps, axis=1)
    idle = action == ACTIONS.no_contact_index
    truth[idle] = np.nan
    truth[idle, 4] = steps[idle, 4]
    climbs = rng.random((n, 5)) < steps
    rung = np.where(climbs.all(axis=1), 5, (~climbs).argmax(axis=1))
    rung = np.where(idle, np.where(climbs[:, 4], 5, 0), rung).astype(np.int8)
    paid = np.where(rung == 5, 1_000.0 * rng.lognormal(0.3 * X[:, 2], 0.5), 0.0)
    cost = np.where(idle, 0.0, np.append(COST, 0.0)[np.where(idle, 3, action // 3)])
    return X, action, Climbed(rung, paid, cost), truth


def learnt(n: int, seed: int = 0) -> LadderModel:
    """Ladder of a drawn log."""
    X, action, climbed, _ = drawn(n, seed)
    groups = np.arange(n) // 2
    ladder = LadderModel.fit(X, [], ACTIONS, action, climbed, groups, n_jobs=1, random_state=0)
    assert ladder is not None
    return ladder


@pytest.fixture(scope="module")
def ladder() -> LadderModel:
    """One that every cheap test shares."""
    return learnt(6_000)


def worst_gaps(ladder: LadderModel, n: int) -> tuple[float, float]:
    """Largest relative gap between believed and true chances: overall, and by channel x stage, over the rungs."""
    X, action, _, truth = drawn(n, seed=99)
    belief = ladder.believe(X, action[:, None])
    contact = action < ACTIONS.n_contact_actions
    cell = pd.Series(np.searchsorted(STAGE_EDGES, X[:, 0]) * 3 + np.minimum(action, 8) // 3)[contact]
    overall, by_cell = 0.0, 0.0
    for at, name in enumerate(ladder.rungs):
        told = pd.Series(belief.rungs[name][contact, 0].mean(axis=-1))
        right = pd.Series(truth[contact, at])
        overall = max(overall, abs(told.mean() / right.mean() - 1))
        gaps = told.groupby(cell.to_numpy()).mean() / right.groupby(cell.to_numpy()).mean() - 1
        by_cell = max(by_cell, float(gaps.abs().max()))
    return overall, by_cell


def test_a_higher_rung_is_never_likelier_than_a_lower_one(ladder: LadderModel) -> None:
    """Paid <= kept <= promised <= reached <= delivered for every account, action and member, and for the ends."""
    X = drawn(400, seed=5)[0]
    every = np.tile(np.arange(len(ACTIONS)), (len(X), 1))
    rungs = ladder.believe(X, every).rungs
    contacts = slice(0, ACTIONS.n_contact_actions)
    for lower, higher in pairwise(ladder.rungs):
        assert (rungs[higher][:, contacts] <= rungs[lower][:, contacts]).all()
    assert list(rungs) == list(RUNGS)
    alone = [rungs[name][:, -1] for name in ladder.rungs]
    assert all(np.isnan(one).all() for one in alone[:-1])
    assert not np.isnan(alone[-1]).any()


def test_rungs_are_calibrated_on_known_truth(ladder: LadderModel) -> None:
    """Six thousand decisions: within 10 % overall and 30 % by channel and stage."""
    overall, by_cell = worst_gaps(ladder, 4_000)
    assert overall < 0.10
    assert by_cell < 0.30


@pytest.mark.proof
def test_rungs_are_calibrated_at_a_hundred_thousand() -> None:
    """The mark: within 5 % overall and 10 % by channel and stage."""
    overall, by_cell = worst_gaps(learnt(100_000), 50_000)
    print(f"largest gap {overall:.2%} overall, {by_cell:.2%} by channel and stage")  # noqa: T201
    assert overall < 0.05
    assert by_cell < 0.10


def test_amounts_agree_with_what_came_in(ladder: LadderModel) -> None:
    """Expected money over fresh decisions is within 15 % of the money drawn; costs are those of the channel."""
    X, action, climbed, _ = drawn(6_000, seed=8)
    amount = ladder.believe(X, action[:, None]).amount
    assert amount is not None
    assert climbed.paid is not None
    assert amount.mean() == pytest.approx(climbed.paid.mean(), rel=0.15)
    assert ladder.cost.tolist() == [*np.repeat(COST, 3), 0.0]


def naive_belief(files: dict[str, bytes], x: np.ndarray, action: int) -> tuple[np.ndarray, np.ndarray]:
    """Chances of the rungs, and amounts, by member: LightGBM's own prediction, one step after the other."""
    about = json.loads(files["ladder.json"])
    rungs, idle = len(about["rungs"]), action == ACTIONS.no_contact_index
    levels = np.full(3, np.nan) if idle else np.array([action // 3, *([[9.0], [13.0], [18.0]][action % 3]), np.nan])
    worth = [
        lgb.Booster(model_str=files[f"amount.{at}.txt"].decode()).predict([[*x, *levels[:2]]], raw_score=True)[0]
        for at in range(about["amount"]["members"])
    ]
    amount = about["amount"]["mean"] * about["amount"]["factor"] * np.exp(np.mean(worth))
    chances = np.full((about["members"], rungs), np.nan)
    for member in range(about["members"]):
        booster = lgb.Booster(model_str=files[f"step.{member}.txt"].decode())
        below = 1.0
        for rung in [rungs - 1] if idle else range(rungs):
            row = [*x, *levels[:2], np.nan if idle else rung + 1.0]
            cell = ACTIONS.n_contact_actions * rungs if idle else action * rungs + rung
            score = booster.predict([row], raw_score=True)[0] * about["slopes"][rungs if idle else rung]
            below = below / (1.0 + np.exp(-(score + about["offsets"][cell])))
            chances[member, rung] = below
    return chances, chances[:, -1] * amount


def test_the_compiled_trees_believe_what_lightgbm_predicts(ladder: LadderModel) -> None:
    """Every rung, member and amount within 1e-12, one account alone and in company."""
    X = drawn(6, seed=7)[0]
    X[0, 1], X[1, 2] = np.nan, np.inf
    ranked = np.array([[0, 9, 4], [9, 8, 1], [3, 3, 9], [2, 5, 6], [7, 0, 8], [9, 9, 9]])
    together, alone = ladder.believe(X, ranked), ladder.believe(X[2:3], ranked[2:3])
    files = ladder.to_files()
    for row, actions in enumerate(ranked.tolist()):
        for rank, action in enumerate(actions):
            chances, amounts = naive_belief(files, X[row], action)
            for at, name in enumerate(ladder.rungs):
                np.testing.assert_allclose(together.rungs[name][row, rank], chances[:, at], rtol=0, atol=1e-12)
            np.testing.assert_allclose(together.amount[row, rank], amounts, rtol=1e-12)
    for name in ladder.rungs:
        np.testing.assert_array_equal(alone.rungs[name][0], together.rungs[name][2])
    np.testing.assert_array_equal(alone.amount[0], together.amount[2])


def test_a_ladder_is_kept_as_plain_files(ladder: LadderModel) -> None:
    """Read back it believes the same to the bit."""
    X = drawn(50, seed=6)[0]
    ranked = np.tile([0, 4, 9], (50, 1))
    again = LadderModel.from_files(ladder.to_files(), ACTIONS)
    before, after = ladder.believe(X, ranked), again.believe(X, ranked)
    for name in ladder.rungs:
        np.testing.assert_array_equal(before.rungs[name], after.rungs[name])
    np.testing.assert_array_equal(before.amount, after.amount)


def test_a_rung_that_the_log_hardly_shows_is_left_out() -> None:
    """Where nobody ever promised or paid, nothing is said of promises and money."""
    X, action, climbed, _ = drawn(3_000, seed=2)
    few = Climbed(np.minimum(climbed.rung, 2), climbed.paid, climbed.cost)
    ladder = LadderModel.fit(X, [], ACTIONS, action, few, np.arange(3_000), n_jobs=1, random_state=0)
    assert ladder is not None
    assert ladder.rungs == ("delivered", "reached")
    assert not ladder.has_amounts
    nothing = Climbed(np.zeros(3_000, dtype=np.int8))
    assert LadderModel.fit(X, [], ACTIONS, action, nothing, np.arange(3_000), n_jobs=1, random_state=0) is None


def test_the_jackknife_is_that_of_a_mean() -> None:
    """Means of groups left out: the interval is Student's for the mean of the groups."""
    groups = np.array([1.0, 4.0, 2.0, 7.0, 3.0])
    without = np.array([np.delete(groups, at).mean() for at in range(5)])
    mean, lo, hi = interval_of(without)
    assert mean == pytest.approx(groups.mean())
    error = groups.std(ddof=1) / np.sqrt(5)
    assert hi - lo == pytest.approx(2 * 2.7764451 * error, rel=1e-6)
