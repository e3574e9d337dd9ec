"""Contacts of an account so far: a row a channel, a dot a contact, and what came of each."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from api.pages.account_case import AccountCase
from api.pages.account_charts import Contact, timeline
from api.pages.content import Cell, Column, Section, Table
from api.pages.rendering import Page

__all__ = ["history_section"]

_MOST_ROWS = 12
_MOST_DOTS = 200
_ANSWERED = ("replied", "right_party_contact", "promise_to_pay", "promise_kept", "paid", "live_contact")
_BAD = ("opt_out", "complaint", "wrong_party", "bounced")


def history_section(page: Page, case: AccountCase) -> Section:
    """Timeline and table of the newest contacts."""
    heading = page.text("Contacts so far")
    contacts = case.contacts
    if contacts is not None:
        contacts = contacts.loc[contacts["account_id"].astype("str") == case.account_id]
    if contacts is None or contacts.empty:
        return Section(
            "history", heading, empty=page.text("No contact with this account is on record before this decision.")
        )
    sent = pd.to_datetime(contacts["sent_at"], utc=True)
    newest = contacts.assign(sent_at=sent).sort_values("sent_at", ascending=False, kind="stable").head(_MOST_DOTS)
    first, last = newest["sent_at"].min(), pd.Timestamp(case.as_of)
    span = max((last - first).total_seconds(), 1.0)
    lanes = sorted({str(channel) for channel in newest["channel"].dropna()})
    dots = []
    rows: list[list[Any]] = []
    outcomes = newest["outcome"] if "outcome" in newest else pd.Series(None, index=newest.index, dtype=object)
    answered = 0
    for when, channel, outcome in zip(newest["sent_at"], newest["channel"], outcomes, strict=True):
        if not isinstance(channel, str):
            continue
        known = isinstance(outcome, str)
        tone = "for" if known and outcome in _ANSWERED else "against" if known and outcome in _BAD else "unclear"
        answered += tone == "for"
        at = page.formats.instant(when.to_pydatetime(), case.zone)
        result = page.label(outcome) if known else page.text("no outcome on record")
        share = min(max((when - first).total_seconds() / span, 0.0), 1.0)
        dots.append(Contact(share, lanes.index(channel), tone, f"{page.label(channel)}, {at}: {result}"))
        if len(rows) < _MOST_ROWS:
            shown = {"for": "above", "against": "below"}.get(tone, "")
            rows.append([Cell.of(at), page.label(channel), Cell(result, outcome if known else "", shown)])
    ticks = [
        (fraction, page.formats.short_day((first + (last - first) * fraction).date()).text)
        for fraction in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    finding = page.texts(
        "{answered} of {count} contact was answered.",
        "{answered} of {count} contacts were answered.",
        len(dots),
        answered=answered,
    )
    return Section(
        "history",
        heading,
        finding,
        draw=partial(timeline, [page.label(lane) for lane in lanes], dots, ticks),
        label=finding,
        table=Table(
            "history",
            page.text("Newest contacts, in the debtor's time"),
            [
                Column("sent_at", page.text("Sent"), number=False),
                Column("channel", page.label("channel"), number=False),
                Column("outcome", page.text("Outcome"), number=False),
            ],
            rows,
        ),
        open=False,
        reading=page.text(
            "Blue: answered. Orange: opted out, complained, or did not reach the debtor. Hollow: no "
            "answer, or none on record."
        ),
    )
