"""Whose contact it is, against the same said in dictionaries."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender import ActionSpace
from recommender.rules import CHANNELS, eligibility
from recommender.rules.contact_owners import owners_of_contacts
from recommender.rules.facts import FACT

CODES = st.integers(-1, 4)
NOON = dt.datetime(2026, 11, 17, 16, 30, tzinfo=dt.UTC)  # a working Tuesday in Colombia


@given(st.lists(st.tuples(CODES, st.integers(0, 6)), max_size=7), st.lists(st.tuples(CODES, CODES), max_size=7))
def test_contacts_belong_to_the_debtors_of_their_account(accounts, contacts):
    """To each of several, once; to the debtor that they name where their account is not there; else to nobody."""
    n_accounts = max((code for code, _ in accounts), default=-1) + 1
    n_debtors = 3
    facts = np.zeros(len(accounts), dtype=FACT)
    facts["account"], facts["debtor"] = [one[0] for one in accounts], [one[1] for one in accounts]
    want = []
    for row, (account, named) in enumerate(contacts):
        own = sorted({debtor for code, debtor in accounts if code == account and code >= 0})
        if not own and 0 <= named < n_debtors:
            own = [named]
        want += [(row, debtor, len(own) > 1 and debtor != named) for debtor in own]
    columns = [np.array([one[at] for one in contacts], dtype=np.int64) for at in (0, 1)]
    row, debtor, shared, matched = owners_of_contacts(*columns, facts, n_accounts, n_debtors)
    assert list(zip(row.tolist(), debtor.tolist(), shared.tolist(), strict=True)) == want
    assert matched == len({one for one, *_ in want})


_SMS_BEFORE_CALLS = """
schema = 1
id = "STEPS"
title = "A message before a call"
kind = "overlay"
pack_version = "1"
valid_from = 2020-01-01
reviewed_on = 2026-11-01
legal_status = "house-policy"
[[escalation]]
id = "steps-call"
channels = ["call"]
after = ["sms"]
attempts = 1
within_days = 15
cite = "p"
[[caps]]
id = "steps-cap"
max = 1
per = { kind = "rolling_days", days = 15 }
scope = ["sms"]
cite = "p"
[[sources]]
id = "p"
law = "house"
article = "-"
grade = "-"
says = "a test"
"""


@pytest.mark.parametrize("named", [None, "D1", "D2"])
def test_a_message_about_a_shared_account_fills_every_cap_and_opens_a_call_to_whom_it_names(named):
    """A debt of two debtors: who of them was written to decides what may follow; unknown is the strict reading."""
    facts = {"account_id": "A1", "country": "CO", "timezone": "America/Bogota", "due_date": "2026-10-01",
             "party": "debtor", "balance_minor": 50_000, "consented_channels": list(CHANNELS), "flags": []}  # fmt: skip
    sms = {"account_id": "A1", "sent_at": NOON - dt.timedelta(days=4), "channel": "sms", "debtor_id": named,
           "initiated_by": "creditor", "outcome": "delivered", "status": "sent"}  # fmt: skip
    space = ActionSpace({"channel": ["call", "sms"]})
    found = eligibility(
        [facts | {"debtor_id": "D1"}, facts | {"debtor_id": "D2"}],
        space,
        as_of=NOON,
        packs=["CO"],
        contacts=[sms],
        overlays=[_SMS_BEFORE_CALLS],
    )
    for row, debtor in enumerate(("D1", "D2")):
        assert "steps-cap" in found.rules(row, 1)
        assert ("steps-call" in found.rules(row, 0)) == (named != debtor)
