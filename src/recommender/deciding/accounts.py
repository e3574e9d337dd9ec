"""Accounts to decide about: columns from JSON objects, Arrow or a frame, and the situation worked out from them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recommender.calendar_days import PAYDAY, WEEKDAYS, OwnCalendar, payday_bits
from recommender.columns import Columns, Tabular, is_null
from recommender.local_time import as_utc_us
from recommender.rules import due_days, own_days
from recommender.strategy import STAGES, ContactStrategy, SeedStrategy, stage_of

__all__ = ["Accounts", "calendar_read_by"]

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

    def situated(self, as_of: datetime, calendar: frozenset[str] = frozenset()) -> Self:
        """Add ``days_past_due`` (debtor-local), ``due_date``, ``stage`` and columns of the calendar.

        What is given stays, but for the days to and since a ``payday`` that is known: they follow from the moment.
        Who tells how many days a debt is late has told its due date: law, tone and texts must not take it as unknown.

        Parameters
        ----------
        as_of : aware datetime
        calendar : frozenset of str
            Columns of the calendar that are wanted, see :func:`calendar_read_by`.
        """
        accounts = self._dated(as_of) if "days_past_due" in self else self
        accounts = accounts._timed(as_of)._staged()  # noqa: SLF001 - of this class
        return accounts._on_calendar(as_of, calendar) if calendar else accounts  # noqa: SLF001

    def _on_calendar(self, as_of: datetime, wanted: frozenset[str]) -> Self:
        """Columns of the debtor's own day; a pay day is a fact, and the days around it are counted from the moment."""
        paydays = self.read(PAYDAY, payday_bits, np.int64) if PAYDAY in self else np.zeros(len(self), dtype=np.int64)
        own = OwnCalendar(own_days(self, as_utc_us(as_of)), paydays)
        found: dict[str, Any] = {}
        if "weekday" in wanted and (unsaid := self._unsaid("weekday")).any():
            found["weekday"] = self._merged("weekday", unsaid, own.weekday.tolist())
        if (paid := paydays > 0).any():
            found |= {name: self._merged(name, paid, getattr(own, name)) for name in wanted - {"weekday"}}
        return self.assign(**found)

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
        """The same with what was worked out in a column where nothing was said."""
        return self.assign(**{name: self._merged(name, unsaid, found)})

    def _merged(self, name: str, rows: NDArray[np.bool_], found: Any) -> Any:
        """A column with what was found in some rows."""
        if rows.all():
            return found
        filled = list(self.values(name))
        for row in np.flatnonzero(rows).tolist():
            filled[row] = found[row].item() if isinstance(found, np.ndarray) else found[row]
        return filled

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


def calendar_read_by(strategy: ContactStrategy | SeedStrategy) -> frozenset[str]:
    """Columns of the calendar that a model reads as they are meant here, so that nobody need send them.

    A weekday by other names or by numbers is the log's own, and a model without these columns reads none.
    """
    if isinstance(strategy, SeedStrategy):
        return frozenset()
    kinds = {"weekday": "category", "days_to_payday": "number", "days_since_payday": "number"}
    names = {str(name) for name in strategy.feature_names_in_}
    return frozenset(
        column.name
        for column in strategy.reward_model_.encoder.columns
        if column.name in names
        and kinds.get(column.name) == column.kind
        and (column.kind == "number" or {*column.categories} <= {*WEEKDAYS})
    )
