"""Payments of an account until the moment of its case: of the portfolio's table, else of the decision log."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pandas as pd

from api.pages.account_case import AccountCase
from api.pages.content import Cell, Column, Section, Table
from api.pages.rendering import Page

__all__ = ["payments_section"]

_MOST_ROWS = 12
_PAID = ("paid", "paid_in_full")


def payments_section(page: Page, case: AccountCase) -> Section:
    """The newest payments, with the last one in a sentence."""
    heading = page.text("Payments so far")
    table = case.payments
    told = [*_of_log(case)] if table is None else [*_of_table(table)]
    told = sorted((one for one in told if one[0] < case.as_of), key=lambda one: one[0], reverse=True)
    if not told:
        return Section(
            "payments", heading, empty=page.text("No payment of this account is on record before this decision.")
        )
    source = page.text("Decision log") if table is None else page.text("Table of payments")
    rows: list[list[Any]] = [
        [Cell.of(page.formats.instant(at, case.zone)), _money(page, amount, currency or case.currency), source]
        for at, amount, currency in told[:_MOST_ROWS]
    ]
    at, amount, currency = told[0]
    finding = page.texts(
        "{count} payment is on record; the last one on {day}: {amount}.",
        "{count} payments are on record; the last one on {day}: {amount}.",
        len(told),
        day=page.formats.instant(at, case.zone).text,
        amount=_money(page, amount, currency or case.currency).shown,
    )  # fmt: skip
    columns = [
        Column("paid_at", page.text("When"), number=False),
        Column("amount", page.text("Amount")),
        Column("source", page.text("Known from"), number=False),
    ]
    caption = page.text("Newest payments, in the debtor's time")
    return Section(
        "payments", heading, finding, table=Table("payments", caption, columns, rows),
        reading=page.text(
            "A negative amount was taken back. Of what is dated after the decision nothing is shown here."
        ),
    )  # fmt: skip


def _of_table(table: pd.DataFrame) -> Iterator[tuple[datetime, float | None, str | None]]:
    moments = pd.to_datetime(table["paid_at"], utc=True, errors="coerce", format="mixed")
    amounts = pd.to_numeric(table["amount_minor"], errors="coerce")
    currencies = table["currency"] if "currency" in table else pd.Series(None, index=table.index, dtype=object)
    for at, amount, currency in zip(moments, amounts, currencies, strict=True):
        if pd.notna(at):
            yield at.to_pydatetime(), None if pd.isna(amount) else float(amount), _text(currency)


def _of_log(case: AccountCase) -> Iterator[tuple[datetime, float | None, str | None]]:
    for one in case.portfolio.outcomes_of(case.account_id, _PAID):
        yield one.occurred_at, None if one.amount_minor is None else float(one.amount_minor), one.currency


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _money(page: Page, amount: float | None, currency: str | None) -> Cell:
    if amount is None:
        return Cell(page.text("amount not known"), "")
    return Cell.of(page.formats.money(amount, currency) if currency else page.formats.count(amount))
