"""Every member of a stack, fitted by folds and (the regressions) on all rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.learning.fit_rows import FitRows
from recommender.learning.jobs import run_jobs
from recommender.learning.member_jobs import (
    RegressionPlan,
    facet_job,
    held_out_scores,
    regression_job,
    tree_job,
)
from recommender.learning.member_plans import (
    alike_but_for_scale,
    finished_trees,
    grown_trees,
    knows_classes,
    regression_plans,
    tree_plans_of,
)
from recommender.learning.regression import BilinearModel, FacetMean
from recommender.learning.stacking import group_folds, order_weights, stack_weights
from recommender.learning.tree_candidates import screened_columns
from recommender.learning.trees import ActionTrees, TreeSettings

__all__ = ["MemberFits", "fit_members"]

_SHARE_PRECISIONS_FROM = 100_000  # rows: at 20k sharing made the stack promise 18 % too much (docs/decision-quality.md)
_FEWEST_ROWS = 20  # below, nothing can be held out
_FEW_FOLDS_FROM = 3_000  # rows from which three folds leave members enough; five below
_CLASSES = 4  # a facet, docs/decision-quality.md
_WORTH_GROWING = 0.05  # share of the stack's weight from which it is tried to grow trees past their best log-loss
_GROWN = "grown"  # the name of that member among the trees
_FIRST_PANEL = 20_000  # rows of the first fold of which every action is scored
_WORTH_ITS_TIME = 0.04  # share of the stack's weight from which the other folds are worth fitting


@dataclass(eq=False)
class MemberFits:
    """Members by name.

    Attributes
    ----------
    regressions : dict of str to (design, BilinearModel)
        On every row.
    by_fold : list of dict of str to member
        One a fold, fitted without it.
    folds : ndarray of int64 of shape (n,)
    tree_plans : dict of str to TreeSettings
    facets : dict of str to FacetMean
    """

    regressions: dict[str, tuple[str, BilinearModel]]
    by_fold: list[dict[str, Any]]
    folds: NDArray[np.int64]
    tree_plans: dict[str, TreeSettings]
    facets: dict[str, FacetMean]

    @property
    def design_of(self) -> dict[str, str]:
        """Which columns each member but the trees takes."""
        return {name: design for name, (design, _) in self.regressions.items()} | {"classes": "linear"}

    def served_trees(self, rows: FitRows, weights: Mapping[str, float], n_jobs: int) -> dict[str, ActionTrees]:
        """Boosted members as they are served: the mean of the folds, but grown ones once more on every row.

        Grown trees go on learning from rows, and one ensemble is served in less time than one a fold.
        """
        served = {name: ActionTrees.mean_of([members[name] for members in self.by_fold]) for name in self.tree_plans}
        if weights.get(_GROWN, 0.0) > 0:
            settings = finished_trees(self.tree_plans[_GROWN])
            nothing = np.zeros(len(rows.task), dtype=bool)
            derived = served[_GROWN].derived
            [served[_GROWN]] = run_jobs([tree_job(rows, settings, nothing, stop_early=False, derived=derived)], n_jobs)
        return served


def fit_members(rows: FitRows, tree_settings: TreeSettings | None, n_jobs: int) -> MemberFits:
    """Fit the members that the log's length and its number of events call for."""
    task, n = rows.task, len(rows.task)
    plans = regression_plans(n, with_profiles=bool(task.profiles.profiles))
    alike = alike_but_for_scale(plans)
    full = run_jobs([regression_job(rows, some, None, None) for some in alike], n_jobs)
    models = _by_name(alike, full)
    regressions = {p.name: (p.design, models[p.name].first(len(rows.designs[p.design].terms))) for p in plans}
    if n < _FEWEST_ROWS:  # the constant alone, in sample
        return MemberFits(regressions, [{"constant": models["constant"]}], np.zeros(n, np.int64), {}, {})
    tree_plans = tree_plans_of(task.target, task.family)
    if tree_settings is not None:
        tree_plans["trees"] = replace(tree_settings, objective=tree_plans["trees"].objective)
    folds = group_folds(task.groups, 3 if n > _FEW_FOLDS_FROM else 5, rows.random_state)
    # precisions learnt on every row would leak into small folds; in large ones they are all but the same
    known = models if n > _SHARE_PRECISIONS_FROM else {}
    by_fold = _fit_folds(rows, plans, tree_plans, folds, known, n_jobs)
    fits = MemberFits(regressions, by_fold, folds, tree_plans, {})
    if knows_classes(task.target, task.family):
        _add_classes(rows, fits, n_jobs)
    if tree_settings is None:  # tuned settings were chosen for what they are
        _add_grown_trees(rows, fits, n_jobs)
    return fits


