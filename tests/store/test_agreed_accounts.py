"""Accounts that a person looked at and agreed to: from that moment, for thirty days, unless something newer asks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from recommender.intake import AGREEMENT_DAYS, account_states
from recommender.store.decision_log import OutcomeRecord, agreed_accounts, stopped_ids, stops
from recommender.tables import CASE_DECISIONS

AT = datetime(2026, 11, 24, 15, 20, 31, 5, tzinfo=UTC)
TICK, DAY = timedelta(microseconds=1), timedelta(days=1)


@pytest.fixture
def agreed(monkeypatch):
    """Accounts agreed to at ``AT``, of (account, word, moment) and of what asked for a person, by debtor."""

    def told(*decided, **asked):
        rows = sorted(
            ((account, f"D{account[-1]}", word, when) for account, word, when in decided), key=lambda one: one[3]
        )
        monkeypatch.setattr(stops, "_decided", lambda _: rows)
        monkeypatch.setattr(stops, "_asked_since", lambda _, debtors: {k: v for k, v in asked.items() if k in debtors})
        return agreed_accounts(None, AT)

    return told


@pytest.mark.parametrize(
    ("when", "holds"),
    [(AT + TICK, False), (AT, True), (AT - TICK, True), (AT - AGREEMENT_DAYS * DAY + TICK, True),
     (AT - AGREEMENT_DAYS * DAY, False), (AT - AGREEMENT_DAYS * DAY - TICK, False)],
)  # fmt: skip
def test_an_agreement_holds_from_its_moment_to_its_end(agreed, when, holds):
    """It has begun at its own instant, and has ended at its last; given again it holds anew."""
    assert agreed(("A1", "contact_agreed", when)) == (("A1",) if holds else ())
    assert agreed(("A1", "contact_agreed", when), ("A1", "contact_agreed", AT - DAY)) == ("A1",)


@pytest.mark.parametrize(("after", "holds"), [(-TICK, True), (timedelta(0), False), (TICK, False)])
def test_what_is_newly_heard_of_the_debtor_ends_it(agreed, after, holds):
    """At the same instant, too; of another debtor it ends nothing, and all accounts of this one wait again."""
    given = [("A1", "contact_agreed", AT - DAY), ("B1", "contact_agreed", AT - DAY), ("A2", "contact_agreed", AT - DAY)]
    assert agreed(*given, D1=AT - DAY + after) == (("A1", "A2", "B1") if holds else ("A2",))


def test_it_is_taken_back_account_by_account(agreed):
    """The last word counts; stops and their ends are no agreement."""
    words = [("A1", "contact_agreed", AT - 3 * DAY), ("A1", "agreement_withdrawn", AT - 2 * DAY)]
    assert agreed(*words, ("A2", "contact_agreed", AT - DAY)) == ("A2",)
    assert agreed(*words, ("A1", "contact_agreed", AT - DAY)) == ("A1",)
    assert agreed(("A1", "contact_stopped", AT - DAY), ("A1", "contact_resumed", AT - DAY)) == ()


def test_what_people_decided_holds_as_in_the_states_that_events_make(log, decide):
    """Whatever was told in whatever order, of one instant too: who is stopped or agreed to here is there."""
    rng = np.random.default_rng(4)
    accounts = pd.DataFrame(
        {"account_id": [f"A{n}" for n in range(120)], "debtor_id": [f"D{n // 2}" for n in range(120)]}
    )
    log.record([decide(n, account_id=one.account_id, debtor_id=one.debtor_id, action=0, ranking=())
                for n, one in enumerate(accounts.itertuples())])  # fmt: skip
    each = [(n, str(word)) for n in range(120) for word in CASE_DECISIONS]
    told = [
        (n, word, AT - 5 * DAY + int(day) * DAY) for (n, word), day in zip(each, rng.integers(0, 3, 480), strict=True)
    ]
    told = [told[at] for at in rng.permutation(len(told))[:300]]
    log.record_outcomes([OutcomeRecord(decision_id=f"d{n:05d}", outcome=word, occurred_at=at) for n, word, at in told])
    events = pd.DataFrame({"account_id": [f"A{n}" for n, _, _ in told], "outcome": [word for _, word, _ in told],
                           "occurred_at": [at for _, _, at in told]})  # fmt: skip
    states = account_states(accounts, outcomes=events, as_of=AT)
    stopped = [row for row, state in enumerate(states) if state.stopped]
    named = {accounts.debtor_id[row] for row in stopped}
    assert 10 < len(named) < 50 and {one for one in stopped_ids(log) if one.startswith("D")} == named
    agreed = {accounts.account_id[row] for row, state in enumerate(states) if state.reviewed}
    assert 10 < len(agreed) < 110 and set(agreed_accounts(log, AT)) == agreed
