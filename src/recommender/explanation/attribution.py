"""Contributions of context columns and action factors to the served margin, exactly additive.

Members' contributions add with the weights of the stack; the calibration is linear, so it scales them. A regression
member is split exactly, column by column, against the mean of its design columns; trees are split by LightGBM's
path-dependent TreeSHAP. The calibration moves the level of an account (its score averaged over actions) by a slope of
its own, so an exact split of a tree member needs the TreeSHAP values of *every* action; a few representative ones stand
for them by default, and what they miss is a contribution of its own, ``(not attributed)``, so that the sum stays exact.

References
----------
Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees".
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.actions import ActionSpace
from recommender.explanation.factors import factor_effects
from recommender.learning.encoding import ContextEncoder
from recommender.learning.ensemble import RewardEnsemble
from recommender.learning.linear_design import LinearDesign
from recommender.learning.trees import ActionTrees, factor_levels

__all__ = ["NOT_ATTRIBUTED", "NO_CONTACT_FEATURE", "PartAttribution", "attribute", "feature_names", "one_thread"]

Floats = NDArray[np.float64]

_FEW_ROWS = 64

NO_CONTACT_FEATURE = "(no contact)"
NOT_ATTRIBUTED = "(not attributed)"


@dataclass(frozen=True)
class PartAttribution:
    """Contributions to the margin of one part of the model.

    Attributes
    ----------
    baseline : float
        Margin of the mean account averaged over the contact actions.
    contributions : ndarray of shape (n, k, n_features)
        Columns as :func:`feature_names`; ``baseline + contributions.sum(axis=2)`` is the served margin.
    error : ndarray of shape (n,)
        What the representative actions miss of the account's level, the size of ``(not attributed)``; 0 = exact.
    """

    baseline: float
    contributions: Floats
    error: Floats


def feature_names(encoder: ContextEncoder, actions: ActionSpace) -> tuple[str, ...]:
    """Context columns, action factors, contact or not, and what could not be attributed."""
    return (*encoder.names, *actions.factor_names, NO_CONTACT_FEATURE, NOT_ATTRIBUTED)


def attribute(
    ensemble: RewardEnsemble,
    actions: ActionSpace,
    X: Floats,
    action: NDArray[np.int64],
    means: dict[str, Floats],
    *,
    level_actions: int | None = 4,
) -> PartAttribution:
    """Split the margins of given (account, action) pairs.

    Parameters
    ----------
    ensemble : RewardEnsemble
    actions : ActionSpace
    X : ndarray of shape (n, n_columns)
        Encoded context.
    action : ndarray of int of shape (n, k)
    means : dict of design name to ndarray of shape (n_terms,)
        The account that regression members are held against.
    level_actions : int or None
        Actions that stand for all when the level of a tree member is split; None = every action, exactly; 0 = leave the
        level of tree members out, for differences between actions, in which it cancels.

    Returns
    -------
    PartAttribution
    """
    n, k = action.shape
    n_columns = X.shape[1]
    calibration = ensemble.calibration
    gap = calibration.level - calibration.advantage
    total = np.zeros((n, k, n_columns + len(actions.factors) + 2))
    error = np.zeros(n)
    baseline = calibration.intercept + calibration.level * ensemble.intercept
    per_action = np.zeros(len(actions))
    with one_thread(n):
        designs = _Designs(ensemble, X)
        # the longest first: shorter ones may be its beginning
        for name, design in sorted(ensemble.designs.items(), key=lambda item: -len(item[1].terms)):
            members = [
                ensemble.weights[key] * model.weights
                for key, (of, model) in ensemble.glms.items()
                if of == name and ensemble.weights[key] != 0.0
            ]
            if not members:
                continue
            raw = np.sum(members, axis=0)
            W = calibration.advantage * raw + gap * (raw @ ensemble.share)[:, None]
            sources = _sources(design)
            away = (designs.of(name) - means[name])[:, None, :] * W.T[action]
            per_action += means[name] @ W
            named = sources >= 0
            into = np.zeros((len(sources), n_columns))
            into[np.flatnonzero(named), sources[named]] = 1.0
            total[:, :, :n_columns] += away @ into
        level, effects, contact = factor_effects(per_action, actions)
        baseline += level
        total[:, :, n_columns:-2] += effects[action]
        total[:, :, -2] += contact[action]
        for name, trees in ensemble.trees.items():
            weight = ensemble.weights[name]
            if weight == 0.0:
                continue
            T = X
            if ensemble.with_time:  # every prediction stands in the recent part
                T = np.column_stack([X, np.ones(n)])
            parts, bias = _tree_contributions(trees, T, action)
            moved = weight * calibration.advantage * parts
            baseline += weight * calibration.level * bias
            if abs(gap * weight) > 0.0 and level_actions != 0:
                mean, missed = _level_contributions(trees, T, ensemble.share, level_actions, bias)
                moved = moved + (weight * gap * mean)[:, None, :]
                total[:, :, -1] += (weight * gap * missed)[:, None]
                error += np.abs(weight * gap * missed)
            total[:, :, :n_columns] += moved[:, :, :n_columns]
            total[:, :, n_columns:-2] += moved[:, :, T.shape[1] :]
            if ensemble.with_time:  # the same for every account but for interactions: it belongs to none of them
                total[:, :, -1] += moved[:, :, n_columns]
    return PartAttribution(float(baseline), total, error)


def one_thread(n_rows: int) -> AbstractContextManager[Any]:
    """Keep BLAS to one thread, as scoring does; for a few rows it stays there by itself, and asking costs more."""
    return nullcontext() if n_rows <= _FEW_ROWS else threadpool_limits(limits=1, user_api="blas")


class _Designs:
    """Design matrices of one ensemble, each made once: the curved one begins with the linear one."""

    def __init__(self, ensemble: RewardEnsemble, X: Floats) -> None:
        self.designs = ensemble.designs
        self.X = X
        self.made: dict[str, Floats] = {}

    def of(self, name: str) -> Floats:
        terms = self.designs[name].terms
        for made, U in self.made.items():
            if self.designs[made].terms[: len(terms)] == terms:
                return U[:, : len(terms)]
        self.made[name] = self.designs[name].transform(self.X)
        return self.made[name]


def _sources(design: LinearDesign) -> NDArray[np.int64]:
    """Encoded column each term speaks of; -1 for the constant. A rate speaks of its successes."""
    sources = np.full(len(design.terms), -1, dtype=np.int64)
    for j, term in enumerate(design.terms):
        if term.kind == "bend":
            sources[j] = sources[term.other]
        elif term.kind == "rate":
            sources[j] = term.other
        elif term.kind != "one":
            sources[j] = term.source
    return sources


def _tree_contributions(trees: ActionTrees, T: Floats, action: NDArray[np.int64]) -> tuple[Floats, float]:
    """TreeSHAP values of (account, action) pairs, shape (n, k, n_columns + n_factors), and their expected value."""
    n, k = action.shape
    levels = np.stack([values for _, values, _ in factor_levels(trees.actions)], axis=1)
    design = np.column_stack([np.repeat(T, k, axis=0), levels[action.ravel()]])
    split = np.mean([booster.predict(design, pred_contrib=True, num_threads=1) for booster in trees.boosters], axis=0)
    return np.asarray(split[:, :-1].reshape(n, k, -1)), float(split[0, -1])


def _level_contributions(
    trees: ActionTrees, T: Floats, share: Floats, level_actions: int | None, bias: float
) -> tuple[Floats, Floats]:
    """TreeSHAP values averaged over actions as they were logged, and what the representatives miss of the average."""
    tried = np.flatnonzero(share > 0)
    if level_actions is None or len(tried) <= level_actions:
        stand_in, weight = tried, share[tried]
    else:  # evenly along the cumulated share: every level of the first factors has its turn
        cumulated = np.cumsum(share)
        points = (np.arange(level_actions) + 0.5) / level_actions * cumulated[-1]
        stand_in = np.minimum(np.searchsorted(cumulated, points), len(share) - 1)
        weight = np.full(len(stand_in), cumulated[-1] / len(stand_in))
    parts, _ = _tree_contributions(trees, T, np.broadcast_to(stand_in, (len(T), len(stand_in))))
    mean = np.einsum("nkf,k->nf", parts, weight)
    level = trees.raw_scores(T, n_jobs=1) @ share
    return mean, level - bias * share.sum() - mean.sum(axis=1)
