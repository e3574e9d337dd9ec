"""Offers on an account's page: what was offered, till when, what became of it and what it may cost."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from api.pages import account_offers
from api.pages.content import MISSING, Cell
from api.pages.shown import Shown

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
TICK = timedelta(microseconds=1)
PAGE = SimpleNamespace(
    text=lambda text, **words: text.format(**words),
    made_at=NOW,
    formats=SimpleNamespace(
        instant=lambda at, _: Shown(at.isoformat(), f"at {at.isoformat()}"),
        money=lambda minor, currency: Shown(minor, f"{currency} {minor:g}"),
        count=lambda value: f"{value:g}",
        percent=lambda rate, decimals: f"{100 * rate:.{decimals}f}%",
    ),
)


@pytest.fixture
def section(monkeypatch):
    """The section of offers made, and of what the newest decision told of them."""

    def build(rows, first=None, currency="COP", *, control=False):
        columns = ["offer_id", "offered_at", "valid_until", "status", "cost_minor"]
        made = pd.DataFrame(rows, columns=columns)
        monkeypatch.setattr(account_offers, "offers_made", lambda _, account_id: made if account_id == "A1" else None)
        ranking = [] if first is None else [first]
        logged = SimpleNamespace(decision=SimpleNamespace(ranking=ranking))
        served = SimpleNamespace(house=SimpleNamespace(offers=None))
        case = SimpleNamespace(
            logged=logged, portfolio=SimpleNamespace(log=object(), served=served), account_id="A1", zone="UTC",
            currency=currency, is_control=control,
        )  # fmt: skip
        return account_offers.offers_section(PAGE, case)

    return build


def test_an_open_offer_is_expired_from_its_end_on_and_others_stay_what_they_became(section):
    """The newest first; without an end it runs on, and what nobody knows is a dash."""
    ends = {"d1": NOW - TICK, "d2": NOW, "d3": NOW + TICK, "d4": None}
    states = ("open", "accepted", "refused", "withdrawn")
    rows = [(f"{name}-{state}", NOW - timedelta(days=n), end, state, np.nan if n == 2 else 100.0 * n)
            for n, (name, end) in enumerate(ends.items()) for state in states]  # fmt: skip
    rows = [rows[at] for at in np.random.default_rng(0).permutation(len(rows))]
    told = [[Cell.of(one) for one in row] for row in section(rows).table.rows]
    assert len(told) == 16
    dates = [row[1].value for row in told]
    assert dates == sorted(dates, reverse=True)
    words = {"open": "open", "accepted": "accepted", "refused": "refused by the debtor", "withdrawn": "withdrawn"}
    for offer, _, until, state, cost in told:
        name, said = offer.value.split("-")
        is_over = said == "open" and name in ("d1", "d2")
        assert (state.value, state.shown) == (("expired",) * 2 if is_over else (said, words[said]))
        assert until.shown == (MISSING if ends[name] is None else f"at {ends[name].isoformat()}")
        assert cost.shown == {"d1": "COP 0", "d2": "COP 100", "d3": MISSING, "d4": "COP 300"}[name]


def test_what_the_decision_offers_and_why_others_could_not_be_made_is_said(section):
    """By kind, end and cost; of the control group nothing was shut."""
    assert section([]) is None
    terms = {"kind": "discount", "percent": 12.5, "cost_minor": 700, "currency": "USD", "expires_at": NOW.isoformat()}
    known = json.dumps({"shut": {"offer-open": ["a"], "offer-better": ["a", "b"], "offer-budget": ["a", "b", "c"]}})
    told = section([], {"offer": json.dumps(terms), "offers_known": known})
    assert told.table is None
    assert (
        told.finding
        == f"It offers 12.5% of the debt forgiven, until at {NOW.isoformat()}; it costs USD 700 if it is taken."
    )
    for count, words in ((1, "still open"), (2, "waiting must not pay"), (3, "budget")):
        (one,) = [said for said in told.reading.split(". ") if words in said]
        assert one.startswith(f"{count} others")
    assert section([], {"offers_known": known}, control=True).reading == ""
    assert section([], {"offers_known": "{}"}).finding == "This decision makes no offer."


@pytest.mark.parametrize(
    ("terms", "says"),
    [({"kind": "discount", "percent": 20}, "20% of the debt forgiven"), ({"kind": "discount", "percent": 7.5}, "7.5%"),
     ({"kind": "instalments", "instalments": 6}, "in 6 monthly payments"), ({"kind": "other", "id": "x"}, "x"),
     ({"kind": "discount", "id": "d"}, "d"), ({}, "")],
)  # fmt: skip
def test_an_offer_is_told_by_what_it_gives(terms, says):
    """By its name where nobody knows."""
    told = account_offers.offer_in_words(PAGE, terms)
    assert told == says if len(says) < 3 else says in told
