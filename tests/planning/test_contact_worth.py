"""What a contact is worth in money: the unit of a column, shares, and who is worth nothing."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.planning import CapacityOrder
from recommender.planning.contact_worth import values_in_money, worth_of_reward
from recommender.strategy import SeedStrategy

ACTIONS = ActionSpace({"channel": ["sms", "call"]})
RESPONSES, MONEY = (SimpleNamespace(reward_kind_=kind) for kind in ("binary", "amount"))


def order(currency="COP", **worth):
    """Two queues of which the dearer comes second."""
    queues = [
        {"name": "m", "channels": ["sms"], "quota": 5, "cost_per_contact": 1},
        {"name": "a", "channels": ["call"], "quota": 5, "cost_per_contact": 40},
    ]
    told = {"timezone": "America/Bogota", "queue": queues} | ({"worth": worth} if worth else {})
    return CapacityOrder.model_validate(told | ({} if currency is None else {"currency": currency}))


@pytest.mark.parametrize(("currency", "part"), [("COP", 0.01), ("CLP", 1.0), ("KWD", 0.001), (None, 1.0)])
@pytest.mark.parametrize("column", ["balance_minor", "balance"])
def test_a_share_of_a_column_in_its_own_unit(currency, part, column):
    """Only names that end in ``_minor`` count minor units, as many as the currency has; no debt is below 0."""
    frame = pd.DataFrame({column: ["200000", -5, None, "soon"]})
    worth = worth_of_reward(frame, RESPONSES, order(currency, column=column, share=0.05))
    assert worth == pytest.approx([10_000 * (part if column == "balance_minor" else 1.0), 0, 0, 0])


def test_a_response_a_reward_in_money_and_points():
    """What the file says of a response; minor units where money was learnt; points of the seed rules as they are."""
    two = pd.DataFrame(index=range(2))
    assert worth_of_reward(two, RESPONSES, order(per_response=12_000)).tolist() == [12_000, 12_000]
    assert worth_of_reward(two, MONEY, order()).tolist() == [0.01, 0.01]
    assert worth_of_reward(two, SeedStrategy(ACTIONS), order()).tolist() == [1, 1]
    with pytest.raises(InvalidInput, match="does not say what one is worth"):
        worth_of_reward(two, RESPONSES, order())


def test_each_contact_costs_what_its_queue_costs_and_its_offer():
    """Rewards of 2 and 3 at 100 each, less 1 and 40; an offer of 500 centavos is 5 of the currency."""
    frame, queue = pd.DataFrame(index=range(1)), np.array([[0, 1]])
    rewards, offers = np.array([[2.0, 3.0]]), np.array([[0.0, 500.0]])
    values, served = values_in_money(frame, rewards, queue, order(per_response=100), RESPONSES, offer_costs=offers)
    assert values.tolist() == [[199.0, 255.0]]
    assert served.all()
