"""What a column of an accounts table says of the state that an account is in, beside its end: nothing overdue, or a word nobody knows."""

# ruff: noqa: E501 - lists of words are read by their lines

from __future__ import annotations

import re
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender.intake.canonical import TableReading
from recommender.intake.ended_accounts import end_has_come, is_over, names_end_day, names_status
from recommender.intake.subdivisions import is_subdivision, subdivision_code
from recommender.intake.told_stops import stop_told
from recommender.intake.vocabulary import canonical_word
from recommender.intake.words import flag_of, is_blank
from recommender.spelling import column_word, plain_word
from recommender.tables import fields

__all__ = ["doubt_statuses"]

_CURRENT = re.compile(
    r"(?:\d{1,2}_)?(?:esta_|is_|cuenta_|account_)?(?:al_dia|al_corriente|corriente|em_dia|up_to_date|current|normalizad[oa]|regularizad[oa]|sanead[oa]|curad[oa]|cured|puest[oa]_al_dia|(?:in_)?good_standing"
    r"|performing|sin_mora|sem_atraso|not_(?:past_due|delinquent|overdue)|no_past_due|no_vencid[oa])(?:_.*)?"
)
_CURRENT_FLAG = re.compile(
    r"(?:is_|esta_|e_)?(?:(?:cuenta|account|loan|credito)_)?(?:al_dia|em_dia|up_to_date|al_corriente|current)(?:_flag)?"
)
#: Words of a debt that is owed; what else a state says is read aloud.
_OWED = re.compile(
    r"(?:^|_)(?:vigente\w*|activ[oa]\w*|active\w*|ativ[oa]|abiert[oa]|abert[oa]|open|mor[ao]\w*|late\w*|overdue|past|due|delinquen\w*|default\w*|incumplid\w*|impag\w*|castig\w*|charged?|charge_?off|co|written|write|incobrable"
    r"|uncollectible|perdida|loss|(?:pre_?|extra_?)?(?:judicial\w*|jur[ií]dic\w*|legal\w*)|cobr\w*|collect\w*|recovery|recuperac\w*|atras\w*|vencid[oa]\w*|inadimplen\w*|arrears|dunning|new|nuev[oa]|nov[oa]|pend\w*|normal|grace|gracia"
    r"|prevent\w*|administrativ\w*|amistos\w*|amigav\w*|amicable|soft|hard|front_?end|back_?end|riesgo|risk|dudos[oa]|doubtful|subnormal|deficiente|substandard|bucket|tramo|dias|days|dpd|suspend\w*|bloque\w*|blocked|assigned|asignad[oa]|early|mid|temprana|tardia|parcial\w*|partial\w*|reestruct\w*|restruct\w*|refinanc\w*|renegoc\w*|unpaid|not_paid|no_pagad[oa]|owed|debe)(?:_|$)"
    r"|^(?:[a-e]\d?|\d{1,3}(?:_\d{1,3})?|[a-z]?\d{1,3}_.*)$"
)
_MOST_WORDS = 40


def doubt_statuses(
    reading: TableReading, piece: pa.Table | pd.DataFrame, read: pd.DataFrame, today: date | None
) -> None:
    """Doubt accounts (the piece read last) of which a state says that nothing is overdue or a day that they have ended.

    Words and days that nobody can read are noted. Who is called overdue although he is up to date was called by mistake: where a state and a due date contradict each
    other nobody knows which is meant. A word of no list is not taken as a debt that is owed without saying so.

    Parameters
    ----------
    reading : TableReading
        Of the accounts.
    piece : Table or DataFrame
        Every column as it was given.
    read : DataFrame
        What was read of it.
    today : date or None
        Day of the decision; None = nothing is known to be overdue by its due date alone.
    """
    if reading.table != "accounts":
        return
    quiet = {column_word(name) for name in reading.stated.no_stop_in}
    _doubt_end_days(reading, piece, read, today, quiet)
    overdue: NDArray[np.bool_] | None = None
    for name in _names_of(piece):
        word = column_word(name)
        flagged = _CURRENT_FLAG.fullmatch(word) is not None
        if name in fields("accounts") or word in quiet or not (flagged or names_status(word)):
            continue
        cells = _cells_of(piece, name)
        distinct = [cell for cell in cells.dropna().map(str).unique() if not is_blank(cell)]
        if len(distinct) > _MOST_WORDS:
            continue
        texts = cells.map(str).where(cells.notna())
        current = {
            cell for cell in distinct if (flag_of(cell) is True if flagged else _CURRENT.fullmatch(plain_word(cell)))
        }
        if current:
            overdue = _overdue(read, today) if overdue is None else overdue
            reading.doubt(
                texts.isin(current).to_numpy(dtype=bool) & overdue, cells, name, "told_current",
                "says that nothing is overdue, and the due date or the days past due say that it is",
                "Leave these accounts out, correct the dates, or state that the column says no such thing "
                f"(--no-stop-in '{name}').", reading.n_rows - len(cells),
            )  # fmt: skip
        unknown = (
            [] if flagged else [cell for cell in distinct if cell not in current and not _is_known(cell, word, read)]
        )
        reading.note(
            texts.isin(unknown).to_numpy(dtype=bool), cells, name, "unknown_status",
            "says what no list of states knows; these accounts were taken as owed",
            "Where it says that an account is over, leave it out or give a balance of 0; where it says nothing of the "
            f"kind, state --no-stop-in '{name}'.", reading.n_rows - len(cells),
        )  # fmt: skip


