"""What was sent lately takes its share of a contact's worth once: by the table, or by a model that counts it."""

from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recommender import ContactStrategy
from recommender.deciding import counts_contacts
from recommender.planning import CapacityOrder
from recommender.planning.portfolio_values import _Weekly
from recommender.strategy import SeedStrategy
from tests.planning.test_lawful_plans import SEED

AS_OF = datetime.fromisoformat("2026-11-23T08:00:00-05:00")
CAPACITY = CapacityOrder.model_validate(
    {"timezone": "America/Bogota", "queue": [{"name": "m", "channels": ["sms"], "quota": 5}],
     "later_contact_share": 0.5, "week": {"contacts_per_debtor": 2, "fatigue_days": 5, "wait_share": 0.8}}
)  # fmt: skip
SENT = pd.DataFrame(
    {"account_id": ["A", "A"], "sent_at": ["2026-11-22T10:00:00-05:00", "2026-11-20T10:00:00-05:00"],
     "initiated_by": "creditor", "status": "sent", "channel": "sms", "hour": 10, "tone": "neutral"}
)  # fmt: skip
FACTS = pd.DataFrame({"account_id": ["A", "B"], "debtor": ["account A", "account B"]})


def weekly(*, counts):
    case = SimpleNamespace(history=SENT, counts_contacts=counts, order=SimpleNamespace(as_of=AS_OF))
    return _Weekly.of(case, FACTS, None, 2, CAPACITY)


def test_a_model_that_counts_contacts_is_not_made_tired_twice():
    blind, seeing = weekly(counts=False), weekly(counts=True)
    away = np.array([1.0, 2.0])
    assert blind.share[0] == pytest.approx((1 - 0.5 * np.exp(-away / 5)) * [1, 0.8])
    assert seeing.share[0] == pytest.approx([1, 0.8]) and (blind.share[1] == seeing.share[1]).all()
    assert (blind.open_on == seeing.open_on).all() and not blind.open_on[0, 0]  # caps are no matter of worth


@pytest.mark.parametrize("told", [{}, {"week": None}])
def test_a_day_without_a_table_of_the_week_remembers_what_was_sent(told):
    """Else it would go back to the same debtors day after day; limits of its own it has none."""
    capacity = CapacityOrder.model_validate(CAPACITY.model_dump(exclude={"week"}) | told)
    case = SimpleNamespace(history=SENT, counts_contacts=False, order=SimpleNamespace(as_of=AS_OF))
    day = _Weekly.of(case, FACTS, None, 1, capacity)
    assert day.share[:, 0] == pytest.approx([1 - 0.5 * np.exp(-1 / 5), 1.0])
    assert day.open_on.all()
    case.counts_contacts = True
    assert (_Weekly.of(case, FACTS, None, 1, capacity).share == 1.0).all()


def test_who_counts_contacts():
    """A model with histories of instants, where the table tells every factor of the action; the seed rules never."""
    history = SimpleNamespace(time_kind="instant", last=0.0)
    model = SimpleNamespace(
        actions_=SEED.actions_, history_=history, names_={"account": "account_id", "time": "sent_at"}
    )
    assert isinstance(SEED, SeedStrategy) and not isinstance(SEED, ContactStrategy)
    assert not counts_contacts(SENT, SEED) and not counts_contacts(None, model)
    assert counts_contacts(SENT, model) and not counts_contacts(SENT.drop(columns="hour"), model)
    model.history_ = None
    assert not counts_contacts(SENT, model)
