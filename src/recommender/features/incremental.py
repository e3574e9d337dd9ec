"""One account's history features without its whole history: a state that events update and moments ask.

A state gives what :class:`~recommender.features.account_history.AccountHistory` gives from every event ever logged:
an event counts from the first moment strictly after it, its reward from the first moment strictly after it became
known. What has not been counted yet waits in the state; what has is a handful of numbers.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.features._replay import N_TOTALS, clear_state, count_event, read_memory, read_state
from recommender.features.personal_memory import PersonalMemory

__all__ = ["HistoryLayout", "HistoryState"]

_FORMAT = 3


@dataclass(frozen=True)
class HistoryLayout:
    """What the features of one model's account history are.

    Attributes
    ----------
    columns : tuple of str
        Names of the features, in order.
    level_slots : tuple of tuple of int
        Level columns of each action.
    half_life : float
        Of the recency-weighted counts, in units of time (days for instants).
    memory : PersonalMemory or None
    """

    columns: tuple[str, ...]
    level_slots: tuple[tuple[int, ...], ...]
    half_life: float
    memory: PersonalMemory | None = None

    @cached_property
    def slots(self) -> list[NDArray[np.int64]]:
        """Level columns of each action, as the counting takes them."""
        return [np.array(slots, dtype=np.int64) for slots in self.level_slots]

    @property
    def rate(self) -> float:
        """Of the decay of the recency-weighted counts."""
        return float(np.log(2.0) / self.half_life)

    @property
    def n_levels(self) -> int:
        """Number of levels that are counted on their own."""
        return (len(self.columns) - N_TOTALS - self.n_factors) // 2

    @property
    def n_factors(self) -> int:
        """Personal factors."""
        return 0 if self.memory is None else len(self.memory.columns)


@dataclass
class HistoryState:
    """History of one account, as far as its features need it.

    Events may come in any order as long as none is older than the last moment asked about.

    Examples
    --------
    >>> state = HistoryState(layout)  # doctest: +SKIP
    >>> state.contact(20_410.5, action=17)  # doctest: +SKIP
    >>> state.response(20_411.0, action=17)  # doctest: +SKIP
    >>> state.features(20_412.0)  # doctest: +SKIP
    """

    layout: HistoryLayout
    asked: float = -math.inf
    waiting_contacts: list[tuple[float, int]] = field(default_factory=list)
    waiting_responses: list[tuple[float, int]] = field(default_factory=list)
    state: NDArray[np.float64] = field(default_factory=lambda: np.empty(N_TOTALS))
    counts: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    sums: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        """Start the counters, unless they were kept."""
        if not len(self.counts):
            self.counts = np.empty(2 * self.layout.n_levels)
            clear_state(self.state, self.counts)
            self.sums = np.zeros(0 if self.layout.memory is None else self.layout.memory.increments.shape[2])

    def contact(self, time: float, action: int) -> None:
        """Tell that the account was contacted.

        Parameters
        ----------
        time : float
            On the line of the history's ``time``: days since 1970 for instants.
        action : int
            Index in the action space.
        """
        self._check(time, action)
        insort(self.waiting_contacts, (float(time), int(action)))

    def response(self, known: float, action: int) -> None:
        """Tell that a contact by ``action`` earned a reward, and when that became known."""
        self._check(known, action)
        insort(self.waiting_responses, (float(known), int(action)))

    def features(self, moment: float) -> NDArray[np.float32]:
        """Features as of a moment, shape (n_columns,), in the order of ``layout.columns``.

        Raises
        ------
        InvalidInput
            For a moment before the last one asked about.
        """
        if not moment >= self.asked:
            raise InvalidInput(
                f"The state was asked about {self.asked}; it cannot go back to {moment}.",
                column="moment",
                mend="Ask in time order, or rebuild the state from its events.",
            )
        self.asked = float(moment)
        self._count(moment)
        row = np.empty(len(self.layout.columns), dtype=np.float32)
        read_state(self.state, self.counts, float(moment), self.layout.rate, row)
        memory = self.layout.memory
        if memory is not None:
            read_memory(self.sums, memory.precision, row[-self.layout.n_factors :])
        return row

    def _count(self, moment: float) -> None:
        """Count what happened, and what became known, strictly before a moment."""
        for response, waiting in enumerate((self.waiting_contacts, self.waiting_responses)):
            done = 0
            for at, action in waiting:
                if not at < moment:
                    break
                count_event(self.state, self.counts, self.layout.slots[action], at, self.layout.rate, response)
                if self.layout.memory is not None:
                    self.sums += self.layout.memory.increments[response, action]
                done += 1
            del waiting[:done]

    def _check(self, time: float, action: int) -> None:
        if time != time or time < self.asked:
            raise InvalidInput(
                f"An event of {time} comes after the state was asked about {self.asked}.",
                column="time",
                mend="Tell events before asking about a later moment, or rebuild the state from its events.",
            )
        if not 0 <= action < len(self.layout.level_slots):
            raise InvalidInput.in_column(
                "action",
                "is no index of the action space",
                values=[action],
                mend=f"Use 0 to {len(self.layout.level_slots) - 1}.",
            )

    # -- keep ------------------------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; null stands for "never". :meth:`from_dict` is its inverse."""
        fields: dict[str, Any] = {name: _plain(value) for name, value in vars(self).items() if name != "layout"}
        return {"format": _FORMAT, "columns": list(self.layout.columns), **fields}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any], layout: HistoryLayout) -> Self:
        """Rebuild a state.

        Raises
        ------
        InvalidInput
            When it was kept for other features or in another format.
        """
        if record.get("format") != _FORMAT or tuple(record.get("columns", ())) != layout.columns:
            raise InvalidInput(
                "The state was kept for another history: its features are not those of this model.",
                column="columns",
                mend="Rebuild the state from the account's events.",
            )
        values = {name: value for name, value in record.items() if name not in {"format", "columns"}}
        values["asked"] = -math.inf if values["asked"] is None else values["asked"]
        for name in ("state", "counts", "sums"):
            values[name] = np.array([np.nan if one is None else one for one in values[name]], dtype=np.float64)
        for name in ("waiting_contacts", "waiting_responses"):
            values[name] = [(float(at), int(action)) for at, action in values[name]]
        return cls(layout, **values)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
