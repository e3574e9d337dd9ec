"""What a page knows of an account when it judges it again at the moment of a decision."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest

from api.pages.known_account import known_account
from recommender.store.decision_log import LedgerContact, LedgerOutcome, Standing

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


@pytest.mark.parametrize(("after", "is_known"), [(-1, True), (0, False), (1, False)])
def test_what_the_log_tells_of_that_very_moment_or_later_is_not_known_then(after, is_known):
    """Contacts, what was heard of them, and what was heard of the debtor, to the microsecond; now all of it is."""
    at = AS_OF + timedelta(microseconds=after)
    heard = LedgerOutcome("d0", "A", "D", "sms", at, "delivered", None, None)
    contacts = [
        LedgerContact(name, "A", "D", "sms", when, "dispatched", (heard,))
        for name, when in (("d0", AS_OF - timedelta(days=3)), ("d1", AS_OF - timedelta(days=2)), ("d2", at))
    ]
    told = Standing(contacts={"D": contacts}, outcomes={"D": [heard]})
    portfolio = SimpleNamespace(payments_of=lambda _: None, log=SimpleNamespace(standing=lambda *_, **__: told))
    facts = pd.DataFrame({"account_id": ["A"], "debtor_id": ["D"], "country": ["CO"], "timezone": ["America/Bogota"],
                          "balance_minor": [5_000.0]})  # fmt: skip
    _, then = known_account(portfolio, facts, None, AS_OF, ("CO",), made="d1")
    assert [one.decision_id for one in then.contacts["D"]] == (["d0", "d2"] if is_known else ["d0"])
    assert [bool(one.outcomes) for one in then.contacts["D"]] == [is_known] * len(then.contacts["D"])
    assert bool(then.outcomes["D"]) == is_known
    assert known_account(portfolio, facts, None, AS_OF, ("CO",))[1] == told
