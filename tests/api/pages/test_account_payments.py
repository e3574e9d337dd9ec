"""Payments on an account's page: those that were known to its decision, the newest first, each in its own money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from api.pages.account_payments import payments_section
from api.pages.content import Cell
from api.pages.shown import Shown

AT = datetime(2026, 11, 24, 15, tzinfo=UTC)


PAGE = SimpleNamespace(
    text=lambda text, **words: text.format(**words),
    texts=lambda one, many, n, **words: (one if n == 1 else many).format(count=n, **words),
    formats=SimpleNamespace(
        instant=lambda at, _: Shown(at.isoformat(), at.isoformat()),
        money=lambda minor, currency: Shown(minor, f"{currency} {minor:g}"),
        count=lambda value: Shown(value, f"{value:g}"),
    ),
)


def case_of(table=None, told=()):
    portfolio = SimpleNamespace(outcomes_of=lambda _, words: [one for one in told if one.outcome in words])
    return SimpleNamespace(
        payments=table, as_of=AT, zone="America/Bogota", currency="COP", account_id="A1", portfolio=portfolio
    )


@pytest.mark.parametrize("from_log", [True, False])
@pytest.mark.parametrize("newest_is_known", [True, False])
@pytest.mark.parametrize("n", [1, 5, 40])
def test_what_was_known_before_the_decision_is_told_newest_first(from_log, n, newest_is_known):
    """Not what came at its instant or later; twelve rows at most, and the sentence counts them all."""
    rng = np.random.default_rng(n)
    moments = [AT + timedelta(hours=int(hours)) for hours in rng.permutation(np.arange(-2 * n, n + 1))]
    amounts = [None if at % 7 == 3 else 100 * at for at in range(len(moments))]
    amounts[moments.index(AT - timedelta(hours=1))] = 70 if newest_is_known else None
    money = ["USD" if at % 3 else None for at in range(len(moments))]
    if from_log:
        rows = zip(moments, amounts, money, strict=True)
        told = [SimpleNamespace(occurred_at=at, amount_minor=a, currency=c, outcome="paid") for at, a, c in rows]
        told.append(SimpleNamespace(occurred_at=AT - timedelta(days=9), amount_minor=1, currency=None, outcome="read"))
        section = payments_section(PAGE, case_of(told=told))
    else:
        table = pd.DataFrame(
            {"paid_at": [at.isoformat() for at in moments], "amount_minor": amounts, "currency": money}
        )
        section = payments_section(PAGE, case_of(table))
    known = sorted(
        (one for one in zip(moments, amounts, money, strict=True) if one[0] < AT), key=lambda one: one[0], reverse=True
    )
    words = ["amount not known" if a is None else f"{c or 'COP'} {a}" for _, a, c in known]
    assert [[Cell.of(one).shown for one in row[:2]] for row in section.table.rows] == [
        [at.isoformat(), word] for (at, _, _), word in zip(known[:12], words, strict=False)
    ]
    assert section.finding.startswith(f"{len(known)} payment") and section.finding.endswith(
        f"{known[0][0].isoformat()}: {words[0]}."
    )
    assert len(known) == 2 * n


def test_nothing_known_before_is_said():
    """Of what comes afterwards nothing is shown."""
    late = pd.DataFrame({"paid_at": [AT.isoformat(), "no day"], "amount_minor": [5, 6]})
    for case in (case_of(late), case_of()):
        section = payments_section(PAGE, case)
        assert section.table is None and "before this decision" in section.empty
