"""What a page knows of an account when it judges it again at the moment of a decision."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace

import pandas as pd
import pytest

from api.pages.known_account import known_account

AS_OF = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("paid_at", "balance"),
    [("2026-11-20T10:00:00Z", 0), ("2026-11-25T12:00:01Z", 5_000), (None, 0), ("the other day", 0)],
)
def test_a_payment_counts_unless_it_came_later(paid_at, balance):
    """One without a day that can be read is not known to be later: nothing is asked of who may have paid."""
    paid = pd.DataFrame({"account_id": ["A"], "paid_at": [paid_at], "amount_minor": [5_000], "currency": ["COP"]})
    portfolio = SimpleNamespace(payments_of=lambda _: paid, log=None)
    facts = pd.DataFrame(
        {"account_id": ["A"], "country": ["CO"], "timezone": ["America/Bogota"], "balance_minor": [5_000.0],
         "currency": ["COP"]}
    )  # fmt: skip
    known, _ = known_account(portfolio, facts, None, AS_OF, ("FLOOR", "CO"), made="d1")
    assert known["account"][0]["balance_minor"] == balance
