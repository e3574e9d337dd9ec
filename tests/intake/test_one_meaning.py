"""One meaning of a field, whoever reads it: `ingest` a column, `score` a piece of it, `check` and the service one cell."""

# ruff: noqa: E501 - tables of spellings are read by their lines
from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.errors import InvalidInput
from recommender.history.contract_check import check_table
from recommender.intake import TableReading, refuse_faults
from recommender.tables import CONTRACTS, FACTS, fields

AS_OF = pd.Timestamp("2026-11-25T12:30:00Z")
CHANNELS = ["call", "sms", "whatsapp", "email"]
LEVELS = {"channel": CHANNELS, "tone": ["friendly", "neutral", "firm"]}
#: Cells by kind: plain ones, other spellings, some that two readers may be tempted to read differently, some that are none.
CELLS = {
    "id": ["00107", "107", " A-7 ", "'0012", "5.0", "1.23000E+11", "5.7E+11", "x y", "Ñ7", "\u200b9", "N/A", "-"],
    "instant": ["2026-11-08T16:05:00-05:00", "2026-11-08 21:05:00Z", "20261108T210500Z", "20261108 160500-0500", "1794171900", "1794171900000",
                "2026-11-08T16:05:00-05:00[America/Bogota]", "2026-11-08 16:05:00 America/Bogota", "/Date(1794171900000)/", "2026-11-08 16:05 (GMT-5)", "2026-11-08 21:05 (UTC)", "2026-11-08 16:05 (COT)", "2026-11-08 16:05 (hora local)", "Sun, 08 Nov 2026 16:05:00 -0500",
                "ayer", "2026-W45-7", "2026-13-01T00:00:00Z", "s/d"],
    "date": ["2026-10-13", "13/10/2026", "13-oct-26", "13 de outubro de 2026", "20261013", "46308", "2026-10-13 00:00:00", "1900-01-01", "quincena", "N/A"],
    "number": ["1000000", "1,000,000.00", "$ 1000000", "1000000 COP", "'5000", "(1,234.00)", "1.5E+06", "1.23E+08", "mil", "0x1F", "-", "inf"],
    "flag": ["SI", "no", "1.0", "0", "X", "off", "VERDADERO", "quizás", "s/d", "2"],
    "zone": ["America/Bogota", "america/bogota", "Bogotá", "SA Pacific Standard Time", "UTC-5", "COT", "-05:00"],
    "currency": ["COP", "cop", " usd ", "€", "R$", "S/", "Euros", "$", "pesos", "C0P"],
    "country": ["CO", "Colombia", "170", "COL", "U.S.A.", "57", "Atlantis", "UK"],
    "language": ["es", "ES", "Español", "es-CO", "pt_BR", "Português", "1", "Español (Colombia)"],
    "subdivision": ["Antioquia", " US-MA ", "us-ma", "MA", "N/A", "São Paulo"],
    "paydays": ["15", "15;30", "30, 15", "15.0", "31", "[1, 16]", "0", "32", "15;40", "quincena", "N/A", "2026-01-15", "15|30", "15 y 30", [15, 30], np.array([30, 15])],
    "level": [],
}  # fmt: skip
WORDS = {
    "channel": ["SMS", "Llamada", "Ligação", "torpedo", "paloma", "e-mail"], "tone": ["Amable", "FIRME", "neutro"],
    "status": ["Enviado", "planned", "Cancelado"], "initiated_by": ["Credor", "cliente", "outbound", "nadie"],
    "outcome": ["BAJA", "PTP - Promise to Pay", "Abogado", "Fallecido", "no sé", "Não atendeu"],
    "debtor_type": ["Persona natural", "PJ", "pessoa física", "company"],
}  # fmt: skip
BOTH = [(table, name) for table in CONTRACTS for name, field in fields(table).items() if field in CONTRACTS[table].columns and
        field.kind not in ("text", "channels", "probability")]  # fmt: skip
PLAIN = {
    "account_id": "A1", "contact_id": "K1", "decision_id": "E1", "valid_from": "2026-01-01T00:00:00Z", "sent_at": "2026-11-01T12:00:00Z",
    "occurred_at": "2026-11-01T12:00:00Z", "paid_at": "2026-11-01T12:00:00Z", "decided_at": "2026-11-01T12:00:00Z", "outcome": "read",
    "amount_minor": "7", "channel": "sms",
}  # fmt: skip


