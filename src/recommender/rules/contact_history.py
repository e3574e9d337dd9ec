"""Past and planned contacts, and how many of them fall on a span of local dates."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.local_time import local_time
from recommender.rules.vocabulary import CHANNELS, HIGHEST_RUNG, OUTCOME_RUNG

__all__ = ["ContactFilter", "ContactHistory", "HistoryView"]

_SPAN = 1 << 18  # day numbers fit with room to spare
_SHIFT = 1 << 16
EXCLUDABLE = ("not_connected", "wrong_party")


@dataclass(frozen=True)
class ContactHistory:
    """Contacts as arrays, sorted by debtor.

    Attributes
    ----------
    debtor, account : ndarray of int64
        Owner codes; ``account`` is -1 where the contact names none.
    instant_us : ndarray of int64
    channel : ndarray of int64
        Position in ``CHANNELS``; -1 where unknown, which counts as every channel.
    rung : ndarray of int64
        How far it got; an unknown outcome stands highest.
    excludable : ndarray of int64
        1 + position in ``EXCLUDABLE``, 0 for others.
    by_debtor : ndarray of bool
        The debtor started it.
    elsewhere, planned : ndarray of bool
    pending : ndarray of bool
        Planned for an instant that lies ahead, with an outcome nobody can know yet.
    """

    debtor: NDArray[np.int64]
    account: NDArray[np.int64]
    instant_us: NDArray[np.int64]
    channel: NDArray[np.int64]
    rung: NDArray[np.int64]
    excludable: NDArray[np.int64]
    by_debtor: NDArray[np.bool_]
    elsewhere: NDArray[np.bool_]
    planned: NDArray[np.bool_]
    pending: NDArray[np.bool_]

    def __len__(self) -> int:
        """Count the contacts."""
        return len(self.debtor)

    @classmethod
    def build(
        cls,
        *,
        debtor: NDArray[np.int64],
        account: NDArray[np.int64],
        instant_us: NDArray[np.int64],
        frame: pd.DataFrame,
        as_of_us: NDArray[np.int64] | int,
    ) -> ContactHistory:
        """Encode the columns channel, outcome, initiated_by, status and place of ``frame``; all may be missing."""
        n = len(debtor)

        def text(name: str) -> pd.Series:
            return frame[name].reset_index(drop=True) if name in frame else pd.Series([None] * n, dtype=object)

        outcome = text("outcome")
        planned = (text("status") == "planned").to_numpy(dtype=bool)
        unknown = ~outcome.isin(list(OUTCOME_RUNG)).to_numpy(dtype=bool)
        rung = _lookup(outcome, OUTCOME_RUNG, HIGHEST_RUNG)
        # A contact that still lies ahead has no outcome yet: an attempt, and a conversation perhaps once it is due.
        pending = unknown & planned & (instant_us > as_of_us)
        rung = np.where(pending, 0, rung)
        order = np.argsort(debtor, kind="stable")
        columns: dict[str, NDArray[Any]] = {
            "debtor": debtor,
            "account": account,
            "instant_us": instant_us,
            "channel": _lookup(text("channel"), {name: i for i, name in enumerate(CHANNELS)}, -1),
            "rung": rung,
            "excludable": _lookup(outcome, {name: 1 + i for i, name in enumerate(EXCLUDABLE)}, 0),
            "by_debtor": (text("initiated_by") == "debtor").to_numpy(dtype=bool),
            "elsewhere": text("place").isin(["work", "elsewhere"]).to_numpy(dtype=bool),
            "planned": planned,
            "pending": pending,
        }
        return cls(**{name: values[order] for name, values in columns.items()})

    def of_debtors(self, debtors: NDArray[np.int64]) -> ContactHistory:
        """Contacts of some debtors."""
        owners = np.unique(debtors)
        first = np.searchsorted(self.debtor, owners, side="left")
        count = np.searchsorted(self.debtor, owners, side="right") - first
        rows = np.repeat(first - np.concatenate([[0], np.cumsum(count)[:-1]]), count) + np.arange(count.sum())
        return ContactHistory(**{name: values[rows] for name, values in self.__dict__.items()})


def _lookup(column: pd.Series, codes: dict[str, int], default: int) -> NDArray[np.int64]:
    return np.asarray(column.map(codes).fillna(default).to_numpy(dtype=np.int64))


@dataclass(frozen=True)
class ContactFilter:
    """Which contacts a rule counts."""

    unit: Literal["debtor", "debt"] = "debtor"
    channels: frozenset[str] | None = None
    rung: int = 0
    exclude: tuple[str, ...] = ()
    with_debtor_initiated: bool = False
    elsewhere_only: bool = False
    sent_only: bool = False
    #: Whether a pending contact counts on every rung.
    pending_counts: bool = False
    #: Whether a contact of unknown channel counts.
    wildcard: bool = True


@dataclass
class HistoryView:
    """A history seen from one zone, with sorted keys for counting.

    Attributes
    ----------
    history : ContactHistory
    zone : str
    before_us : ndarray of shape (n,), optional
        Row by row, the instant from which contacts are not yet known: a decision of the past must not see later ones.
    """

    history: ContactHistory
    zone: str
    before_us: NDArray[np.int64] | None = None
    _keys: dict[ContactFilter, tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=dict)
    _instant_keys: dict[ContactFilter, tuple[NDArray[np.int64], NDArray[np.int64]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the local date of each contact."""
        self.day = local_time(self.history.instant_us, self.zone).day

    @property
    def last_day(self) -> int:
        """Latest local date of a contact."""
        return int(self.day.max()) if len(self.day) else -_SHIFT

    def count(
        self,
        which: ContactFilter,
        debtor: NDArray[np.int64],
        account: NDArray[np.int64],
        first: NDArray[np.int64],
        last: NDArray[np.int64],
        until_us: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Contacts of each row's owner with local date in ``[first, last]``.

        Parameters
        ----------
        which : ContactFilter
        debtor, account : ndarray of shape (n,)
        first, last : ndarray of shape (n or 1, m)
        until_us : ndarray of shape (n or 1, m), optional
            Instants after which contacts do not count.

        Returns
        -------
        ndarray of shape (n, m)
        """
        if which.unit == "debt" and (account < 0).any():
            # Which debt it is nobody knows, so every contact with the debtor counts.
            of_debtor = self.count(replace(which, unit="debtor"), debtor, account, first, last, until_us)
            of_debt = self.count(which, debtor, np.maximum(account, 0), first, last, until_us)
            return np.where((account < 0)[:, None], of_debtor, of_debt)
        if which not in self._keys:
            self._keys[which] = self._sorted(which, self.day + _SHIFT, _SPAN)
        return self._bounded(which, self._keys[which], debtor, account, first + _SHIFT, last + _SHIFT, _SPAN, until_us)

    def count_within(
        self,
        which: ContactFilter,
        debtor: NDArray[np.int64],
        account: NDArray[np.int64],
        instants: NDArray[np.int64],
        span_us: int,
    ) -> NDArray[np.int64]:
        """Contacts less than ``span_us`` of elapsed time away from each instant, before or after."""
        if which.unit == "debt" and (account < 0).any():  # as in :meth:`count`
            of_debtor = self.count_within(replace(which, unit="debtor"), debtor, account, instants, span_us)
            of_debt = self.count_within(which, debtor, np.maximum(account, 0), instants, span_us)
            return np.where((account < 0)[:, None], of_debtor, of_debt)
        # Instants are ranked so that owner and time share one integer key.
        ranks = self._ranks
        keys = self._keys_by_instant(which)
        first = np.searchsorted(ranks, instants - span_us, side="right")
        last = np.searchsorted(ranks, instants + span_us, side="left") - 1
        return self._bounded(which, keys, debtor, account, first, last, len(ranks) + 1)

    @cached_property
    def _ranks(self) -> NDArray[np.int64]:
        return np.unique(self.history.instant_us)

    def _keys_by_instant(self, which: ContactFilter) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        if which not in self._instant_keys:
            rank = np.searchsorted(self._ranks, self.history.instant_us)
            self._instant_keys[which] = self._sorted(which, rank, len(self._ranks) + 1)
        return self._instant_keys[which]

    def _bounded(
        self,
        which: ContactFilter,
        keys: tuple[NDArray[np.int64], NDArray[np.int64]],
        debtor: NDArray[np.int64],
        account: NDArray[np.int64],
        first: NDArray[np.int64],
        last: NDArray[np.int64],
        span: int,
        until_us: NDArray[np.int64] | None = None,
    ) -> NDArray[np.int64]:
        """Count keys in ``[first, last]`` of each row's owner, of contacts known by then."""

        def within(part: int, owner: NDArray[np.int64]) -> NDArray[np.int64]:
            base = owner[:, None] * span
            if not len(keys[part]):
                return np.zeros(np.broadcast_shapes(base.shape, first.shape), dtype=np.int64)
            low = np.searchsorted(keys[part], base + np.clip(first, 0, span - 1))
            high = np.searchsorted(keys[part], base + np.clip(last, -1, span - 1), side="right")
            # Sorted by date or by instant, an owner's contacts stand in the same order.
            size = len(self._ranks) + 1
            if self.before_us is not None:
                known = owner * size + np.searchsorted(self._ranks, self.before_us)
                high = np.minimum(high, np.searchsorted(self._keys_by_instant(which)[part], known)[:, None])
            if until_us is not None:
                known = owner[:, None] * size + np.searchsorted(self._ranks, until_us, side="right")
                high = np.minimum(high, np.searchsorted(self._keys_by_instant(which)[part], known))
            return np.asarray(np.maximum(high - low, 0), dtype=np.int64)

        if which.unit == "debtor":
            return within(0, debtor)
        return within(0, account) + within(1, debtor)

    def _sorted(
        self, which: ContactFilter, value: NDArray[np.int64], span: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sorted keys by debtor or account, and those of contacts that name no account (by debtor)."""
        past = self.history
        kept = past.rung >= which.rung
        if which.pending_counts:
            kept |= past.pending
        if which.channels is not None:
            named = [CHANNELS.index(name) for name in which.channels]
            kept &= np.isin(past.channel, [*named, -1] if which.wildcard else named)
        if which.exclude:
            kept &= ~np.isin(past.excludable, [1 + EXCLUDABLE.index(name) for name in which.exclude])
        if not which.with_debtor_initiated:
            kept &= ~past.by_debtor
        if which.elsewhere_only:
            kept &= past.elsewhere
        if which.sent_only:
            kept &= ~past.planned
        by_debtor = np.sort((past.debtor * span + value)[kept & ((past.account < 0) | (which.unit == "debtor"))])
        if which.unit == "debtor":
            return by_debtor, by_debtor
        return np.sort((past.account * span + value)[kept & (past.account >= 0)]), by_debtor
