"""One account's window features without its whole history: contacts, outcomes and payments told one by one.

A state gives what :class:`~recommender.features.event_log.EventLog` gives from the raw tables. It keeps the events of
the longest window (90 days), the totals of everything before, and what has been told but not been counted yet.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.features._windows import AMOUNT, COUNT, DAYS_SINCE
from recommender.features.event_log import DAYPARTS, PROMISE_GRACE_DAYS, WINDOWS, EventLog, outcome_cells
from recommender.local_time import DAY_US
from recommender.tables import OUTCOMES, RESPONSES

__all__ = ["EventState"]

_FORMAT = 1
_LONGEST_US = max(span for span in WINDOWS.values() if span < WINDOWS["ever"])
_CONTACTS, _OUTCOMES, _PAYMENTS = 0, 1, 2
_INBOUND = ("debtor", "customer", "inbound")
_SPECIAL = {
    "promise_to_pay": "promise",
    "promise_kept": "kept",
    "opt_out": "opt_out",
    "complaint": "complaint",
    "not_connected": "undelivered",
    "bounced": "undelivered",
    "wrong_party": "undelivered",
}


@dataclass
class _Stream:
    """Counted events of one kind: those of the longest window one by one, all of them as totals by cell."""

    recent: list[tuple[int, list[int], int]] = field(default_factory=list)
    count: dict[int, int] = field(default_factory=dict)
    amount: dict[int, int] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    last_amount: dict[int, int] = field(default_factory=dict)

    def add(self, instant: int, cells: list[int], amount: int) -> None:
        self.recent.append((instant, cells, amount))
        for cell in cells:
            self.count[cell] = self.count.get(cell, 0) + 1
            self.amount[cell] = self.amount.get(cell, 0) + amount
            tied = self.last.get(cell) == instant
            self.last_amount[cell] = max(self.last_amount[cell], amount) if tied else amount
            self.last[cell] = instant

    def value(self, kind: int, window: str, cell: int, moment: int) -> float:
        if kind in (COUNT, AMOUNT):
            if window == "ever":
                return float((self.count if kind == COUNT else self.amount).get(cell, 0))
            span = WINDOWS[window]
            within = [amount for at, cells, amount in self.recent if moment - at <= span and cell in cells]
            return float(len(within) if kind == COUNT else sum(within))
        if cell not in self.last:
            return math.nan
        return (moment - self.last[cell]) / DAY_US if kind == DAYS_SINCE else float(self.last_amount[cell])


class EventState:
    """Events of one account, as far as its features need them.

    Events may come in any order as long as none is older than the last moment asked about, and a contact before its
    outcomes.

    Parameters
    ----------
    log : EventLog
        Whose features are wanted; only its channels and columns are looked at.
    """

    def __init__(self, log: EventLog) -> None:
        self._channels = [str(channel) for channel in log.channels]
        self._columns = [list(stream.columns) for stream in log.streams]
        self._names = log.column_names
        kinds = [_CONTACTS, *([_OUTCOMES] if log.has_outcomes else []), *([_PAYMENTS] if log.has_payments else [])]
        self._place = {kind: position for position, kind in enumerate(kinds)}
        self._cell = outcome_cells(self._channels)
        self._streams = [_Stream() for _ in kinds]
        self._waiting: list[tuple[int, int, int, list[int], int, str | None]] = []
        self._told = 0
        self._asked: int | None = None
        self._contacts: dict[str, tuple[int, int, bool]] = {}

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return self._names

    # -- tell --------------------------------------------------------------------------------------------------------
    def contact(
        self, contact_id: str, sent_us: int, channel: str, *, hour_local: int, initiated_by: str | None = "creditor"
    ) -> None:
        """Tell of a contact.

        Parameters
        ----------
        contact_id : str
            Under which outcomes will be told.
        sent_us : int
            Microseconds since 1970 in UTC.
        channel : str
        hour_local : int
            Hour on the debtor's clock.
        initiated_by : str or None
        """
        code = self._channels.index(channel) if channel in self._channels else -1
        part = hour_local * len(DAYPARTS) // 24
        self._contacts[contact_id] = (code, part, False)
        k = len(self._channels)
        cells = [1] if initiated_by in _INBOUND else [0, *([code + 2] if code >= 0 else []), part + 2 + k]
        self._tell(_CONTACTS, sent_us, cells, 0, None)

    def outcome(self, contact_id: str, occurred_us: int, outcome: str) -> None:
        """Tell what came of a contact; a contact is answered once, at its first response."""
        if contact_id not in self._contacts:
            raise InvalidInput.in_column(
                "contact_id", "is no contact of this state", values=[contact_id], mend="Tell the contact first."
            )
        if outcome not in OUTCOMES:
            raise InvalidInput.in_column("outcome", "is no rung of the ladder", values=[outcome], mend="See tables.py.")
        special = [self._cell[_SPECIAL[outcome]]] if outcome in _SPECIAL else []
        self._tell(_OUTCOMES, occurred_us, special, 0, contact_id if outcome in RESPONSES else None)
        if outcome == "promise_to_pay":
            self._tell(_OUTCOMES, occurred_us + PROMISE_GRACE_DAYS * DAY_US, [self._cell["due"]], 0, None)

    def payment(self, paid_us: int, amount_minor: int) -> None:
        """Tell of a payment."""
        self._tell(_PAYMENTS, paid_us, [0], int(amount_minor), None)

    def _tell(self, kind: int, instant: int, cells: list[int], amount: int, responds: str | None) -> None:
        if self._asked is not None and instant < self._asked:
            raise InvalidInput(
                f"An event of {instant} comes after the state was asked about {self._asked}.",
                column="instant",
                mend="Tell events before asking about a later moment, or rebuild the state from its events.",
            )
        self._told += 1
        insort(self._waiting, (int(instant), self._told, kind, cells, amount, responds))

    # -- ask ---------------------------------------------------------------------------------------------------------
    def features(self, moment_us: int) -> NDArray[np.float32]:
        """Features from events strictly before a moment, shape (n_columns,), in the order of ``column_names``.

        Raises
        ------
        InvalidInput
            For a moment before the last one asked about.
        """
        if self._asked is not None and moment_us < self._asked:
            raise InvalidInput(
                f"The state was asked about {self._asked}; it cannot go back to {moment_us}.",
                column="moment",
                mend="Ask in time order, or rebuild the state from its events.",
            )
        self._asked = int(moment_us)
        self._count(moment_us)
        row = np.empty(len(self._names), dtype=np.float32)
        values: dict[str, float] = {}
        for stream, columns in zip(self._streams, self._columns, strict=True):
            for name, kind, window, cell in columns:
                values[name] = stream.value(kind, window, cell, moment_us)
        if "promises_due" in values:
            values["promises_broken"] = max(values["promises_due"] - values["promises_kept"], 0.0)
        row[:] = [values[name] for name in self._names]
        return row

    def _count(self, moment: int) -> None:
        done = 0
        for instant, _, kind, cells, amount, responds in self._waiting:
            if instant >= moment:
                break
            done += 1
            if kind not in self._place:
                continue
            taken = cells
            if responds is not None and not self._contacts[responds][2]:
                code, part, _ = self._contacts[responds]
                self._contacts[responds] = (code, part, True)
                k = len(self._channels)
                taken = [0, *([code + 1] if code >= 0 else []), part + 1 + k, *cells]
            self._streams[self._place[kind]].add(instant, taken, amount)
        del self._waiting[:done]
        for stream in self._streams:
            stream.recent = [event for event in stream.recent if moment - event[0] <= _LONGEST_US]

    # -- keep --------------------------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; :meth:`from_dict` is its inverse."""
        return {
            "format": _FORMAT,
            "columns": list(self._names),
            "asked": self._asked,
            "told": self._told,
            "contacts": {name: list(held) for name, held in self._contacts.items()},
            "waiting": [list(event) for event in self._waiting],
            "streams": [
                {"recent": [list(event) for event in stream.recent]}
                | {
                    name: [[cell, value] for cell, value in getattr(stream, name).items()]
                    for name in ("count", "amount", "last", "last_amount")
                }
                for stream in self._streams
            ],
        }

    @classmethod
    def from_dict(cls, held: Mapping[str, Any], log: EventLog) -> Self:
        """Rebuild a state.

        Raises
        ------
        InvalidInput
            When it was kept for other features or in another format.
        """
        state = cls(log)
        if held.get("format") != _FORMAT or tuple(held.get("columns", ())) != state._names:
            raise InvalidInput(
                "The state was kept for other features than those of this log.",
                column="columns",
                mend="Rebuild the state from the account's events.",
            )
        state._asked, state._told = held["asked"], held["told"]
        state._contacts = {name: (code, part, done) for name, (code, part, done) in held["contacts"].items()}
        state._waiting = [
            (instant, told, kind, list(cells), amount, responds)
            for instant, told, kind, cells, amount, responds in held["waiting"]
        ]
        for stream, kept in zip(state._streams, held["streams"], strict=True):
            stream.recent = [(instant, list(cells), amount) for instant, cells, amount in kept["recent"]]
            for name in ("count", "amount", "last", "last_amount"):
                setattr(stream, name, {cell: value for cell, value in kept[name]})  # noqa: C416 - JSON has lists for pairs
        return state