def spoken(name, field):
    return WORDS[name] if field.kind == "level" else CELLS[field.kind]


def rows(table, name, cells):
    """A table whose other cells are plain, one row a cell."""
    needed = {column.name for column in CONTRACTS[table].columns if column.required or not column.nullable} | {name}
    held = {one: [PLAIN[one]] * len(cells) for one in sorted(needed - {name})}
    frame = pd.DataFrame({**held, name: cells}, dtype=object)
    key = CONTRACTS[table].key[0]
    return frame if key == name else frame.assign(**{key: [f"{PLAIN[key]}{row}" for row in range(len(cells))]})


def in_a_plan(table, name, cells):
    """Cells as decisions read them, None where one is refused."""
    reading = TableReading(table)
    frame = rows(table, name, cells)
    reading.observe(frame)
    read = reading.read(frame)[name].tolist()
    try:
        refuse_faults([reading], 0.0)
    except InvalidInput:
        return None
    return [None if pd.isna(value) else value for value in read]


def in_a_log(table, name, cells):
    """The same as the log reads them; a cell that the log needs and is empty is a fault of its own."""
    checked = check_table(rows(table, name, cells), CONTRACTS[table], as_of=AS_OF, channels=CHANNELS, levels=LEVELS,
                          clocks=lambda owners: pd.Series([None] * len(owners), dtype=object))  # fmt: skip
    if checked.faults.bad.any():
        return None
    read = checked.frame[name].tolist()
    return [None if pd.isna(value) else value for value in read]


def alike(one, other, kind):
    """Values of two readers: the log keeps dates as days, flags as numbers, ids as numbers where all are."""
    if one is None or other is None:
        return one is other
    if kind == "date":
        return str(one)[:10] == str(other)[:10]
    return str(one) == str(other) if kind == "id" else one == other


@pytest.mark.parametrize(("table", "name"), BOTH)
def test_the_log_and_a_plan_read_a_cell_alike(table, name):
    """Every cell by itself: one value, or refused by both. Ranges are the log's own: a plan leaves such accounts alone."""
    field = fields(table)[name]
    for cell in spoken(name, field):
        plan, log = in_a_plan(table, name, [cell]), in_a_log(table, name, [cell])
        if log is None and plan is not None and (plan == [None] or (field.kind == "number" and plan[0] <= 0)):
            continue  # empty where the log needs a value, or out of its range
        assert (plan is None) == (log is None), (cell, plan, log)
        assert plan is None or alike(plan[0], log[0], field.kind), (cell, plan, log)


@pytest.mark.parametrize("table", CONTRACTS)
@settings(max_examples=4, derandomize=True, deadline=None)
@given(data=st.data())
def test_a_cell_is_read_alike_alone_and_in_a_column(table, data):
    """Of every field, those that only decisions read too: what a row says does not hang on the rows around it."""
    known = {name: field for name, field in fields(table).items() if field.kind not in ("text", "channels", "flags", "probability")
             and (field.kind != "level" or name in WORDS)}  # fmt: skip
    for name, field in known.items():
        # A column may tell what a cell does not (which number is the day): those that tell stand in it, too.
        cells = data.draw(st.lists(st.sampled_from(spoken(name, field)), min_size=1, max_size=6), label=name)
        alone = [
            in_a_plan(table, name, [cell]) if name in _read_with_plain(table) else _facts(table, name, [cell])
            for cell in cells
        ]
        together = in_a_plan(table, name, cells) if name in _read_with_plain(table) else _facts(table, name, cells)
        assert (together is None) == any(one is None for one in alone), (name, cells, alone, together)
        assert together is None or together == [one[0] for one in alone], (name, cells)


def _read_with_plain(table):
    return {column.name for column in CONTRACTS[table].columns}


def _facts(table, name, cells):
    reading = TableReading(table)
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object)})
    reading.observe(frame)
    read = reading.read(frame)[name].tolist()
    return None if reading.faults else [None if pd.isna(value) else value for value in read]


def test_a_field_has_one_meaning():
    """No name is in both tables of fields, and what two tables share is of one kind."""
    for table, facts in FACTS.items():
        assert not {field.name for field in facts} & set(CONTRACTS[table].names)
    kinds = {}
    for table in CONTRACTS:
        for name, field in fields(table).items():
            assert kinds.setdefault(name, field.kind) == field.kind, name
