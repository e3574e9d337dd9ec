"""What a strategy remembers of the decisions it was trained on, and whether a log holds some of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.history import LoggedFeedback
from recommender.learning import ContextEncoder

__all__ = ["OwnRows"]

_MIX = np.uint64(0x9E3779B97F4A7C15)
_ENOUGH_ALIKE = 20  # decisions in contexts seen once, before their outcomes are compared
_UNKNOWN = np.uint64(0)  # key of an outcome that is not known yet
_CERTAIN = 4.0  # standard errors

Keys = NDArray[np.uint64]


@dataclass(frozen=True)
class OwnRows:
    """The decisions of a training log: their ids, and keys of what they said for logs whose ids count something else.

    Attributes
    ----------
    origin : str
        What the ids count, see :class:`recommender.history.RowIdentity`.
    ids : ndarray of uint64, sorted
        Exact but for 64-bit collisions.
    context, outcome : ndarray of uint64 of shape (n,)
        Keys of each row's context and of its action and reward, sorted by context.
    """

    origin: str
    ids: Keys
    context: Keys
    outcome: Keys

    @classmethod
    def of(cls, log: LoggedFeedback, encoder: ContextEncoder) -> Self:
        """Remember a log."""
        context, outcome = _contents(log, encoder)
        order = np.lexsort((outcome, context))
        return cls(log.row_identity.origin, np.sort(log.row_identity.ids), context[order], outcome[order])

    def joined(self, other: OwnRows) -> OwnRows:
        """These decisions and others that came later; ids that count something else are left out."""
        context = np.concatenate([self.context, other.context])
        outcome = np.concatenate([self.outcome, other.outcome])
        order = np.lexsort((outcome, context))
        ids = np.union1d(self.ids, other.ids) if self.origin == other.origin else self.ids
        return OwnRows(self.origin, ids, context[order], outcome[order])

    def share_in(self, log: LoggedFeedback, encoder: ContextEncoder) -> tuple[float, str]:
        """Share of a log's decisions that are these, and how that is known: "ids" or "contents"."""
        identity = log.row_identity
        if identity.origin == self.origin:
            return float(np.isin(identity.ids, self.ids).mean()), "ids"
        return self._share_by_contents(*_contents(log, encoder)), "contents"

    def _share_by_contents(self, context: Keys, outcome: Keys) -> float:
        """Share of rows that equal a training row beyond what other rows of the same source would; 0 where in doubt.

        A new row of the same source equals some training row as often as a training row equals another one (Good and
        Turing): what is found beyond that are the rows themselves. The same accounts asked again have equal contexts,
        too, but not always the same action and reward: where a context was seen once, its outcome must be the same.
        """
        context, outcome = context[outcome != _UNKNOWN], outcome[outcome != _UNKNOWN]
        if not len(context):
            return 0.0
        whole, other = self.context * _MIX + self.outcome, context * _MIX + outcome
        _, counts = np.unique(whole, return_counts=True)
        by_chance = 1.0 - float((counts == 1).sum()) / len(whole)
        share = float(np.isin(other, whole).mean())
        spread = by_chance * (1.0 - by_chance) + 1.0 / len(whole)
        error = float(np.sqrt(spread / len(other) + spread / len(whole)))
        if share - by_chance < _CERTAIN * error or by_chance >= 1.0:
            return 0.0
        known, first, times = np.unique(self.context, return_index=True, return_counts=True)
        at = np.minimum(np.searchsorted(known, context), len(known) - 1)
        alike = (known[at] == context) & (times[at] == 1)
        if alike.sum() < _ENOUGH_ALIKE:
            return 0.0
        then, now = self.outcome[first[at[alike]]], outcome[alike]
        differ = float(((then != now) & (then != _UNKNOWN)).mean())
        _, outcomes = np.unique(self.outcome, return_counts=True)
        usual = 1.0 - float(np.sum((outcomes / len(whole)) ** 2))
        return 0.0 if differ > 0.02 * usual else (share - by_chance) / (1.0 - by_chance)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays to save; the origin is kept beside them."""
        return {"own_ids": self.ids, "own_context": self.context, "own_outcome": self.outcome}

    @classmethod
    def from_arrays(cls, origin: str, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Rebuild from :meth:`to_arrays`."""
        return cls(origin, arrays["own_ids"], arrays["own_context"], arrays["own_outcome"])


def _contents(log: LoggedFeedback, encoder: ContextEncoder) -> tuple[Keys, Keys]:
    """Keys of context and outcome, whatever the order and the types of the columns: the encoder settles both."""
    own = [column for column in encoder.columns if column.name in log.context.columns]
    X = ContextEncoder(tuple(sorted(own, key=lambda column: column.name))).transform(log.context)
    context = np.zeros(len(log), dtype=np.uint64)
    for position in range(X.shape[1]):
        context = context * _MIX + _keys(X[:, position])
    outcome = pd.util.hash_array(log.action) * _MIX + _keys(log.reward)
    # What was not known then may be known now: such a row says nothing about its outcome.
    return context, np.where(np.isnan(log.reward), _UNKNOWN, np.maximum(outcome, np.uint64(1)))


def _keys(values: NDArray[np.float64]) -> Keys:
    """64-bit keys of numbers to single precision; -0 is 0 and every NaN is one."""
    single = values.astype(np.float32).astype(np.float64) + 0.0
    return np.asarray(pd.util.hash_array(np.where(np.isnan(single), np.nan, single)), dtype=np.uint64)
