"""Fits of single members as jobs that threads share: each runs on one thread, so results never depend on how many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.bilinear import BilinearModel, Crossing, Family
from recommender.learning.drift import DriftSteps, fit_stepped
from recommender.learning.encoding import ContextEncoder
from recommender.learning.facets import FacetModel
from recommender.learning.linear_design import LinearDesign
from recommender.learning.stacking import Floats
from recommender.learning.trees import ActionTrees, TreeSettings

__all__ = ["FitRows", "RegressionPlan", "facet_job", "held_out_scores", "regression_job", "run_jobs", "tree_job"]


_CHUNK = 8_192


@dataclass(frozen=True)
class FitRows:
    """What every member is fitted on."""

    encoder: ContextEncoder
    X: Floats
    designs: Mapping[str, LinearDesign]
    U: Mapping[str, Floats]
    actions: ActionSpace
    action: NDArray[np.int64]
    target: Floats
    weight: Floats | None
    family: Family
    random_state: int
    recent: NDArray[np.bool_] | None = None
    order: Floats | None = None
    directions: tuple[Floats, ...] = ()
    steps: DriftSteps | None = None
    passed: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class RegressionPlan:
    """One regression of the stack.

    Attributes
    ----------
    name : str
    design : str
        Which columns it takes.
    crossing : {"pairs", "factors", "none"}
    prior_scale : float
        Multiplies every learnt precision.
    """

    name: str
    design: str
    crossing: Crossing = "pairs"
    prior_scale: float = 1.0


def run_jobs(jobs: Sequence[Callable[[], Any]], n_jobs: int) -> list[Any]:
    """Run single-threaded jobs side by side; which thread runs what never shows in the result."""
    if n_jobs <= 1:
        return [job() for job in jobs]
    with ThreadPoolExecutor(n_jobs) as pool:
        return list(pool.map(lambda job: job(), jobs))


def regression_job(
    rows: FitRows, plan: RegressionPlan, keep: NDArray[np.bool_] | None, precision: Floats | None
) -> Callable[[], BilinearModel]:
    """Prepare the fit of one regression on the kept rows (all when None)."""

    def job() -> BilinearModel:
        part = slice(None) if keep is None else keep
        return fit_stepped(
            rows.designs[plan.design],
            rows.U[plan.design][part],
            rows.steps,
            None if rows.passed is None else rows.passed[part],
            rows.actions,
            rows.action[part],
            rows.target[part],
            family=rows.family,
            weight=None if rows.weight is None else rows.weight[part],
            crossing=plan.crossing,
            prior_scale=plan.prior_scale,
            precision=precision,
            # where every account is ranked alike, only how often an action was chosen can tell
            directions=rows.directions[: 1 if plan.crossing == "none" or plan.design == "constant" else None],
        )

    return job


def tree_job(rows: FitRows, settings: TreeSettings, held_out: NDArray[np.bool_]) -> Callable[[], ActionTrees]:
    """Prepare the boosting of one ensemble, stopped early on the rows held out."""

    def job() -> ActionTrees:
        return ActionTrees.fit(
            rows.X,
            rows.encoder.categorical_positions,
            rows.actions,
            rows.action,
            rows.target,
            settings=settings,
            weight=rows.weight,
            held_out=held_out,
            n_jobs=1,
            random_state=rows.random_state,
        )

    return job


def facet_job(
    rows: FitRows, n_classes: int, keep: NDArray[np.bool_], start: BilinearModel, random_state: int
) -> Callable[[], FacetModel]:
    """Prepare the fit of latent classes on the kept rows, from a regression on the same rows."""

    def job() -> FacetModel:
        return FacetModel.fit(
            rows.designs["linear"],
            rows.U["linear"][keep],
            rows.actions,
            rows.action[keep],
            rows.target[keep],
            start=start,
            n_classes=n_classes,
            often=rows.directions[0] if rows.directions else None,
            family=rows.family,
            weight=None if rows.weight is None else rows.weight[keep],
            random_state=random_state,
        )

    return job


def held_out_scores(
    rows: FitRows,
    by_fold: Sequence[Mapping[str, Any]],
    folds: NDArray[np.int64],
    panel: NDArray[np.int64],
    design_of: Mapping[str, str],
    n_jobs: int,
) -> tuple[Floats, list[NDArray[np.float32]]]:
    """Scores of every row by the members that never saw it.

    Returns
    -------
    (ndarray of shape (n, n_members), list of ndarray of shape (n_panel, n_actions))
        Of the logged actions of all rows, and of every action of the panel's rows.
    """
    names = list(by_fold[0])
    logged = np.empty((len(rows.action), len(names)))
    scores = [np.empty((len(panel), len(rows.actions)), dtype=np.float32) for _ in names]
    for fold, members in enumerate(by_fold):
        out = np.flatnonzero(folds == fold)
        seen = np.flatnonzero(folds[panel] == fold)
        parts = np.array_split(seen, 1 + len(seen) // _CHUNK)
        for position, name in enumerate(names):
            member = members[name]
            if isinstance(member, ActionTrees):
                logged[out, position] = member.logged_scores(rows.X[out], rows.action[out], n_jobs=n_jobs)
                for part in parts:
                    scores[position][part] = member.raw_scores(rows.X[panel[part]], n_jobs=n_jobs)
            else:
                U = rows.U[design_of[name]]
                logged[out, position] = member.logged_scores(U[out], rows.action[out])
                for part in parts:
                    scores[position][part] = member.scores(U[panel[part]])
    return logged, scores
