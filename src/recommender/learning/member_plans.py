"""Which members a log gets: the same list for every task, adapted to its length and its number of events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recommender.learning.member_jobs import RegressionPlan
from recommender.learning.regression import Family
from recommender.learning.trees import TreeSettings

__all__ = ["alike_but_for_scale", "finished_trees", "grown_trees", "knows_classes", "regression_plans", "tree_plans_of"]

Floats = NDArray[np.float64]

_EVENTS_FOR_CLASSES = 300  # a membership is a handful of numbers a column: fewer events cannot tell them
_GROWN_FROM = 10_000  # rows from which trees may be worth growing past their best log-loss
_FIRM_UP_TO = 30_000  # rows up to which regressions of several strengths are weighed


def regression_plans(n_rows: int, *, with_profiles: bool) -> list[RegressionPlan]:
    """Regressions of the stack."""
    plans = [
        RegressionPlan("linear", "linear"),
        RegressionPlan("curved", "curved"),
        RegressionPlan("constant", "constant"),
        RegressionPlan("scorecard", "linear", "none"),
    ]
    if with_profiles:
        plans.append(RegressionPlan("profiles", "profiles"))
    if n_rows <= _FIRM_UP_TO:
        plans += [
            RegressionPlan("firm", "linear", prior_scale=4.0),
            RegressionPlan("firmer", "curved", prior_scale=8.0),
            RegressionPlan("firm factors", "linear", "factors", 3.0),
        ]
    return plans


def alike_but_for_scale(plans: Sequence[RegressionPlan]) -> list[list[RegressionPlan]]:
    """Plans by design and crossing: what differs by the scale of the prior alone learns its precisions once."""
    alike: dict[tuple[str, str], list[RegressionPlan]] = {}
    for plan in plans:
        alike.setdefault((plan.design, plan.crossing), []).append(plan)
    return list(alike.values())


def knows_classes(target: Floats, family: Family) -> bool:
    """Whether there are events enough to learn memberships of classes from rewards."""
    events = len(target) / 4 if family == "gaussian" else min(target.sum(), len(target) - target.sum())
    return bool(events >= _EVENTS_FOR_CLASSES)


def tree_plans_of(target: Floats, family: Family) -> dict[str, TreeSettings]:
    """Boosted members by name; settings follow from the number of rows and how rare events are."""
    n = len(target)
    if family == "gaussian":
        return {"trees": TreeSettings(objective="regression", l2=5.0, feature_fraction=1.0, max_rounds=2_000)}
    positives = min(float(target.sum()), float(n - target.sum()))
    rare = positives < 0.15 * n
    return {
        "trees": TreeSettings(
            n_leaves=15,
            l2=20.0 if rare else 2.0,
            min_leaf=int(np.clip(n / 2_000, 5, 50)),
            feature_fraction=1.0,
            max_rounds=2_000,
        )
    }


def grown_trees(target: Floats, family: Family) -> TreeSettings | None:
    """Settings of trees that are not stopped early, None where the log is too short for them.

    Log-loss over logged actions is lowest long before the order of an account's actions is: where effects do not add
    up, every further round finds more of what tells actions apart (docs/decision-quality.md).
    """
    if family == "gaussian" or len(target) < _GROWN_FROM:
        return None
    return TreeSettings(n_leaves=31, learning_rate=0.06, l2=10.0, min_leaf=50, feature_fraction=0.9, max_rounds=600)


def finished_trees(settings: TreeSettings) -> TreeSettings:
    """Settings of grown trees that are served: on every row, in smaller steps than the folds can afford."""
    return replace(settings, learning_rate=settings.learning_rate / 2, max_rounds=2 * settings.max_rounds)
