"""Accounts to decide about: columns from JSON objects, Arrow or a frame, and the situation worked out from them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recommender.columns import Columns, Tabular, is_null
from recommender.local_time import as_utc_us
from recommender.rules import due_days, own_days
from recommender.strategy import STAGES, stage_of

__all__ = ["Accounts"]

_LONGEST_DAYS = 36_500  # past due or to the due date: beyond it a number is no count of days


class Accounts(Columns):
    """Facts and context of accounts, one row each; see :func:`recommender.deciding.decide` for the columns.

    What no row says is unknown: the rules deny on it and the model takes it as missing.

    Examples
    --------
    >>> accounts = Accounts.of([{"account_id": "A1", "country": "CO"}, {"account_id": "A2"}])
    >>> len(accounts), accounts.values("country")
    (2, ['CO', None])
    """

    @classmethod
    def of(cls, table: Tabular) -> Self:
        """Read a frame, an Arrow table, a list of JSON objects, or columns; names of the raw table are known."""
        accounts = super().of(table)
        if "channels_consented" in accounts and "consented_channels" not in accounts:
            consented = [
                value.replace("|", ";") if isinstance(value, str) else value
                for value in accounts.values("channels_consented")
            ]
            kept = {name: accounts.source(name) for name in accounts.names if name != "channels_consented"}
            accounts = cls({**kept, "consented_channels": consented}, len(accounts))
        return accounts

    def situated(self, as_of: datetime) -> Self:
        """Add ``days_past_due`` (debtor-local), ``due_date`` and ``stage`` where they are not given.

        Who tells how many days a debt is late has told its due date: law, tone and texts must not take it as unknown.
        """
        accounts = self._dated(as_of) if "days_past_due" in self else self
        return accounts._timed(as_of)._staged()  # noqa: SLF001 - of this class

    def _timed(self, as_of: datetime) -> Self:
        """Days past due of the due dates where none are told."""
        if "due_date" not in self or not (unsaid := self._unsaid("days_past_due")).any():
            return self
        return self._filled("days_past_due", unsaid, own_days(self, as_utc_us(as_of)) - due_days(self))

    def _staged(self) -> Self:
        """Stages by days past due where none is told."""
        if "days_past_due" not in self or not (unsaid := self._unsaid("stage")).any():
            return self
        stages = stage_of(self.numbers("days_past_due")).tolist()
        return self._filled("stage", unsaid, [STAGES[code] for code in stages])

    def _unsaid(self, name: str) -> NDArray[np.bool_]:
        """Rows that do not tell a column: the others of a request may."""
        if name not in self:
            return np.ones(len(self), dtype=bool)
        return np.array(list(map(is_null, self.values(name))), dtype=bool)

    def _filled(self, name: str, unsaid: NDArray[np.bool_], found: Any) -> Self:
        """A column with what was worked out where nothing was said."""
        if unsaid.all():
            return self.assign(**{name: found})
        filled = list(self.values(name))
        for row in np.flatnonzero(unsaid).tolist():
            filled[row] = found[row].item() if isinstance(found, np.ndarray) else found[row]
        return self.assign(**{name: filled})

    def _dated(self, as_of: datetime) -> Self:
        """Due dates of the days past due where none is told; one that cannot be read stays as it is."""
        told = self.values("due_date") if "due_date" in self else [None] * len(self)
        days = self.numbers("days_past_due")
        mine = np.array([is_null(value) or value == "" for value in told], dtype=bool)
        mine &= np.isfinite(days) & (np.abs(days) < _LONGEST_DAYS)
        if not mine.any():
            return self
        dates = list(told)
        due = own_days(self, as_utc_us(as_of)) - np.where(mine, days, 0.0)
        written = due.astype(np.int64).astype("datetime64[D]").astype(str)
        for row in np.flatnonzero(mine).tolist():
            dates[row] = str(written[row])
        return self.assign(due_date=dates)

    def row(self, position: int) -> dict[str, Any]:
        """One account by its columns."""
        picked = {name: self.source(name)[position] for name in self.names}
        return {name: one.item() if isinstance(one, np.generic) else one for name, one in picked.items()}