def _names_of(piece: pa.Table | pd.DataFrame) -> list[str]:
    return list(piece.column_names) if isinstance(piece, pa.Table) else [str(name) for name in piece.columns]


def _cells_of(piece: pa.Table | pd.DataFrame, name: str) -> pd.Series:
    cells = piece.column(name).to_pandas() if isinstance(piece, pa.Table) else piece[name].reset_index(drop=True)
    return cells.astype(object)


def _doubt_end_days(
    reading: TableReading, piece: pa.Table | pd.DataFrame, read: pd.DataFrame, today: date | None, quiet: set[str]
) -> None:
    """Doubt accounts that were prescribed, closed or sold on a day that has come, and note days that nobody can read."""
    for name in _names_of(piece):
        word = column_word(name)
        if name in fields("accounts") or word in quiet or not names_end_day(word):
            continue
        cells, start = _cells_of(piece, name), reading.n_rows - len(piece)
        texts = cells.map(str).where(cells.notna())
        ended = {text: end_has_come(text, today, reading.stated.dates) for text in texts.dropna().unique()}
        come = {text for text, has_come in ended.items() if has_come}
        reading.doubt(
            texts.isin(come).to_numpy(dtype=bool) & _owed(read), cells, name, "ended_on",
            "is a day that has come, on which the account was prescribed, closed or sold",
            f"Leave these accounts out, give a balance of 0, or state that it is no such day (--no-stop-in '{name}').",
            start,
        )  # fmt: skip
        unread = {text for text, has_come in ended.items() if has_come is None}
        reading.note(
            texts.isin(unread).to_numpy(dtype=bool) & _owed(read), cells, name, "unread_end",
            "is no day that can be read, or may be two; these accounts were taken as owed",
            f"Write YYYY-MM-DD, state the order (--dates), or that it is no such day (--no-stop-in '{name}').", start,
        )  # fmt: skip


def _is_known(cell: str, word: str, read: pd.DataFrame) -> bool:
    """Whether a word says that a debt is owed, that it is over or stopped, or where somebody lives."""
    said = plain_word(cell)
    if _OWED.search(said) or is_over(word, cell, said) or stop_told(said) is not None or flag_of(cell) is not None:
        return True
    if canonical_word("flags", cell) is not None or canonical_word("outcome", cell) is not None:
        return True
    countries = read["country"].dropna().unique().tolist() if "country" in read else []
    return any(is_subdivision(str(subdivision_code(str(code), cell))) for code in countries[:5])


def _overdue(read: pd.DataFrame, today: date | None) -> NDArray[np.bool_]:
    """Rows of a debt that a decision would take as overdue."""
    n = len(read)
    days: Any = read["days_past_due"] if "days_past_due" in read else pd.Series(np.nan, index=range(n))
    days = pd.to_numeric(days, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    due: Any = read["due_date"].astype(object) if "due_date" in read else pd.Series(None, index=range(n), dtype=object)
    is_past = np.array(
        [True if not isinstance(day, str) else today is not None and day < today.isoformat() for day in due], dtype=bool
    )
    return np.where(np.isnan(days), is_past, days > 0) & _owed(read)


def _owed(read: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows whose balance is not known to be zero."""
    if "balance_minor" not in read:
        return np.ones(len(read), dtype=bool)
    balance = pd.to_numeric(read["balance_minor"], errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(balance != 0)
