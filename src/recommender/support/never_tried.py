"""Regions of the context in which the log never made a choice, with an honest upper bound of how often it might have.

A tree that looks for such regions on one half of the clusters finds some by luck. Each is therefore counted on the
other half, and kept only where the upper confidence bound of the share there is small: the rule of three.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import beta

from recommender.actions import ActionSpace
from recommender.learning import ContextEncoder
from recommender.support.partition import Condition, bin_context, leaves

__all__ = ["NeverTried", "Region", "choices", "find_never_tried", "hardly_ever"]

_CONFIDENCE = 0.95
_AT_MOST = 0.05  # a share that may be hidden in the region, whatever the usual one
_RARER = 0.1  # ... and at most this part of the usual share: a choice that is rare everywhere is no rule
_FEWEST = 10  # decisions of a region that can answer for themselves
_MOST_ROWS = 60_000
_MOST_SINGLE_ACTIONS = 40

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Region:
    """A part of the context in which a choice was (all but) never made.

    Attributes
    ----------
    choice : str
        In words, e.g. ``channel sms``.
    actions : tuple of int
        What the choice covers.
    conditions : tuple of Condition
        All of which hold inside.
    where : str
        The same in words.
    n_chosen, n_decisions : int
        How often the choice was made inside, of how many decisions that allowed it.
    upper_bound : float
        Of the share inside, counted on decisions that did not choose the region (95 %, one-sided).
    usual_share : float
        Over the whole log, where allowed.
    """

    choice: str
    actions: tuple[int, ...]
    conditions: tuple[Condition, ...]
    where: str
    n_chosen: int
    n_decisions: int
    upper_bound: float
    usual_share: float

    def __str__(self) -> str:
        """Say it in one phrase."""
        return (
            f"{self.where} and {self.choice}: {self.n_chosen:,} of {self.n_decisions:,} "
            f"(over all {self.usual_share:.1%})"
        )


@dataclass(frozen=True)
class NeverTried:
    """What a log never shows.

    Attributes
    ----------
    regions : tuple of Region
        Largest first.
    n_actions : int
    """

    regions: tuple[Region, ...]
    n_actions: int

    def __bool__(self) -> bool:
        """Whether there is any such region."""
        return bool(self.regions)

    def cells(self, X: Floats) -> Bools:
        """Cells (row, action) of encoded context that the log never shows, of shape (n, n_actions)."""
        answer = np.zeros((len(X), self.n_actions), dtype=bool)
        for region in self.regions:
            inside = np.ones(len(X), dtype=bool)
            for condition in region.conditions:
                inside &= condition.holds(X)
            answer[np.ix_(np.flatnonzero(inside), np.array(region.actions))] = True
        return answer

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready content; :meth:`from_dict` is its inverse."""
        regions = []
        for region in self.regions:
            written = asdict(region)
            for condition in written["conditions"]:
                for end in ("low", "high"):
                    condition[end] = condition[end] if np.isfinite(condition[end]) else str(condition[end])
            regions.append(written)
        return {"n_actions": self.n_actions, "regions": regions}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """Rebuild from :meth:`to_dict`."""
        regions = []
        for written in content["regions"]:
            conditions = tuple(
                Condition(
                    int(one["position"]),
                    float(one["low"]),
                    float(one["high"]),
                    None if one["values"] is None else tuple(float(value) for value in one["values"]),
                    bool(one["missing"]),
                )
                for one in written["conditions"]
            )
            regions.append(Region(**{**written, "actions": tuple(written["actions"]), "conditions": conditions}))
        return cls(tuple(regions), int(content["n_actions"]))


