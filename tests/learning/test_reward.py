"""The reward model on logs of every shape."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.errors import ArtefactError, InvalidInput
from recommender.learning.objective import net_value
from recommender.learning.reward import RewardModel
from recommender.learning.training_set import TrainingSet

SPACE = ActionSpace({"channel": ["call", "sms", "mail"], "hour": range(9, 15)}, no_contact=True)


def _training(
    n: int = 400,
    *,
    actions: ActionSpace = SPACE,
    context: pd.DataFrame | None = None,
    reward: np.ndarray | None = None,
    kind: Any = "binary",
    seed: int = 0,
    **more: Any,
) -> TrainingSet:
    rng = np.random.default_rng(seed)
    if context is None:
        context = pd.DataFrame(
            {
                "x": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
                "segment": rng.choice(["a", "b", None], size=n),
                "id": rng.integers(0, 150, n).astype(str),
                "constant": 1.0,
            }
        )
    action = rng.integers(0, len(actions), n)
    if reward is None:
        x = context["x"].fillna(0).to_numpy() if "x" in context else np.zeros(n)
        lift = 0.35 * ((actions.codes[action, 0] == 0) & (x > 0))
        reward = (rng.random(n) < 0.15 + lift).astype(float)
    return TrainingSet(
        context=context,
        categorical=(),
        actions=actions,
        action=action,
        reward=reward,
        reward_kind=kind,
        propensity=more.pop("propensity", np.full(n, 1 / len(actions))),
        groups=more.pop("groups", np.arange(n)),
        **more,
    )


@pytest.fixture(scope="module")
def fitted() -> tuple[TrainingSet, RewardModel]:
    """A model of a log with missing values, rare categories and a constant column."""
    training = _training(1_500)
    return training, RewardModel().fit(training, n_jobs=1, random_state=3)


def test_learns_whom_to_call(fitted: tuple[TrainingSet, RewardModel]) -> None:
    """Calls pay for x > 0 only: the model recommends them there, at about the true rate."""
    training, model = fitted
    expected = model.expected_reward(training.context)
    best = SPACE.codes[expected.argmax(axis=1), 0]
    assert (best[(training.context["x"] > 0.5).to_numpy()] == 0).mean() > 0.9
    rows = np.arange(len(training))
    assert expected[rows, training.action].mean() == pytest.approx(training.reward.mean(), rel=0.1)


def test_round_trip_is_exact(fitted: tuple[TrainingSet, RewardModel]) -> None:
    """Files give back every prediction to the bit, intervals, evidence and draws included."""
    training, model = fitted
    again = RewardModel.from_files(model.to_files())
    context = training.context.head(60)
    np.testing.assert_array_equal(again.expected_reward(context), model.expected_reward(context))
    np.testing.assert_array_equal(again.evidence(context), model.evidence(context))
    drawn = [m.sample_expected_reward(context, np.random.default_rng(1)) for m in (model, again)]
    np.testing.assert_array_equal(*drawn)


def test_does_not_depend_on_threads(fitted: tuple[TrainingSet, RewardModel]) -> None:
    """Two threads learn the same model as one."""
    training, model = fitted
    other = RewardModel().fit(training, n_jobs=2, random_state=3)
    np.testing.assert_array_equal(other.expected_reward(training.context), model.expected_reward(training.context))


def test_unseen_categories_missing_values_and_extremes_are_normal(fitted: tuple[TrainingSet, RewardModel]) -> None:
    """New ids, new categories, nothing at all and absurd numbers still give probabilities."""
    training, model = fitted
    strange = training.context.head(5).copy()
    strange["segment"] = ["new", None, "a", "b", "new"]
    strange["x"] = [np.nan, np.inf, -np.inf, 1e300, -1e300]
    strange["id"] = "never seen"
    expected = model.expected_reward(strange)
    assert np.isfinite(expected).all()
    assert ((expected > 0) & (expected < 1)).all()


def test_interval_contains_the_estimate_and_evidence_counts_every_row(
    fitted: tuple[TrainingSet, RewardModel],
) -> None:
    """Each interval holds its estimate for the asked actions; counts over segments add up to the log."""
    training, model = fitted
    context = training.context.head(50)
    asked = np.tile([[0, 5, 18]], (50, 1))
    low, high = model.expected_reward_interval(context, asked)
    expected = np.take_along_axis(model.expected_reward(context), asked, axis=1)
    assert ((low < expected) & (expected < high)).all()
    assert model.evidence(context).shape == (50, len(SPACE))
    assert model._evidence.counts.sum() == len(training)


def test_intervals_are_wider_with_less_data() -> None:
    """A fifth of the log gives wider intervals."""
    wide, narrow = (RewardModel().fit(_training(n, seed=1)) for n in (300, 1_200))
    context, asked = _training(100, seed=2).context, np.tile([[0, 7]], (100, 1))
    width = [float(np.subtract(*m.expected_reward_interval(context, asked)[::-1]).mean()) for m in (wide, narrow)]
    assert width[0] > width[1]


def test_intervals_are_wider_where_the_weight_lies_beyond_straight_lines(
    fitted: tuple[TrainingSet, RewardModel],
) -> None:
    """A stack of straight lines trusts their posterior; the more bends and trees it needed, the less it does."""
    part = copy.copy(fitted[1].parts["event"])
    factor = {}
    for name, weights in {
        "lines": {"linear": 0.7, "firm": 0.4},
        "half": {"linear": 0.5, "curved": 0.25, "trees": 0.25},
        "bent": {"curved": 0.2, "trees": 0.8},
    }.items():
        part.weights = dict.fromkeys(part.weights, 0.0) | weights
        factor[name] = part.caution
    assert factor["lines"] < factor["half"] < factor["bent"]
    assert factor["half"] == pytest.approx((factor["lines"] + factor["bent"]) / 2)


@pytest.mark.parametrize(
    ("actions", "columns"),
    [
        (ActionSpace({"arm": [f"news{i}" for i in range(80)]}), ["x", "segment"]),
        (ActionSpace({"digit": range(10)}), ["x"]),
        (ActionSpace({"email": ["none", "men", "women"]}), []),
        (ActionSpace({"only": ["one"]}), ["x"]),
        (ActionSpace({"a": [True, False], "b": [0.5, 1.5, 9.0], "c": ["u", "v"], "d": range(3)}), ["segment"]),
    ],
    ids=["eighty arms", "digits", "no context", "one action", "four factors"],
)
def test_any_action_space_and_any_columns(actions: ActionSpace, columns: list[str]) -> None:
    """No factor is assumed by name, number or size, and no column has to be there."""
    full = _training(300, actions=actions)
    training = _training(300, actions=actions, context=full.context[columns], reward=full.reward)
    expected = RewardModel().fit(training).expected_reward(training.context)
    assert expected.shape == (300, len(actions))
    assert np.isfinite(expected).all()


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_a_log_of_one_outcome_is_learnt_without_complaint(rate: float) -> None:
    """No response at all, or nothing but responses: the prediction stays near the rate."""
    training = _training(200, reward=np.full(200, rate))
    assert np.abs(RewardModel().fit(training).expected_reward(training.context) - rate).max() < 0.15


@pytest.mark.parametrize("n", [1, 2, 7, 30])
def test_tiny_logs(n: int) -> None:
    """A handful of rows is enough to predict something finite."""
    training = _training(n, groups=np.zeros(n))
    assert np.isfinite(RewardModel().fit(training).expected_reward(training.context)).all()


@pytest.mark.parametrize("kind", ["hurdle", "all positive", "signed", "nothing paid"])
def test_amounts(kind: str) -> None:
    """Zero-heavy, always positive, signed and empty amounts are predicted on their own scale."""
    rng = np.random.default_rng(5)
    n = 600
    amount = np.exp(rng.normal(4, 1, n))
    reward = {
        "hurdle": amount * (rng.random(n) < 0.3),
        "all positive": amount,
        "signed": amount * (rng.random(n) < 0.3) - 2.0,
        "nothing paid": np.zeros(n),
    }[kind]
    training = _training(n, reward=reward, kind="amount")
    expected = RewardModel().fit(training).expected_reward(training.context)
    logged = expected[np.arange(n), training.action]
    assert logged.mean() == pytest.approx(reward.mean(), rel=0.25, abs=1e-3)


def test_one_huge_payment_does_not_rule_the_ranking() -> None:
    """A single payment a thousand times the others' moves the mean prediction far less than the plain mean."""
    rng = np.random.default_rng(6)
    reward = np.exp(rng.normal(4, 0.5, 600)) * (rng.random(600) < 0.3)
    outlier = reward.copy()
    outlier[7] = 1_000 * reward.max()
    plain, moved = (
        RewardModel().fit(_training(600, reward=r, kind="amount")).expected_reward(_training(50).context).mean()
        for r in (reward, outlier)
    )
    assert moved < 2 * plain < 0.1 * outlier.mean() * plain / reward.mean()


