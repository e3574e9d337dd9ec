"""Which debtors' events may make a state at all, by arrays: most contacts were delivered, or not, and leave none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.intake.event_records import FAILED, FAILURES
from recommender.intake.event_rows import is_null, word_of
from recommender.intake.ids import id_texts, places_of

__all__ = ["with_telling_events"]

#: Words that leave no state by themselves, nor take one back before there is one; so many of the last two leave one.
_LIGHT = frozenset(("right_party_contact", "delivered", "read", "replied", "answered", "live_contact", *FAILED))
#: Columns whose cells tell a promise or a call that was asked for, whatever the outcome says.
_DAYS = ("promise_date", "callback_at")
_FEW = 256  # rows: reading them is as fast as looking for those that need no reading


def with_telling_events(
    contacts: pd.DataFrame | None, outcomes: pd.DataFrame | None, owner: Mapping[str, str]
) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Contacts and outcomes of the debtors of whom something was heard that may leave a state, whole.

    Parameters
    ----------
    contacts, outcomes : DataFrame or None
        As :func:`recommender.intake.account_states` takes them.
    owner : mapping of str to str
        Debtor of each account, both as :func:`recommender.intake.id_text` writes them.

    Returns
    -------
    contacts, outcomes : DataFrame or None
        Rows in their order. What is left out would change the state of no account.
    """
    n_contacts, n_outcomes = (0 if table is None else len(table) for table in (contacts, outcomes))
    if n_contacts + n_outcomes < _FEW:
        return contacts, outcomes
    names = list(dict.fromkeys(owner.values()))
    code_of = {name: code for code, name in enumerate(names)}
    of_account = np.array([code_of[name] for name in owner.values()], dtype=np.int64)
    accounts, people = pa.array(list(owner), pa.large_string()), pa.array(names, pa.large_string())

    def by_account(table: pd.DataFrame) -> NDArray[np.int64]:
        at = _found(table, "account_id", accounts)
        return np.where(at >= 0, of_account[at], -1)

    heavy = np.zeros(len(names) + 1, dtype=bool)  # the last one: nobody
    failures = np.zeros(len(names) + 1, dtype=np.int64)
    person = np.zeros(0, dtype=np.int64)
    if contacts is not None and n_contacts:
        person = by_account(contacts)
        person = np.where(person >= 0, person, _found(contacts, "debtor_id", people))
        tells, fails = _words(contacts)
        heavy[person[tells]] = True
        np.add.at(failures, person[fails], 1)
    direct = spoken_of = np.zeros(0, dtype=np.int64)
    spoken = np.zeros((0, 2), dtype=np.int64)
    if outcomes is not None and n_outcomes:
        direct = by_account(outcomes)
        tells, fails = _words(outcomes)
        spoken_of, spoken = _contacts_spoken_of(outcomes, contacts, person)
        heavy[direct[tells]] = True
        np.add.at(failures, direct[fails], 1)
        for_person = spoken[:, 1]
        n_codes = int(max(spoken_of.max(initial=-1), spoken[:, 0].max(initial=-1))) + 1
        counted = np.bincount(spoken_of[tells & (spoken_of >= 0)], minlength=n_codes)
        heavy[for_person[counted[spoken[:, 0]] > 0]] = True
        counted = np.bincount(spoken_of[fails & (spoken_of >= 0)], minlength=n_codes)
        np.add.at(failures, for_person, counted[spoken[:, 0]])
    heavy |= failures >= FAILURES
    heavy[-1] = False
    if contacts is not None and n_contacts:
        contacts = contacts.loc[heavy[person]]
    if outcomes is not None and n_outcomes:
        of_heavy = np.isin(spoken_of, spoken[heavy[spoken[:, 1]], 0])
        of_known = np.isin(spoken_of, spoken[:, 0])  # whose contact it is goes before the account that it names
        outcomes = outcomes.loc[np.where(of_known, of_heavy, heavy[direct])]
    return contacts, outcomes


def _found(table: pd.DataFrame, name: str, known: pa.Array) -> NDArray[np.int64]:
    """Place of each row's id among known ones, -1 where it is none of them."""
    if name not in table:
        return np.full(len(table), -1, dtype=np.int64)
    return places_of(id_texts(table[name]), known)


def _words(table: pd.DataFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows that may leave a state by themselves, by their outcome or a day, and rows that say that a contact failed."""
    dated = np.zeros(len(table), dtype=bool)
    for name in _DAYS:
        if name in table:
            dated |= table[name].notna().to_numpy()
    if "outcome" not in table:
        return dated, np.zeros(len(table), dtype=bool)
    codes, distinct = pd.factorize(table["outcome"])
    words: list[Any] = [None if is_null(cell) else word_of(cell) for cell in distinct]
    tells = np.array([*(word is not None and word not in _LIGHT for word in words), False], dtype=bool)
    fails = np.array([*(word in FAILED for word in words), False], dtype=bool)
    return tells[codes] | dated, fails[codes]


def _contacts_spoken_of(
    outcomes: pd.DataFrame, contacts: pd.DataFrame | None, person: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Code of the contact of each outcome (-1: none), and (code, person) of every contact that an outcome speaks of."""
    if contacts is None or "contact_id" not in outcomes or "contact_id" not in contacts or not len(contacts):
        return np.full(len(outcomes), -1, dtype=np.int64), np.zeros((0, 2), dtype=np.int64)
    texts = pa.array(id_texts(outcomes["contact_id"]), type=pa.large_string(), from_pandas=True)
    known = pc.drop_null(pc.unique(texts))
    at = _found(contacts, "contact_id", known)
    rows = np.flatnonzero((at >= 0) & (person >= 0))
    return _found(outcomes, "contact_id", known), np.stack([at[rows], person[rows]], axis=1)
