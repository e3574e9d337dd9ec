"""What was said already of an account is not said again; of whose account nobody knows, it may have been this one."""

import datetime as dt
from itertools import product

import pytest

from recommender.rules import CHANNELS, check_cases

AT = dt.datetime(2026, 11, 24, 15, tzinfo=dt.UTC)  # a Tuesday, ten in Bogota


def case(account, *contacts):
    """A payment of yesterday to be confirmed to a debtor, after some contacts."""
    return {
        "packs": ["CO", "PURPOSE"], "at": AT.isoformat(), "channel": "sms", "purpose": "payment_confirmation",
        "contacts": [
            {"debtor_id": "D", "channel": "email", "initiated_by": "creditor", "status": "sent", "outcome": "delivered",
             "sent_at": AT.isoformat()} | one
            for one in contacts
        ],
        "account": {
            "account_id": account, "debtor_id": "D", "country": "CO", "timezone": "America/Bogota", "phone": None,
            "party": "debtor", "due_date": "2026-12-20", "balance_minor": 5, "consented_channels": list(CHANNELS),
            "flags": [], "last_paid_on": (AT.date() - dt.timedelta(days=1)).isoformat(),
        },
    }  # fmt: skip


@pytest.mark.parametrize(("account", "told"), list(product(["A", None], ["A", "B", None])))
@pytest.mark.parametrize("purpose", ["payment_confirmation", "collection", None, "a word nobody knows"])
@pytest.mark.parametrize("days", [-2, -1, 0])
def test_a_payment_is_confirmed_once_for_its_account(account, told, purpose, days):
    """By a contact of the purpose, or of an unknown word, on the day it was paid or later; not by the debtor."""
    sent = {"account_id": told, "purpose": purpose, "sent_at": (AT + dt.timedelta(days=days, hours=-3)).isoformat()}
    mine = account is None or told is None or account == told
    said = mine and purpose not in ("collection", None) and days >= -1
    plain, before, by_debtor = check_cases(
        [case(account), case(account, sent), case(account, sent | {"initiated_by": "debtor"})]
    )
    assert plain["allowed"] and by_debtor["allowed"]
    assert ("purpose-payment-said" in before["rules"]) == said