def test_incomplete_or_unknown_files_are_refused(fitted: tuple[TrainingSet, RewardModel]) -> None:
    """A missing file or a format of the future is named, never half loaded."""
    files = fitted[1].to_files()
    with pytest.raises(ArtefactError, match=r"event\.npz"):
        RewardModel.from_files({k: v for k, v in files.items() if k != "event.npz"})
    with pytest.raises(ArtefactError, match=r"reward_model\.json"):
        RewardModel.from_files({})
    with pytest.raises(ArtefactError, match="format 99"):
        RewardModel.from_files({"reward_model.json": b'{"format": 99}'})


def test_a_model_whose_calibration_knew_no_bend_is_read(fitted: tuple[TrainingSet, RewardModel]) -> None:
    """Files of format 7 serve the straight line that they hold."""
    training, model = fitted
    files = model.to_files()
    described = json.loads(files["reward_model.json"]) | {"format": 7}
    for part in described["parts"].values():
        assert set(part["calibration"]) == {"intercept", "level", "advantage", "bend", "reach"}
        del part["calibration"]["bend"], part["calibration"]["reach"]
    old = RewardModel.from_files(files | {"reward_model.json": json.dumps(described).encode()})
    context = training.context.head(20)
    X = model.encoder.transform(context)
    for name, part in model.parts.items():
        line = part.calibration
        straight = old.parts[name].calibration
        assert (straight.intercept, straight.level, straight.advantage) == (line.intercept, line.level, line.advantage)
        assert straight.bend == 0.0
        bent = part.calibration.bent(line.advantages(part.scores(X), part.share))
        level = part.scores(X) - line.advantage * bent
        wanted = level + straight.advantage * straight.advantages(old.parts[name].scores(X), part.share)
        np.testing.assert_allclose(old.parts[name].scores(X), wanted, atol=1e-8)


