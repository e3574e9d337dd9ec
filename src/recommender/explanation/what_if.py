"""What would be recommended if something were different: before and after, with what the model cannot know said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.explanation.concepts import ConceptGroups
from recommender.explanation.served import ServedModel
from recommender.strategy import STAGES, ContactStrategy, check_eligible, stage_of

__all__ = ["OutOfRange", "WhatIf", "changeable_columns", "what_if"]

_RANGE = (0.005, 0.995)


@dataclass(frozen=True)
class OutOfRange:
    """A changed value that the model hardly ever saw.

    Attributes
    ----------
    column : str
    value : object
    low, high : float or None
        Between which 99 % of the reference accounts lie; None for categories.
    """

    column: str
    value: Any
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class WhatIf:
    """Every contact action before and after.

    Attributes
    ----------
    frame : DataFrame
        One row an action that is eligible before or after, best after first: ``action``, the factors,
        ``before``, ``before_lo``, ``before_hi``, ``rank_before``, ``after``, ``after_lo``, ``after_hi``,
        ``rank_after`` (ranks are null where it is not eligible).
    best_before, best_after : int
        Action indices; -1 where nothing is eligible.
    changed : mapping of str to (from, to)
        Facts that differ, those that follow from others included.
    hypothetical : bool
        Whether facts of the debtor were changed: then the result is about another debtor, not about what to do.
    out_of_range : tuple of OutOfRange
    """

    frame: pd.DataFrame
    best_before: int
    best_after: int
    changed: Mapping[str, tuple[Any, Any]]
    hypothetical: bool
    out_of_range: tuple[OutOfRange, ...]

    @property
    def turns(self) -> bool:
        """Whether another action is best."""
        return self.best_before != self.best_after


def changeable_columns(strategy: ContactStrategy, groups: ConceptGroups | None = None) -> dict[str, tuple[str, ...]]:
    """Facts that may be explored -> their known categories, empty for numbers.

    The account's own contacts are no facts to change, protected columns are nobody's to play with, and the stage
    follows from the days past due where both are there.
    """
    served = ServedModel(strategy)
    concepts = groups or ConceptGroups.default()
    names = [str(name) for name in strategy.feature_names_in_]
    answer = {}
    for column in served.encoder.columns:
        follows = column.name == "stage" and "days_past_due" in names
        if column.name in names and not concepts.is_protected(column.name) and not follows:
            answer[column.name] = tuple(str(one) for one in column.categories) if column.kind != "number" else ()
    return answer


def what_if(
    strategy: ContactStrategy,
    account: pd.DataFrame,
    *,
    changes: Mapping[str, Any] | None = None,
    without: Mapping[str, Sequence[Any]] | None = None,
    explore: bool = False,
    eligible: Any | None = None,
    eligible_after: Any | None = None,
    as_of: Any | None = None,
    history: pd.DataFrame | None = None,
    reference: pd.DataFrame | None = None,
    groups: ConceptGroups | None = None,
) -> WhatIf:
    """Rank an account's actions before and after a change.

    Parameters
    ----------
    strategy : ContactStrategy
    account : DataFrame of one row
    changes : mapping of column to value, optional
        Facts of the debtor; only with ``explore=True``.
    without : mapping of factor to levels, optional
        Levels that may not be used, e.g. ``{"channel": ["call"]}``.
    explore : bool, default=False
        Unlocks the debtor's facts; the answer is then marked hypothetical.
    eligible, eligible_after : array-like of bool of shape (1, n_actions) or None
        From the guardrails, before and after; ``eligible_after=None`` takes ``eligible``.
    as_of, history
        As for :meth:`ContactStrategy.expected_reward`.
    reference : DataFrame or None
        Accounts whose values are usual; None = no range is checked.
    groups : ConceptGroups or None

    Returns
    -------
    WhatIf

    Raises
    ------
    InvalidInput
        For a locked, protected or unknown column, a value that is no number where one is needed, an unknown category
        or level, or where no action is left.
    """
    if len(account) != 1:
        raise InvalidInput(f"account has {len(account)} rows.", column="account", mend="Pass one account.")
    served = ServedModel(strategy)
    frame = account.reset_index(drop=True)
    changed = _checked(changes or {}, explore, frame, changeable_columns(strategy, groups), served, groups)
    after_frame = frame.assign(**{name: [new] for name, (_, new) in changed.items()})
    first = check_eligible(eligible, 1, served.actions)[0].copy()
    second = first.copy() if eligible_after is None else check_eligible(eligible_after, 1, served.actions)[0].copy()
    second &= ~_forbidden(served, without or {})
    idle = served.actions.no_contact_index
    if idle is not None:
        second[idle] = True
    if not second.any():
        raise InvalidInput("No action is left.", column="without", mend="Allow at least one level of each factor.")
    every = np.arange(len(served.actions))[None]
    sides = []
    for one in (frame, after_frame):
        context = served.context(one, history, as_of)
        rewards = served.rewards(served.margins(served.encode(context)))[0]
        lo, hi = (ends[0] for ends in served.interval(context, every))
        sides.append((rewards, lo, hi))
    shown = np.flatnonzero(first | second)
    table = served.actions.describe(shown)
    table.insert(0, "action", shown)
    for name, (rewards, lo, hi), mask in (("before", sides[0], first), ("after", sides[1], second)):
        table[name], table[f"{name}_lo"], table[f"{name}_hi"] = rewards[shown], lo[shown], hi[shown]
        table[f"rank_{name}"] = _ranks(rewards, mask)[shown]
    table = table.sort_values(["rank_after", "rank_before"], na_position="last", kind="stable", ignore_index=True)
    return WhatIf(
        table,
        _best(sides[0][0], first),
        _best(sides[1][0], second),
        changed,
        bool(changed),
        _unusual(changed, reference),
    )


def _checked(
    changes: Mapping[str, Any],
    explore: bool,
    frame: pd.DataFrame,
    free: Mapping[str, tuple[str, ...]],
    served: ServedModel,
    groups: ConceptGroups | None,
) -> dict[str, tuple[Any, Any]]:
    """Changes with the value they replace, checked, and what follows from them."""
    concepts = groups or ConceptGroups.default()
    answer: dict[str, tuple[Any, Any]] = {}
    for name, value in changes.items():
        if name not in free:
            if name not in served.encoder.names:
                raise InvalidInput.in_column(
                    name, "is no fact that the model looks at", values=[value], mend=f"Use one of {sorted(free)}."
                )
            why = "is protected" if concepts.is_protected(name) else "follows from other facts"
            raise InvalidInput.in_column(name, why, values=[value], mend=f"Use one of {sorted(free)}.")
        if not explore:
            raise InvalidInput.in_column(
                name,
                "is a fact of the debtor, which nobody can choose",
                values=[value],
                mend="Forbid a channel, hour or tone; or explore, and read the answer as hypothetical.",
            )
        new: Any = value
        if not free[name]:
            try:
                new = float(str(value).strip())
            except ValueError:
                new = np.nan
            if not np.isfinite(new):
                raise InvalidInput.in_column(name, "must be a number", values=[value], mend="Write e.g. 1240.5.")
        elif str(value) not in free[name]:
            raise InvalidInput.in_column(
                name, "was never seen", values=[value], mend=f"Use one of {sorted(free[name])[:12]}."
            )
        old = frame[name].iloc[0]
        if not (old == new or (pd.isna(old) and pd.isna(new))):
            answer[name] = (old, new)
    if "days_past_due" in answer and "stage" in frame.columns:
        stage = STAGES[int(stage_of(np.array([answer["days_past_due"][1]]))[0])]
        if stage != frame["stage"].iloc[0]:
            answer["stage"] = (frame["stage"].iloc[0], stage)
    return answer


def _forbidden(served: ServedModel, without: Mapping[str, Sequence[Any]]) -> NDArray[np.bool_]:
    actions = served.actions
    gone = np.zeros(len(actions), dtype=bool)
    for factor, levels in without.items():
        if factor not in actions.factors:
            raise InvalidInput.in_column(
                "without", "names no factor", values=[factor], mend=f"Use some of {list(actions.factors)}."
            )
        known = {str(level): code for code, level in enumerate(actions.factors[factor])}
        for level in levels:
            if str(level) not in known:
                raise InvalidInput.in_column(
                    factor, "is no level of this factor", values=[level], mend=f"Use some of {list(known)}."
                )
            gone |= actions.codes[:, actions.factor_names.index(factor)] == known[str(level)]
    return gone


def _unusual(changed: Mapping[str, tuple[Any, Any]], reference: pd.DataFrame | None) -> tuple[OutOfRange, ...]:
    unusual = []
    for name, (_, new) in changed.items():
        if reference is None or name not in reference.columns:
            continue
        seen = reference[name].dropna()
        if isinstance(new, float):
            values = pd.to_numeric(seen, errors="coerce").dropna()
            if len(values):
                low, high = (float(end) for end in values.quantile(list(_RANGE)))
                if not low <= new <= high:
                    unusual.append(OutOfRange(name, new, low, high))
        elif new not in set(seen.astype(str)):
            unusual.append(OutOfRange(name, new))
    return tuple(unusual)


def _ranks(rewards: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    ranks = np.full(len(rewards), np.nan)
    order = np.argsort(-rewards[mask], kind="stable")
    ranks[np.flatnonzero(mask)[order]] = np.arange(1, mask.sum() + 1)
    return ranks


def _best(rewards: NDArray[np.float64], mask: NDArray[np.bool_]) -> int:
    return int(np.where(mask, rewards, -np.inf).argmax()) if mask.any() else -1
