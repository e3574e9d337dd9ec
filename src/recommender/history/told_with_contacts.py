"""Outcomes that stand in the contacts table itself, as rows of outcomes: a dialler's export has one row a call."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.history.contract_check import CheckedTable
from recommender.history.instants import have_offset
from recommender.intake import canonical_word, id_keys, id_texts, is_blank, words_of

__all__ = ["ToldWithContacts"]


class ToldWithContacts:
    """What came of contacts, as their own table tells it.

    Parameters
    ----------
    contacts : DataFrame
        As given, before its check takes the columns.
    """

    def __init__(self, contacts: pd.DataFrame) -> None:
        names = [name for name in ("outcome", "promise_date") if name in contacts]
        self.rows = pd.DataFrame()
        if not names or not {"contact_id", "sent_at"} <= {*contacts.columns}:
            return
        kept = [name for name in ("contact_id", "sent_at", "status", *names) if name in contacts]
        told = contacts[kept].reset_index(drop=True)
        filled = np.zeros(len(told), dtype=bool)
        for name in names:
            filled |= _filled(told[name])
        if "status" in told:
            planned = {word: canonical_word("status", word) == "planned" for word in told["status"].dropna().unique()}
            filled &= ~told["status"].map(planned).fillna(value=False).to_numpy(dtype=bool)
        self.rows = told.loc[filled]

    def beside(self, outcomes: pd.DataFrame | None, contacts: CheckedTable | None) -> pd.DataFrame | None:
        """The outcomes given and those that stand beside contacts, told once each; None where there are none.

        Parameters
        ----------
        outcomes : DataFrame or None
            As given.
        contacts : CheckedTable or None

        Raises
        ------
        InvalidInput
            Where the two tables write instants with and without an offset, so that no one clock is right for both.
        """
        if not len(self.rows) or contacts is None or (outcomes is not None and not isinstance(outcomes, pd.DataFrame)):
            return outcomes
        heard = self._as_outcomes()
        if outcomes is None or not len(outcomes):
            return heard
        if not {"contact_id", "occurred_at", "outcome"} <= {*outcomes.columns}:
            return outcomes  # refused by its own contract
        keys = pd.MultiIndex.from_arrays([_keys(outcomes["contact_id"]), _words(outcomes["outcome"])])
        mine = pd.MultiIndex.from_arrays([_keys(heard["contact_id"]), _words(heard["outcome"])])
        heard = heard.loc[~mine.isin(keys)]
        if not len(heard):
            return outcomes
        if _has_offset(outcomes["occurred_at"]) and not _has_offset(heard["occurred_at"]):
            clean = contacts.frame.set_index("_position")["sent_at"].reindex(heard.index)
            heard = heard.loc[clean.notna()].assign(occurred_at=clean.dropna().map(lambda at: at.isoformat()))
        elif _has_offset(heard["occurred_at"]) and not _has_offset(outcomes["occurred_at"]):
            raise InvalidInput.in_column(
                "occurred_at", "of table 'outcomes' has no offset, and contacts, which tell outcomes too, have one",
                values=outcomes["occurred_at"].head(3), mend="Write instants of both tables with an offset.",
            )  # fmt: skip
        columns = ["contact_id", "occurred_at", "outcome"]
        given = outcomes[[name for name in outcomes.columns if name not in columns] + columns]
        return pd.concat([given, heard.astype(object)], ignore_index=True)

    def _as_outcomes(self) -> pd.DataFrame:
        """One row an outcome that is told by its word, and one a promise that only its day tells."""
        said = self.rows["outcome"] if "outcome" in self.rows else pd.Series(None, index=self.rows.index, dtype=object)
        frame = pd.DataFrame(
            {"contact_id": self.rows["contact_id"], "occurred_at": self.rows["sent_at"], "outcome": said}
        )
        spoken = _filled(said)
        if "promise_date" not in self.rows:
            return frame.loc[spoken]
        dated = _filled(self.rows["promise_date"])
        of_promise = [
            word for word in said[spoken].unique() if words_of(word, "its day", None)[-1:] != ["promise_to_pay"]
        ]
        of_promise += [word for word in said[spoken].unique() if canonical_word("outcome", word) == "promise_to_pay"]
        alone = dated & ~(spoken & said.isin(of_promise).to_numpy(dtype=bool))
        return pd.concat([frame.loc[spoken], frame.loc[alone].assign(outcome="promise_to_pay")])


def _filled(cells: pd.Series) -> NDArray[np.bool_]:
    """Where a cell says something; distinct cells are looked at once."""
    codes, distinct = pd.factorize(cells)
    says = np.array([*(not is_blank(cell) for cell in distinct), False], dtype=bool)
    return np.asarray(says[codes])


def _words(cells: pd.Series) -> NDArray[np.object_]:
    """The word that each outcome means; as it is written where nobody knows it."""
    codes, distinct = pd.factorize(cells)
    words = [canonical_word("outcome", cell) or str(cell) for cell in distinct]
    return np.asarray(np.array([*words, None], dtype=object)[codes])


def _keys(ids: pd.Series) -> Any:
    return id_keys(id_texts(ids))


def _has_offset(cells: pd.Series) -> bool:
    """Whether instants are told with their offset, by the first cells."""
    if isinstance(cells.dtype, pd.DatetimeTZDtype):
        return True
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        return False
    return bool(have_offset(pa.array(cells.dropna().head(100).map(str), type=pa.large_string())).any())