def test_a_broken_training_set_names_column_and_row() -> None:
    """Wrong rewards, actions and propensities are refused where they stand."""
    with pytest.raises(InvalidInput, match=r"'reward'.*0\.5.*row"):
        _training(10, reward=np.full(10, 0.5))
    with pytest.raises(InvalidInput, match="'propensity'"):
        _training(10, propensity=np.zeros(10))
    with pytest.raises(InvalidInput, match="'groups'"):
        _training(10, groups=np.arange(9))


def test_contact_costs_and_penalties_move_the_ranking() -> None:
    """Net of a cost that only letters have, letters fall behind although they pay as often."""
    rng = np.random.default_rng(8)
    n = 1_200
    space = ActionSpace({"channel": ["sms", "letter"]})
    training = _training(n, actions=space, reward=np.zeros(n))
    amount = np.exp(rng.normal(3, 0.3, n)) * (rng.random(n) < 0.25)
    net = net_value(
        amount,
        contact_cost=np.where(training.action == 1, 4.0, 0.05),
        harms={"opt_out": rng.random(n) < 0.02},
        penalties={"opt_out": 30.0},
    )
    model = RewardModel().fit(_training(n, actions=space, reward=net, kind="amount"))
    expected = model.expected_reward(training.context)
    assert (expected[:, 0] > expected[:, 1]).mean() > 0.9
    assert expected.mean() == pytest.approx(net.mean(), abs=1.0)


def test_net_value_asks_for_every_penalty() -> None:
    """A harm without a weight is refused by name."""
    with pytest.raises(InvalidInput, match="'complaint' needs a penalty"):
        net_value([1.0], harms={"complaint": [1]})
