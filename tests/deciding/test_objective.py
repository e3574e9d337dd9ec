"""``objective=``: what is maximised is what is dispatched, levers are bounded, and propensities stay true."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.deciding import Accounts, Lever, Objective, decide, default_actions
from recommender.deciding.offer_choice import OfferChoice
from recommender.deciding.opinion import Opinions
from recommender.errors import InvalidInput
from recommender.messages import default_catalogue
from recommender.strategy import SeedStrategy
from tests.deciding.leaning_strategy import ACTIONS, NOW, leaning_accounts, leaning_strategy


@pytest.fixture(scope="module")
def strategy(made_once):
    """SMS reach people and bring little; e-mails reach few, who pay much, and cost nothing."""
    return leaning_strategy(made_once)


@pytest.fixture(scope="module")
def accounts():
    """Forty debtors who may be reached over both channels."""
    return leaning_accounts()


def made(strategy, accounts, objective, **more):
    """Decided under the law alone, everything ranked."""
    return decide(
        accounts, strategy=strategy, as_of=NOW, packs=["CO"], contacts=[], top_k=5, objective=objective, **more
    )


def test_what_is_asked_for_is_what_is_best(strategy, accounts):
    """Without chance the dispatched action has the highest value of the column that was asked for."""
    channels = {}
    for name in ("reward", "p_reached", "p_paid", "expected_amount", "net_value", "net_gain", "gain"):
        decided = made(strategy, accounts, name, explore=False)
        values = decided.expected_reward if name == "reward" else decided.values[name]
        shown = np.where((decided.actions_ranked >= 0) & ~np.isnan(values), values, -np.inf)  # idle has few columns
        np.testing.assert_allclose(shown[:, 0], shown.max(axis=1))
        channels[name] = pd.Series([decided.channels[one] for one in decided.action]).mode()[0]
        again = made(strategy, accounts.iloc[:7], name, explore=False)
        assert again.decision_ids == decided.decision_ids[:7]
    assert (channels["reward"], channels["p_reached"]) == ("sms", "sms")
    assert {channels[name] for name in ("p_paid", "expected_amount", "net_value", "net_gain")} == {"email"}
    plain, other = made(strategy, accounts, "reward"), made(strategy, accounts, "net_gain")
    assert plain.policy_version == strategy.version_
    assert other.policy_version.startswith(f"{strategy.version_}+net_gain.")
    assert other.documents["objective"] == "net_gain"
    assert not {*plain.decision_ids} & {*other.decision_ids}


def test_levers_lean_and_propensities_are_those_of_what_is_dispatched(strategy, accounts):
    """A least share is kept, a floor closes by its name, a weight tips the scales; probabilities add up to one."""
    shares = Objective(name="net_gain", levers=(Lever(factor="channel", level="sms", minimum_share=0.3),))
    decided = made(strategy, accounts, shares)
    channels = np.array([one or "" for one in decided.channels])
    ranked = decided.actions_ranked
    np.testing.assert_allclose(np.where(ranked >= 0, decided.propensity, 0).sum(axis=1), 1.0)
    sms = ((channels[np.maximum(ranked, 0)] == "sms") & (ranked >= 0)) * decided.propensity
    assert (sms.sum(axis=1) >= 0.3 - 1e-9).all()
    floors = Objective(name="net_gain", levers=(Lever(factor="channel", level="sms", floor=1e12),))
    closed = made(strategy, accounts, floors)
    assert closed.eligibility.counts()["lever-floor"] == 2 * len(accounts)
    assert not {"sms"} & {closed.channels[one] for one in closed.actions_ranked.ravel() if one >= 0}
    heavy = Objective(levers=(Lever(factor="channel", level="email", weight=2), Lever(factor="channel", level="sms",
                                                                                     weight=0.5)))  # fmt: skip
    tipped = made(strategy, accounts, heavy, explore=False)
    assert {tipped.channels[one] for one in tipped.action} == {"email"}
    seeds = SeedStrategy(default_actions((10,)))
    led = decide(accounts, strategy=seeds, as_of=NOW, packs=["CO"], contacts=[], explore=False,
                 objective=Objective(levers=(Lever(factor="channel", level="sms", floor=1e9),)))  # fmt: skip
    assert "sms" not in {led.channels[one] for one in led.action}


SHARE = '[[levers]]\nfactor = "channel"\nlevel = "{}"\nminimum_share = 0.4\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('objective = "fame"', "name"),
        ('[[levers]]\nfactor = "channel"\nlevel = "sms"\nweight = 9', "less than or equal to 2"),
        (SHARE.format("sms") + SHARE.format("email"), "0.8 together"),
        ("colour = 1", "colour"),
        ("objective =", "TOML"),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_refused(text, says):
    """By file and key."""
    with pytest.raises(InvalidInput, match=says):
        Objective.from_toml(text, "levers.toml")


def test_an_objective_that_nobody_learnt_is_refused(strategy, accounts):
    """The seed rules know no money; levers are on levels that the actions have."""
    with pytest.raises(InvalidInput, match="is nothing that this strategy learnt"):
        decide(accounts, strategy=SeedStrategy(ACTIONS), as_of=NOW, packs=["CO"], objective="net_gain")
    with pytest.raises(InvalidInput, match="no such level"):
        made(strategy, accounts, Objective(levers=(Lever(factor="channel", level="fax", weight=2),)))


def test_what_offers_give_up_is_taken_off_money_alone(strategy, accounts, monkeypatch):
    """A discount makes nobody less likely to pay: rewards and chances of the ladder stay, what is net falls by it."""
    offers = OfferChoice(ACTIONS, None, default_catalogue(), "collection")
    told = Accounts.of(accounts)
    mask, ranked = np.ones((len(told), len(ACTIONS)), dtype=bool), np.tile(np.arange(len(ACTIONS)), (len(told), 1))

    def believed():
        asked = Opinions(strategy, Objective(), offers)
        opinion = asked.of(told, asked.context(told, None, NOW), slice(0, len(told)), mask)
        return opinion.rewards, opinion.believe(ranked).values

    rewards, plain = believed()
    monkeypatch.setattr(OfferChoice, "has_prices", True)
    monkeypatch.setattr(OfferChoice, "paid_later", lambda *_: np.full(mask.shape, 1_000.0))
    dearer, less = believed()
    np.testing.assert_array_equal(rewards, dearer)
    assert {name for name in plain if name.startswith("net_")} and {name for name in plain if name[:2] == "p_"}
    for name, values in plain.items():
        np.testing.assert_allclose(less[name], values - (1_000.0 if name.startswith("net_") else 0.0))


@pytest.mark.parametrize("idle", [True, False])
def test_levers_are_worked_out_by_hand_action_by_action(idle):
    """A weight leans gains and losses to one side; a floor is reached at its own value; a share is of what is open.

    What is of unknown value is closed.
    """
    space = ActionSpace({"channel": ["sms", "email"], "hour": [9, 15]}, no_contact=idle)
    levers = (
        Lever(factor="channel", level="sms", weight=2.0, minimum_share=0.3),
        Lever(factor="hour", level="15", weight=0.5),
        Lever(factor="channel", level="email", floor=1.0, minimum_share=0.1),
    )
    rng = np.random.default_rng(0)
    n, k = 80, len(space)
    values = rng.integers(-3, 4, (n, k)).astype(float)
    mask = rng.random((n, k)) < 0.6
    mask[:, -1] = True
    chance = np.where(mask, rng.random((n, k)), 0.0)
    chance /= chance.sum(axis=1, keepdims=True)
    unknown = np.where(rng.random((n, k)) < 0.1, np.nan, values)
    objective = Objective(levers=levers)
    leaned, shared = objective.weighted(values, space), objective.shared(chance, mask, space)
    reached, (_, kept) = objective.above_floors(values, space), objective.leaned(unknown, space)
    named = space.describe(range(k)).astype("str")
    for row in range(n):
        rest, nothing = 1.0, values[row, -1] if idle else 0.0
        given = np.zeros(k)
        for lever in levers:
            own = [at for at in range(k) if named[lever.factor].iloc[at] == lever.level and mask[row, at]]
            if lever.minimum_share and own:
                rest -= lever.minimum_share
                given[own] += lever.minimum_share / len(own)
        np.testing.assert_allclose(shared[row], given + rest * chance[row])
        for at in range(k):
            mine = [one for one in levers if named[one.factor].iloc[at] == one.level]
            weight = np.prod([one.weight for one in mine])
            brings = values[row, at] - nothing
            assert leaned[row, at] == nothing + (brings * weight if brings > 0 else brings / weight)
            assert (weight >= 1) == (leaned[row, at] >= values[row, at]) or brings == 0 or weight == 1
            floors = [one.floor for one in mine if one.floor is not None]
            assert reached[row, at] == all(brings >= one for one in floors)
            is_idle = idle and at == k - 1
            if is_idle or np.isnan(unknown[row, at]):
                assert kept[row, at] == is_idle
