"""What moved the expected result of what was decided, from one period to the next, by concept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.explanation.concepts import ConceptGroups
from recommender.explanation.explain_accounts import explain_decisions
from recommender.explanation.global_explanation import EVERYBODY, FEWEST_ACCOUNTS
from recommender.history import LoggedFeedback
from recommender.strategy import ContactStrategy

__all__ = ["WHOLE", "what_moved"]

Floats = NDArray[np.float64]

WHOLE = "(expected)"
"""The row of the expected reward itself, which the rows of the concepts add up to."""

_DEVIATIONS = 1.96


def what_moved(
    strategy: ContactStrategy,
    log: LoggedFeedback,
    *,
    at: Any,
    days: float,
    by: Mapping[str, Sequence[Any]] | None = None,
    sample: int = 1_000,
    random_state: int = 0,
    groups: ConceptGroups | None = None,
) -> pd.DataFrame:
    """Compare the decisions of the ``days`` from ``at`` with those of the ``days`` before.

    One model is put to both periods, so that what moves are the accounts and the choices, never the model. Decisions
    not to contact are left out where the model learnt nothing about them.

    Parameters
    ----------
    strategy : ContactStrategy
    log : LoggedFeedback
        Decisions, over the actions of the strategy, with their time; their rewards are not looked at.
    at : instant
        Where the later period begins.
    days : float
        Length of each period.
    by : mapping of str to sequence of shape (n_decisions,), optional
        What to split by beside everybody: a segment a decision.
    sample : int, default=1000
        Decisions of each period that are explained, drawn at random where there are more.
    random_state : int
    groups : ConceptGroups or None

    Returns
    -------
    DataFrame
        ``dimension``, ``segment``, ``group`` (a concept, or :data:`WHOLE`), ``n_before``, ``n_now`` (explained
        decisions), ``before``, ``now`` (mean contribution in units of reward), ``change`` with its 95 % interval ``lo``
        and ``hi``, which counts decisions of one debtor as one draw. The changes of the concepts of a segment add up to
        that of :data:`WHOLE`. Figures are null where a period has fewer than ``FEWEST_ACCOUNTS`` decisions.

    Raises
    ------
    InvalidInput
        For a log without times, or a segment that is not given for every decision.
    """
    if log.time is None:
        raise InvalidInput("The log has no times.", column="time", mend="Name the column of the decisions' time.")
    for name, given in (by or {}).items():
        if len(given) != len(log):
            raise InvalidInput(
                f"by[{name!r}] has {len(given)} entries for {len(log)} decisions.",
                column="by",
                mend="Give one segment a decision.",
            )
    time = pd.to_datetime(pd.Series(log.time), utc=True)
    start, step = pd.Timestamp(at), timedelta(days=days)
    period = np.select(
        [((time >= start) & (time < start + step)).to_numpy(), ((time < start) & (time >= start - step)).to_numpy()],
        [1, 0],
        -1,
    )
    rng = np.random.default_rng(random_state)
    drawn = [rng.permutation(np.flatnonzero(period == which))[:sample] for which in (0, 1)]
    rows = np.sort(np.concatenate(drawn))
    if not rows.size:
        return _frame([])
    explanation = explain_decisions(strategy, log, rows, groups=groups)
    rows = rows[explanation.rows]
    names, split = explanation.group_contributions()
    reward = np.take_along_axis(explanation.rewards, explanation.action, axis=1)
    values = np.column_stack([reward, split[:, 0]])
    labels = (WHOLE, *names)
    later, debtor = period[rows] == 1, np.asarray(log.groups)[rows]
    segments = {EVERYBODY: np.full(len(rows), EVERYBODY, dtype=object)}
    for name, texts in (by or {}).items():
        own = pd.Series(list(texts), dtype=object).iloc[rows]
        segments[name] = own.where(own.notna(), "unknown").astype("str").to_numpy(dtype=object)
    found = []
    for dimension, segment_of_row in segments.items():
        for segment in sorted(set(segment_of_row)):
            own_rows = segment_of_row == segment
            told = _change(values[own_rows], later[own_rows], debtor[own_rows])
            found += [
                {"dimension": dimension, "segment": segment, "group": label, **{key: told[key][j] for key in told}}
                for j, label in enumerate(labels)
            ]
    return _frame(found)


def _change(values: Floats, later: NDArray[np.bool_], debtor: NDArray[Any]) -> dict[str, Any]:
    """Means of both periods and their difference, with an interval over debtors, of each column of values."""
    n, width = (int((~later).sum()), int(later.sum())), values.shape[1]
    sizes = {"n_before": [n[0]] * width, "n_now": [n[1]] * width}
    if min(n) < FEWEST_ACCOUNTS:
        return sizes | {name: [math.nan] * width for name in ("before", "now", "change", "lo", "hi")}
    before, now = values[~later].mean(axis=0), values[later].mean(axis=0)
    weighted = np.where(later[:, None], (values - now) / n[1], -(values - before) / n[0])
    kinds, code = np.unique(debtor, return_inverse=True)
    of_debtor = np.zeros((len(kinds), width))
    np.add.at(of_debtor, code, weighted)
    half = _DEVIATIONS * np.sqrt((of_debtor**2).sum(axis=0) * len(kinds) / max(1, len(kinds) - 1))
    change = now - before
    return sizes | {"before": before, "now": now, "change": change, "lo": change - half, "hi": change + half}


def _frame(found: list[dict[str, Any]]) -> pd.DataFrame:
    columns = ["dimension", "segment", "group", "n_before", "n_now", "before", "now", "change", "lo", "hi"]
    return pd.DataFrame(found, columns=columns)
