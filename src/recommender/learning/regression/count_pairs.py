"""Pairs of count columns that belong together: tries and how many of them succeeded."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.encoding import ContextEncoder

__all__ = ["CountPair", "count_pairs"]

CountPair = tuple[tuple[str, object], int, int]  # (factor, level) it speaks of, column of trials, of successes

_ROWS, _GLANCE = 20_000, 256  # looked at, and at first
_BY_CHANCE, _TIMES = 0.005, 25  # so many shuffled rows must break "no more successes than trials"
_APART = 0.02  # share of rows in which trials must exceed successes: equal columns are copies
_SHORTEST_LEVEL = 3  # letters: shorter levels are found in any name


def count_pairs(
    encoder: ContextEncoder,
    X: NDArray[np.float64],
    declared: Mapping[str, tuple[str | None, object, str]],
    actions: ActionSpace,
) -> list[CountPair]:
    """Pairs that the caller declared, then those that the data show.

    A column of whole numbers is taken as successes out of another when it never exceeds it, although it would if the
    rows were shuffled. Among several the names decide (most words in common), then the smaller count. A pair whose
    name holds a level of a factor speaks of that level.

    Parameters
    ----------
    X : ndarray of shape (n, n_columns)
        Encoded context.
    declared : mapping of str to (factor, level, "trials" | "successes")

    Returns
    -------
    list of ((factor, level), column of trials, column of successes)
        Factor is empty where a pair speaks of no level.
    """
    names = list(encoder.names)
    pairs = _declared_pairs(names, declared)
    taken = {column for _, trials, successes in pairs for column in (trials, successes)}
    sample = X[np.linspace(0, len(X) - 1, min(len(X), _ROWS)).astype(np.int64)]
    numbers = [j for j, column in enumerate(encoder.columns) if column.kind == "number" and j not in taken]
    counts = [j for j in numbers if _is_count(sample[:, j])]
    rng = np.random.default_rng(0)
    for successes in counts:
        if nested := _possible_trials(sample, successes, counts, rng):
            rank = [_likeness(names, sample, j, successes) for j in nested]
            trials = nested[max(range(len(nested)), key=rank.__getitem__)]
            pairs.append((_level_named(names[successes], names[trials], actions), trials, successes))
    return pairs


def _possible_trials(
    sample: NDArray[np.float64], successes: int, counts: list[int], rng: np.random.Generator
) -> list[int]:
    """Counts that a column of successes never exceeds, and would if rows were shuffled."""
    # most columns are ruled out by a few rows
    above = (sample[:_GLANCE, [successes]] > sample[:_GLANCE, counts]).any(axis=0)
    possible = [j for j, out in zip(counts, np.asarray(above).tolist(), strict=True) if j != successes and not out]
    return [j for j in possible if _nested(sample[:, j], sample[:, successes], rng)]


def _likeness(names: list[str], sample: NDArray[np.float64], trials: int, successes: int) -> tuple[int, float]:
    """Words in common, then the smaller count: the larger, the likelier a pair."""
    return len(_words(names[trials]) & _words(names[successes])), -float(np.nanmean(sample[:, trials]))


def _declared_pairs(names: list[str], declared: Mapping[str, tuple[str | None, object, str]]) -> list[CountPair]:
    """Pairs of which both columns were declared and are there."""
    columns_of: dict[tuple[str, object], dict[str, int]] = {}
    for name, (factor, level, what) in declared.items():
        if name in names:
            columns_of.setdefault((factor or "", level), {})[what] = names.index(name)
    return [(key, pair["trials"], pair["successes"]) for key, pair in columns_of.items() if len(pair) == 2]


def _is_count(values: NDArray[np.float64]) -> bool:
    present = values[~np.isnan(values)]
    return bool(present.size and np.isfinite(present).all() and (present >= 0).all() and (present % 1 == 0).all())


def _nested(trials: NDArray[np.float64], successes: NDArray[np.float64], rng: np.random.Generator) -> bool:
    both = ~(np.isnan(trials) | np.isnan(successes))
    t, s = trials[both], successes[both]
    if t.size < 50 or t.max() < 2 or s.max() < 1 or (s > t).any() or (t > s).mean() < _APART:
        return False
    return int((rng.permutation(s) > t).sum()) >= max(_TIMES, _BY_CHANCE * t.size)


def _words(name: str) -> set[str]:
    return {word for word in re.split(r"[^a-z0-9]+", name.lower()) if word}


def _level_named(successes: str, trials: str, actions: ActionSpace) -> tuple[str, object]:
    """Level of a factor that both names hold as a word (or its plural), where exactly one does."""
    words = _words(successes) & _words(trials)
    words |= {word.removesuffix("s") for word in words}
    hits = [
        (factor, level)
        for factor, levels in actions.factors.items()
        for level in levels
        if isinstance(level, str) and len(level) >= _SHORTEST_LEVEL and level.lower() in words
    ]
    return hits[0] if len(hits) == 1 else ("", None)
