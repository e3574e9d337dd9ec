"""Rewards as they are, on a log of known truth: self-cure, immature rows, and value net of costs and harm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax

from recommender import ActionSpace, ContactStrategy, LoggedFeedback
from recommender.learning.objective import net_value

SPACE = ActionSpace({"channel": ["call", "letter", "sms"]}, no_contact=True)
CALL, LETTER, SMS, IDLE = range(4)
N = 4_000
COST = np.array([3.0, 1.0, 0.1, 0.0])
OPT_OUT = np.array([0.08, 0.0, 0.005, 0.0])
AMOUNT, PENALTY = 100.0, 400.0


@dataclass(frozen=True)
class World:
    """A log whose easy debtors were left alone, and what every action would have done."""

    frame: pd.DataFrame
    action: np.ndarray
    paid: np.ndarray
    truth: np.ndarray


def truth_of(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Many pay by themselves; a call helps where z > 0, an SMS helps a little, a letter does harm."""
    cure = expit(-1.0 + 1.2 * x)[:, None]
    lift = np.column_stack([0.2 * (z > 0) - 0.05 * (z <= 0), np.full(len(x), -0.08), np.full(len(x), 0.06)])
    return np.clip(np.hstack([cure + lift, cure]), 0.01, 0.99)


@pytest.fixture(scope="module")
def world() -> World:
    """Draw the log."""
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, N))
    logging = softmax(np.column_stack([-x, 0 * x, 0 * x, 1.5 * x]), axis=1)
    action = (rng.random(N)[:, None] > logging.cumsum(axis=1)).sum(axis=1)
    truth = truth_of(x, z)
    paid = rng.random(N) < truth[np.arange(N), action]
    frame = pd.DataFrame({"account_id": np.arange(N), "x": x, "z": z, "p": logging[np.arange(N), action]})
    frame["channel"] = np.array(["call", "letter", "sms", None], dtype=object)[action]
    frame["sent_at"] = pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(np.arange(N) * 5, unit="min")
    return World(frame, action, paid, truth)


@pytest.fixture(scope="module")
def fresh() -> tuple[pd.DataFrame, np.ndarray]:
    """Accounts to decide on, with their truth."""
    x, z = np.random.default_rng(1).normal(size=(2, 2_000))
    return pd.DataFrame({"x": x, "z": z}), truth_of(x, z)


def train(world: World, reward: np.ndarray, kind: str) -> ContactStrategy:
    """Learn from the log with the given reward."""
    log = LoggedFeedback.from_frame(
        world.frame.assign(reward=reward),
        actions=SPACE,
        context=["x", "z"],
        reward="reward",
        propensity="p",
        account="account_id",
        time="sent_at",
        reward_kind=kind,  # type: ignore[arg-type]
    )
    return ContactStrategy(n_jobs=1).fit(log)


@pytest.fixture(scope="module")
def responses(world: World) -> ContactStrategy:
    """A strategy that learnt who pays."""
    return train(world, world.paid.astype(float), "binary")


def test_self_cure_is_not_credited_to_contacts(
    world: World, responses: ContactStrategy, fresh: tuple[pd.DataFrame, np.ndarray]
) -> None:
    """In the log those left alone pay most; what contacts add is found all the same, and harm has its sign."""
    accounts, truth = fresh
    raw = [world.paid[world.action == a].mean() for a in range(4)]
    assert max(raw) == raw[IDLE]  # the plain rates say: never contact anybody
    added = responses.expected_reward(accounts, incremental=True)
    true = truth - truth[:, [IDLE]]
    np.testing.assert_allclose(added.mean(axis=0), true.mean(axis=0), atol=0.05)
    assert (added[:, IDLE] == 0).all()
    assert added[:, LETTER].mean() < -0.03
    helped = accounts["z"].to_numpy() > 0.3
    assert added[helped, CALL].mean() > added[~helped, CALL].mean() + 0.1
    chosen = truth[np.arange(len(truth)), responses.expected_reward(accounts).argmax(axis=1)].mean()
    gained = (chosen - truth[:, IDLE].mean()) / (truth.max(axis=1).mean() - truth[:, IDLE].mean())
    assert gained > 0.75


def test_immature_rows_are_no_failures(world: World, fresh: tuple[pd.DataFrame, np.ndarray]) -> None:
    """With the newest third not yet known, predictions stay at the true level and the rows are counted."""
    accounts, truth = fresh
    reward = world.paid.astype(float)
    reward[-N // 3 :] = np.nan
    strategy = train(world, reward, "binary")
    assert strategy.trained_on_["n_decisions"] == N
    assert strategy.trained_on_["n_mature"] == N - len(reward[-N // 3 :])
    assert strategy.expected_reward(accounts).mean() == pytest.approx(truth.mean(), rel=0.1)


def test_harm_and_costs_change_who_is_called(
    world: World, responses: ContactStrategy, fresh: tuple[pd.DataFrame, np.ndarray]
) -> None:
    """Net of cost and opt-outs a call must earn its harm: fewer are made, and the value of the policy rises."""
    accounts, truth = fresh
    rng = np.random.default_rng(2)
    harmed = rng.random(N) < OPT_OUT[world.action]
    net = net_value(
        AMOUNT * world.paid,
        contact_cost=COST[world.action],
        harms={"opt_out": harmed},
        penalties={"opt_out": PENALTY},
    )
    strategy = train(world, net, "amount")
    expected = strategy.expected_reward(accounts)
    true = AMOUNT * truth - COST - PENALTY * OPT_OUT
    np.testing.assert_allclose(expected.mean(axis=0), true.mean(axis=0), atol=8.0)
    by_value, by_response = expected.argmax(axis=1), responses.expected_reward(accounts).argmax(axis=1)
    assert (by_value == CALL).mean() < (by_response == CALL).mean() - 0.1
    rows = np.arange(len(true))
    assert true[rows, by_value].mean() > true[rows, by_response].mean()