def _by_name(alike: list[list[RegressionPlan]], fitted: Iterable[list[BilinearModel]]) -> dict[str, BilinearModel]:
    """Models of the plans that were fitted together."""
    return {
        plan.name: model
        for some, models in zip(alike, fitted, strict=True)
        for plan, model in zip(some, models, strict=True)
    }


def _fit_folds(
    rows: FitRows,
    plans: list[RegressionPlan],
    tree_plans: dict[str, TreeSettings],
    folds: NDArray[np.int64],
    known: dict[str, BilinearModel],
    n_jobs: int,
) -> list[dict[str, Any]]:
    """Members of each fold, fitted on the others; ``known`` regressions lend their precisions."""
    n_folds = int(folds.max()) + 1
    alike = alike_but_for_scale(plans)
    jobs: list[Any] = []
    for fold in range(n_folds):
        jobs += [tree_job(rows, settings, folds == fold) for settings in tree_plans.values()]
        jobs += [
            regression_job(rows, some, folds != fold, known[some[0].name].precision if known else None)
            for some in alike
        ]
    fitted = iter(run_jobs(jobs, n_jobs))
    by_fold: list[dict[str, Any]] = []
    for _ in range(n_folds):
        boosted = {name: next(fitted) for name in tree_plans}
        models = _by_name(alike, islice(fitted, len(alike)))
        by_fold.append(boosted | {plan.name: models[plan.name] for plan in plans})
    return by_fold


def _add_classes(rows: FitRows, fits: MemberFits, n_jobs: int) -> None:
    """Latent classes learnt from rewards are dear: the first fold tells whether the others are worth fitting."""
    folds = fits.folds
    work = [
        facet_job(rows, _CLASSES, folds != fold, members["linear"], rows.random_state + fold)
        for fold, members in enumerate(fits.by_fold)
    ]
    first = fits.by_fold[0] | {"classes": work[0]()}
    if _shares_of_first_fold(rows, fits, first, n_jobs)["classes"] < _WORTH_ITS_TIME:
        return
    for members, fitted in zip(fits.by_fold, [first["classes"], *run_jobs(work[1:], n_jobs)], strict=True):
        members["classes"] = fitted
    fits.facets["classes"] = FacetMean([members["classes"] for members in fits.by_fold])


def _add_grown_trees(rows: FitRows, fits: MemberFits, n_jobs: int) -> None:
    """Where trees may count, they are grown past their best log-loss: the value of their choices goes on rising.

    The first fold tells which columns they are grown on, and whether they say anything that the others do not, of
    accounts and actions together or of actions alone.
    """
    settings = grown_trees(rows.task.target, rows.task.family)
    if settings is None:
        return
    folds, first = fits.folds, fits.by_fold[0]
    derived, short = screened_columns(rows, settings, folds == 0, first["trees"].gains(), n_jobs)
    tried = first | {_GROWN: short} if len(derived) else first
    shares = _shares_of_first_fold(rows, fits, tried, n_jobs)
    if shares["trees"] + shares.get(_GROWN, 0.0) < _WORTH_GROWING:
        return
    work = [
        tree_job(rows, settings, folds == fold, stop_early=False, derived=derived) for fold in range(len(fits.by_fold))
    ]
    first = first | {_GROWN: work[0]()}
    if _shares_of_first_fold(rows, fits, first, n_jobs, decisive=True)[_GROWN] < _WORTH_ITS_TIME:
        return
    for members, grown in zip(fits.by_fold, [first[_GROWN], *run_jobs(work[1:], n_jobs)], strict=True):
        members[_GROWN] = grown
    fits.tree_plans[_GROWN] = settings


def _shares_of_first_fold(
    rows: FitRows, fits: MemberFits, members: dict[str, Any], n_jobs: int, *, decisive: bool = False
) -> dict[str, float]:
    """Share of the stack's weight that each member would have, judged on the first fold alone.

    ``decisive``: the larger of that and of what it would have in the order of actions.
    """
    task, out = rows.task, np.flatnonzero(fits.folds == 0)
    panel = out[:_FIRST_PANEL] if decisive else out[:1]
    logged, scores = held_out_scores(rows, [members], np.where(fits.folds == 0, 0, 1), panel, fits.design_of, n_jobs)
    weights, _ = stack_weights(logged[out], task.target[out], task.family)
    share = weights / max(weights.sum(), 1e-9)
    if decisive:
        often = np.bincount(task.action, minlength=len(task.actions)) / len(task)
        again, _ = order_weights(logged[panel], task.target[panel], scores, often, weights, shrunk=False)
        share = np.maximum(share, again / max(again.sum(), 1e-9))
    return dict(zip(members, share.tolist(), strict=True))
