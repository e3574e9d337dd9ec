"""Fits of single members as jobs that threads share, and their scores of rows that they never saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.learning.fit_rows import FitRows
from recommender.learning.regression import BilinearModel, Crossing, FacetModel
from recommender.learning.trees import ActionTrees, DerivedColumns, TreeSettings

__all__ = ["RegressionPlan", "facet_job", "held_out_scores", "regression_job", "tree_job"]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_CHUNK = 8_192  # rows scored at once: 16 MB of scores for 260 actions


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


def regression_job(
    rows: FitRows, plans: Sequence[RegressionPlan], keep: Mask | None, precision: Floats | None
) -> Callable[[], list[BilinearModel]]:
    """Prepare the fit of regressions that differ by their scale alone on the kept rows (all when None).

    They know every row at its own time, where the world moved: the terms of now come first.
    """
    plan = plans[0]
    # where no column of the context tells accounts apart, only how often an action was chosen can tell
    ranks_alike = plan.crossing == "none" or plan.design == "constant"

    def job() -> list[BilinearModel]:
        part = slice(None) if keep is None else keep
        design, U = rows.timed(plan.design)
        return BilinearModel.fit_scaled(
            design,
            U[part],
            rows.task.actions,
            rows.task.action[part],
            rows.task.target[part],
            prior_scales=[one.prior_scale for one in plans],
            family=rows.task.family,
            crossing=plan.crossing,
            precision=precision,
            directions=rows.directions[: 1 if ranks_alike else None],
            known=rows.habits.get(plan.design),
        )

    return job


def tree_job(
    rows: FitRows,
    settings: TreeSettings,
    held_out: Mask,
    *,
    stop_early: bool = True,
    derived: DerivedColumns | None = None,
) -> Callable[[], ActionTrees]:
    """Prepare the boosting of one ensemble, stopped early on the rows held out unless told otherwise."""

    def job() -> ActionTrees:
        return ActionTrees.fit(
            rows.X,
            rows.task.encoder.categorical_positions,
            rows.task.actions,
            rows.task.action,
            rows.task.target,
            settings=settings,
            held_out=held_out,
            stop_early=stop_early,
            derived=derived,
            n_jobs=1,
            random_state=rows.random_state,
        )

    return job


def facet_job(
    rows: FitRows, n_classes: int, keep: Mask, start: BilinearModel, random_state: int
) -> Callable[[], FacetModel]:
    """Prepare the fit of latent classes on the kept rows, from a regression on the same rows."""

    def job() -> FacetModel:
        return FacetModel.fit(
            rows.designs["linear"],
            rows.U["linear"][keep],
            rows.task.actions,
            rows.task.action[keep],
            rows.task.target[keep],
            start=start.first(len(rows.designs["linear"].terms)),
            n_classes=n_classes,
            often=rows.directions[0] if rows.directions else None,
            family=rows.task.family,
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
    """Scores of every row by the members that never saw it, at the row's own time where the world moved.

    Returns
    -------
    (ndarray of shape (n, n_members), list of ndarray of shape (n_panel, n_actions))
        Of the logged actions of all rows, and of every action of the panel's rows.
    """
    names = list(by_fold[0])
    action = rows.task.action
    logged = np.empty((len(action), len(names)))
    scores = [np.empty((len(panel), len(rows.task.actions)), dtype=np.float32) for _ in names]
    for fold, members in enumerate(by_fold):
        out = np.flatnonzero(folds == fold)
        seen = np.flatnonzero(folds[panel] == fold)
        parts = np.array_split(seen, 1 + len(seen) // _CHUNK)
        for position, name in enumerate(names):
            member = members[name]
            if isinstance(member, ActionTrees):
                logged[out, position] = member.logged_scores(rows.X[out], action[out], n_jobs=n_jobs)
                for part in parts:
                    scores[position][part] = member.raw_scores(rows.X[panel[part]], n_jobs=n_jobs)
            else:
                # classes know of no time
                U = rows.U["linear"] if isinstance(member, FacetModel) else rows.timed(design_of[name])[1]
                logged[out, position] = member.logged_scores(U[out], action[out])
                for part in parts:
                    scores[position][part] = member.scores(U[panel[part]])
    return logged, scores
