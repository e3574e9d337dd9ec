"""Whom a plan leaves out when it is let out later: who was stopped, and of whom something else is known by now."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from recommender.planning import kept_decisions

AS_OF = datetime(2026, 11, 24, 8, tzinfo=UTC)
PEOPLE = {"A1": "D1", "A2": "D1", "B1": "D2", "C1": "C1"}  # accounts and whose they are; the last is nobody's


def event(account, word, minutes=0, channel="sms"):
    return {"account_id": account, "sent_at": AS_OF + timedelta(minutes=minutes), "channel": channel, "outcome": word,
            "debtor_id": PEOPLE.get(account, "D1")}  # fmt: skip


def left_out(monkeypatch, then, now, stopped=()):
    """Debtors who are left out of a plan that was made when ``then`` was heard and is let out when ``now`` is."""

    def read(log, accounts, contacts, as_of, own):
        asked = set(accounts["debtor_id"])
        return SimpleNamespace(heard=[one for one in now if one["debtor_id"] in asked])

    monkeypatch.setattr(kept_decisions, "read_chunk_standing", read)
    monkeypatch.setattr(kept_decisions, "stopped_ids", lambda _: tuple(stopped))
    heard = kept_decisions._heard(SimpleNamespace(heard=then))
    kept = SimpleNamespace(as_of=AS_OF, heard=Counter(heard))
    concerned = [SimpleNamespace(account_id=account, debtor_id=debtor) for account, debtor in PEOPLE.items()]
    return kept_decisions._left_out(None, kept, concerned)


BEFORE = [event("A1", "promise_to_pay"), event("B1", "delivered"), event("C1", "complaint")]


@pytest.mark.parametrize(
    ("changed", "out"),
    [
        ([], set()),
        ([event("A1", "opt_out", 5)], {"D1"}),
        ([event("A3", "opt_out", 5)], {"D1"}),  # of an account of theirs that the plan is not about
        ([event("C1", "complaint")], {"C1"}),  # the same once more is news
        ([event("B1", "right_party_contact", 5), event("C1", "paid", 6)], {"D2", "C1"}),
        ([event("A1", "read", 5), event("B1", "not_connected", 6), event("C1", "attempted", 7)], set()),
        ([event("A1", "contact_agreed", 5), event("B1", "contact_resumed", 6)], set()),
    ],
)
def test_who_was_heard_from_is_left_out_and_who_was_only_reached_is_not(monkeypatch, changed, out):
    """Whatever is heard beyond how far a contact got; by person, not by account."""
    assert left_out(monkeypatch, BEFORE, [*BEFORE, *changed]) == out
    # ... and likewise what was known of the plan's accounts when it was made and is taken back since
    if all(one["account_id"] in PEOPLE for one in changed):
        assert left_out(monkeypatch, [*BEFORE, *changed], BEFORE) == out


def test_what_is_told_otherwise_is_news_too(monkeypatch):
    """The same word of another moment or channel, and another word in its place."""
    for now in (event("A1", "promise_to_pay", 1), event("A1", "promise_to_pay", channel="call"), event("A1", "paid")):
        assert left_out(monkeypatch, BEFORE, [now, *BEFORE[1:]]) == {"D1"}


@pytest.mark.parametrize(("stopped", "out"), [(("D1",), {"D1"}), (("A2",), {"D1"}), (("C1",), {"C1"}), (("X",), set())])
def test_who_was_stopped_is_left_out_whichever_of_their_names_is_known(monkeypatch, stopped, out):
    """By debtor or by one of the accounts."""
    assert left_out(monkeypatch, BEFORE, BEFORE, stopped) == out