def find_never_tried(
    context: pd.DataFrame | Floats,
    encoder: ContextEncoder,
    actions: ActionSpace,
    action: NDArray[np.int64],
    groups: NDArray[np.int64],
    *,
    eligible: Bools | None = None,
    propensity: Floats | None = None,
    random_state: int = 0,
) -> NeverTried:
    """Find where a log never made a choice.

    A choice is a level of a factor, ``NO_CONTACT``, or (in small action spaces) a single action. Decisions in which it
    was not eligible do not count. Where every propensity is logged a region counts only if a choice made there with
    the smallest probability ever logged for it would have been seen.

    Parameters
    ----------
    context : DataFrame of shape (n, n_columns), or its encoded matrix
    encoder : ContextEncoder
    actions : ActionSpace
    action : ndarray of int of shape (n,)
    groups : ndarray of shape (n,)
        Clusters; one is never on both sides of the count.
    eligible : ndarray of bool of shape (n, n_actions), optional
    propensity : ndarray of shape (n,), optional
        Logged; NaN where it was not.
    random_state : int, default=0

    Returns
    -------
    NeverTried
    """
    X = encoder.transform(context) if isinstance(context, pd.DataFrame) else context
    rng = np.random.default_rng(random_state)
    if len(X) > _MOST_ROWS:
        kept = np.sort(rng.permutation(len(X))[:_MOST_ROWS])
        X, action, groups = X[kept], action[kept], groups[kept]
        eligible = None if eligible is None else eligible[kept]
        propensity = None if propensity is None else propensity[kept]
    clusters, code = np.unique(groups, return_inverse=True)
    side = (rng.permutation(len(clusters)) % 2).astype(bool)[code.reshape(-1)]
    logged = propensity is not None and not np.isnan(propensity).any()
    binned = bin_context(X, encoder.categorical_positions)
    regions: list[Region] = []
    for name, members in choices(actions):
        chosen = np.isin(action, members)
        allowed = np.ones(len(X), dtype=bool) if eligible is None else eligible[:, members].any(axis=1) | chosen
        if not chosen.any() or not allowed.any():
            continue
        usual = float(chosen.sum() / allowed.sum())
        least = min(_AT_MOST, _RARER * usual)
        if logged and propensity is not None:
            least = min(least, float(propensity[chosen].min()))
        # The other half is too short to show so small a share: nothing can be found.
        if _upper(0, int(allowed.sum()) // 2) > least:
            continue
        for seen in (False, True):
            grown = leaves(binned, np.flatnonzero(allowed & (side == seen)), chosen)
            for conditions, inside in grown:
                counted = inside & allowed & (side != seen)
                k, n = int((chosen & counted).sum()), int(counted.sum())
                most = 0 if logged else _FEWEST - 1
                if k > most or n == 0 or _upper(k, n) > least:
                    continue
                whole = inside & allowed
                if _upper(int((chosen & whole).sum()), int(whole.sum())) > least:
                    continue  # the half that found it has seen more
                regions.append(
                    Region(
                        choice=name,
                        actions=tuple(members),
                        conditions=conditions,
                        where=" and ".join(_words(encoder, conditions, X[whole])),
                        n_chosen=int((chosen & whole).sum()),
                        n_decisions=int(whole.sum()),
                        upper_bound=_upper(k, n),
                        usual_share=usual,
                    )
                )
    regions.sort(key=lambda region: -region.n_decisions)
    # Both halves find the same rule: it is told once.
    distinct = {(region.choice, region.where): region for region in reversed(regions)}
    return NeverTried(tuple(reversed(distinct.values())), len(actions))


def _upper(k: int, n: int) -> float:
    """Clopper and Pearson's one-sided upper bound of a share; about 3 / n where nothing was seen."""
    return 1.0 if k >= n else float(beta.ppf(_CONFIDENCE, k + 1, n - k))


def hardly_ever(k: int, n: int, usual: float) -> bool:
    """Whether so few of n decisions show that a choice is not made there, without a propensity that says otherwise."""
    return k < _FEWEST and _upper(k, n) <= min(_AT_MOST, _RARER * usual)


def choices(actions: ActionSpace) -> Iterator[tuple[str, list[int]]]:
    """Choices by name, each with the actions it covers: ``NO_CONTACT``, levels, and actions of small spaces."""
    codes = actions.codes
    idle = actions.no_contact_index
    if idle is not None:
        yield "no contact", [idle]
    for position, (factor, levels) in enumerate(actions.factors.items()):
        if len(levels) < 2 and idle is None:
            continue
        for level, name in enumerate(levels):
            yield f"{factor} {name}", np.flatnonzero(codes[:, position] == level).tolist()
    if len(actions.factors) > 1 and len(actions) <= _MOST_SINGLE_ACTIONS:
        for index in range(len(actions)):
            if index != idle:
                yield str(actions.label(index)), [index]


def _words(encoder: ContextEncoder, conditions: Sequence[Condition], X: Floats) -> list[str]:
    """Conditions in words, those on the same number column as one interval, or the one value that lies inside."""
    words: list[str] = []
    for position in dict.fromkeys(condition.position for condition in conditions):
        own = [condition for condition in conditions if condition.position == position]
        column = encoder.columns[position]
        missing = all(condition.missing for condition in own)
        if column.kind == "category":
            kept = set.intersection(*(set(condition.values or ()) for condition in own))
            names = [column.categories[int(code) - 1] if code >= 1 else "another value" for code in sorted(kept)]
            names += ["missing"] if missing else []
            shown = names if len(names) <= 6 else [*names[:6], f"{len(names) - 6} more"]
            among = f"in {{{', '.join(shown)}}}"
            words.append(f"{column.name} {'= ' + shown[0] if len(shown) == 1 else among}")
            continue
        low, high = max(one.low for one in own), min(one.high for one in own)
        text = column.name
        values = X[:, position][~np.isnan(X[:, position])]
        listed = [condition.values for condition in own if condition.values is not None]
        if listed and len(levels := np.unique(values)) > 1:
            shown = [f"{value:.6g}" for value in levels[:6]] + ([f"{len(levels) - 6} more"] if len(levels) > 6 else [])
            text = f"{column.name} in {{{', '.join(shown)}}}"
        elif len(values) and values.min() == values.max():
            text = f"{column.name} = {values[0]:.6g}"
        elif np.isfinite(low) and np.isfinite(high):
            text = f"{low:.6g} < {column.name} <= {high:.6g}"
        elif np.isfinite(low):
            text = f"{column.name} > {low:.6g}"
        elif np.isfinite(high):
            text = f"{column.name} <= {high:.6g}"
        elif low > high:
            text = f"{column.name} missing"
        words.append(text if not missing or low > high else f"({text} or missing)")
    return words
