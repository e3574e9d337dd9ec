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
from recommender.learning.drift import fit_stepped
from recommender.learning.encoding import ContextEncoder
from recommender.learning.linear_design import LinearDesign
from recommender.learning.stacking import Floats
from recommender.learning.trees import ActionTrees, TreeSettings

__all__ = ["FitRows", "RegressionPlan", "regression_job", "run_jobs", "tree_job"]


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
            None if rows.recent is None else rows.recent[part],
            rows.actions,
            rows.action[part],
            rows.target[part],
            family=rows.family,
            weight=None if rows.weight is None else rows.weight[part],
            crossing=plan.crossing,
            prior_scale=plan.prior_scale,
            precision=precision,
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
