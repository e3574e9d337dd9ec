"""Contacts of many accounts as arrays: account after account, each in time order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["SortedEvents"]


@dataclass(frozen=True, eq=False)
class SortedEvents:
    """What happened, sorted by account, time and action.

    Attributes
    ----------
    start : ndarray of shape (n_accounts + 1,), dtype int64
        Events of account ``i`` are ``start[i]:start[i + 1]``.
    time, known : ndarray of shape (n_events,), dtype float64
        When the contact happened and when its reward became known (infinity = never so far).
    action : ndarray of shape (n_events,), dtype int32
    reward : ndarray of shape (n_events,), dtype float64
    """

    start: NDArray[np.int64]
    time: NDArray[np.float64]
    known: NDArray[np.float64]
    action: NDArray[np.int32]
    reward: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        owner: NDArray[np.int64],
        n_accounts: int,
        *,
        time: NDArray[np.float64],
        known: NDArray[np.float64],
        action: NDArray[np.int64] | NDArray[np.int32],
        reward: NDArray[np.float64],
    ) -> Self:
        """Sort events that come in any order; ``owner`` is the account of each, from 0."""
        order = np.lexsort((action, time, owner))
        start = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n_accounts))]).astype(np.int64)
        return cls(start, time[order], known[order], action[order].astype(np.int32), reward[order])

    def __len__(self) -> int:
        """Number of events."""
        return len(self.time)

    @property
    def owner(self) -> NDArray[np.int64]:
        """Account of each event."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    @cached_property
    def by_known(self) -> NDArray[np.int64]:
        """Events of each account in the order in which their rewards became known."""
        return np.lexsort((self.known, self.owner)).astype(np.int64)

    def joined(self, place: NDArray[np.int64], other: SortedEvents, place_of_other: NDArray[np.int64], n: int) -> Self:
        """Events of both, of ``n`` accounts; ``place`` is where each account of this one stands among them."""
        return self.of(
            np.concatenate([place[self.owner], place_of_other[other.owner]]),
            n,
            time=np.concatenate([self.time, other.time]),
            known=np.concatenate([self.known, other.known]),
            action=np.concatenate([self.action, other.action]),
            reward=np.concatenate([self.reward, other.reward]),
        )

    def of_accounts(self, position: NDArray[np.int64]) -> Self:
        """Events of some accounts, in the order given."""
        counts = np.diff(self.start)[position]
        start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        at = np.repeat(self.start[:-1][position] - start[:-1], counts) + np.arange(counts.sum())
        return type(self)(start, self.time[at], self.known[at], self.action[at], self.reward[at])

    def kept(self, mask: NDArray[np.bool_]) -> Self:
        """The events where ``mask`` holds, of the same accounts."""
        start = np.concatenate([[0], np.cumsum(mask)])[self.start].astype(np.int64)
        return type(self)(start, self.time[mask], self.known[mask], self.action[mask], self.reward[mask])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by name."""
        return {
            "start": self.start,
            "time": self.time,
            "known": self.known,
            "action": self.action,
            "reward": self.reward,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Self:
        """Inverse of :meth:`to_arrays`; other arrays may stand beside them."""
        return cls(
            arrays["start"].astype(np.int64),
            arrays["time"].astype(np.float64),
            arrays["known"].astype(np.float64),
            arrays["action"].astype(np.int32),
            arrays["reward"].astype(np.float64),
        )
