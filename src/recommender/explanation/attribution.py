"""Contributions of context columns and action factors to the served margin, exactly additive.

Members' contributions add with the weights of the stack. The calibration scales them: what concerns the level by one
slope, what concerns the action by how much the bent line leaves of each explained action's advantage. A regression
member is split exactly, column by column, against the mean of its design columns (a membership of a latent profile
among the signs it is read from, see :mod:`~recommender.explanation.profile_signs`); trees by path-dependent TreeSHAP,
of the explained action and of the mean over all actions (the calibration moves that level by a slope of its own). Any
other member is split by Aumann-Shapley along the line from the mean account, with numerical slopes. Whatever all that
misses of the served margin is a contribution of its own, ``(not attributed)``, so that the sum stays exact and a member
that is not understood is never explained wrongly.

References
----------
Lundberg et al. (2020), "From local explanations to global understanding with explainable AI for trees"; Sundararajan,
Taly and Yan (2017), "Axiomatic attribution for deep networks".
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from recommender.actions import ActionSpace
from recommender.explanation.factors import factor_effects
from recommender.explanation.profile_signs import membership_moves
from recommender.learning import (
    Calibration,
    ContextEncoder,
    LinearDesign,
    LinearTerm,
    OtherMember,
    RegressionMember,
    RewardEnsemble,
    members_of,
)

__all__ = ["NOT_ATTRIBUTED", "NO_CONTACT_FEATURE", "PartAttribution", "attribute", "feature_names", "one_thread"]

Floats = NDArray[np.float64]

_FEW_ROWS = 64
_NODES = 12
_NO_ADVANTAGE = 1e-9  # below it there is nothing to leave
_STEP = 1e-4  # of a column's part of the way; the error of a central difference goes with its square

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
        Largest size, over the explained actions, of what no member's split accounts for; rounding where every member
        is a regression or trees.
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
    margins: Floats,
    *,
    with_level: bool = True,
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
        The account that regressions and other members are held against; trees bring their own mean.
    margins : ndarray of shape (n, n_actions)
        What is served; the sums are closed on it.
    with_level : bool, default=True
        False leaves the level of tree members out, for differences between actions, in which it cancels; sums are then
        closed on the first action, so that the differences add up.

    Returns
    -------
    PartAttribution
    """
    n, k = action.shape
    n_columns = X.shape[1]
    calibration, share = ensemble.calibration, ensemble.share
    of_action = _slopes(calibration, np.take_along_axis(calibration.advantages(margins, share), action, 1), with_level)
    gap = calibration.level - of_action
    may_differ = calibration.level != calibration.advantage or bool(calibration.bend)
    total = np.zeros((n, k, n_columns + len(actions.factors) + 2))
    baseline = calibration.intercept + calibration.level * ensemble.intercept
    of_mean_account = np.zeros(len(actions))
    members = members_of(ensemble)
    profiles = ensemble.designs["linear"].profiles
    signs = None if profiles is None or not profiles.profiles else membership_moves(profiles, X)
    means = {name: _with_usual(ensemble.designs[name], mean, n_columns) for name, mean in means.items()}
    with one_thread(n):
        designs = _Designs(ensemble, X)
        # the longest first: shorter ones may be its beginning
        for name, design in sorted(ensemble.designs.items(), key=lambda item: -len(item[1].terms)):
            straight = [m for m in members if isinstance(m, RegressionMember) and m.design == name]
            if not straight:
                continue
            raw = np.sum([member.weight * member.coefficients for member in straight], axis=0)
            of_mean_account += means[name] @ raw
            away = designs.of(name) - means[name]
            into = _into_columns(design, n_columns)
            slope = of_action[:, :, None] * raw.T[action] + gap[:, :, None] * (raw @ share)
            total[:, :, :n_columns] += (away[:, None, :] * slope) @ into
            if signs is not None:
                terms, sources, scales = _memberships_of(design, n_columns)
                total[:, :, :n_columns] += (slope[:, :, terms] / scales) @ signs[:, sources]
        for member in members:
            if isinstance(member, RegressionMember):
                continue
            if isinstance(member, OtherMember):
                into = _into_columns(ensemble.designs[member.design], n_columns)
                start = means[member.design]
                of_mean_account += member.weight * member.scores(start[None])[0]
                terms, sources, scales = _memberships_of(ensemble.designs[member.design], n_columns)
                moves = None if signs is None else signs[:, sources] / scales[:, None]
                U = designs.of(member.design)
                split = _along_the_line(member.scores, start, U, into, (terms, moves), action, share)
                total[:, :, :n_columns] += member.weight * of_action[:, :, None] * split[:, :k]
                total[:, :, :n_columns] += member.weight * gap[:, :, None] * split[:, k:]
                continue
            T = X
            if ensemble.with_time:  # every prediction stands in the recent part
                T = np.column_stack([X, np.ones(n)])
            with_mean = with_level and may_differ
            values, mean, bias = member.trees.shapley_values(T, action, share if with_mean else None)
            moved = member.weight * (of_action[:, :, None] * values + gap[:, :, None] * mean[:, None, :])
            baseline += member.weight * bias * (calibration.level if with_level else calibration.advantage)
            total[:, :, :n_columns] += moved[:, :, :n_columns]
            total[:, :, n_columns:-2] += moved[:, :, T.shape[1] :]
            if ensemble.with_time:  # the same for every account but for interactions: it belongs to none of them
                total[:, :, -1] += moved[:, :, n_columns]
        usual_level = float(share @ of_mean_account)
        usual, effects, contact = factor_effects(of_mean_account - usual_level, actions)
    baseline += calibration.level * usual_level + calibration.advantage * usual
    # the baseline is one number for all actions: what the bend makes of it is told with the factors
    bent_away = (of_action - calibration.advantage) * usual / len(actions.factors)
    total[:, :, n_columns:-2] += of_action[:, :, None] * effects[action] + bent_away[:, :, None]
    total[:, :, -2] += of_action * contact[action]
    rest = np.take_along_axis(margins, action, axis=1) - baseline - total.sum(axis=2)
    if not with_level:
        rest -= rest[:, :1]
    total[:, :, -1] += rest
    return PartAttribution(float(baseline), total, np.abs(rest).max(axis=1, initial=0.0))


def _slopes(calibration: Calibration, advantage: Floats, each: bool) -> Floats:
    """How much of each explained action's advantage, shape (n, k), the calibration leaves.

    ``each``: on its own. Else of the difference between the first and the last, one number an account, so that whatever
    concerns the level cancels.
    """
    bent = calibration.bent(advantage)
    if not each:
        advantage, bent = (np.repeat(part[:, :1] - part[:, -1:], part.shape[1], axis=1) for part in (advantage, bent))
    small = np.abs(advantage) < _NO_ADVANTAGE
    left = np.where(small, 1.0, bent / np.where(small, 1.0, advantage))
    return np.asarray(calibration.advantage * left)


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
        columns = _columns_of(self.designs[name])
        for made, U in self.made.items():
            if _columns_of(self.designs[made])[: len(columns)] == columns:
                return U[:, : len(columns)]
        self.made[name] = self.designs[name].transform(self.X)
        return self.made[name]


def _columns_of(design: LinearDesign) -> list[LinearTerm]:
    """Terms without what a regression may do with them."""
    return [replace(term, crossed=True) for term in design.terms]


def _sources(design: LinearDesign) -> NDArray[np.int64]:
    """Encoded column each term speaks of; -1 for the constant. A rate speaks of its successes."""
    sources = np.full(len(design.terms), -1, dtype=np.int64)
    for j, term in enumerate(design.terms):
        if term.kind == "bend":
            sources[j] = sources[term.other]
        elif term.kind == "rate":
            sources[j] = term.other
        elif term.kind not in {"one", "profile"}:
            sources[j] = term.source
    return sources


def _memberships_of(design: LinearDesign, n_columns: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Terms that are memberships of latent profiles, which membership each is, and the scale of the term."""
    terms = np.array([j for j, term in enumerate(design.terms) if term.kind == "profile"], dtype=np.int64)
    sources = np.array([design.terms[j].source - n_columns for j in terms], dtype=np.int64)
    return terms, sources, np.array([design.terms[j].scale for j in terms])


def _with_usual(design: LinearDesign, mean: Floats, n_columns: int) -> Floats:
    """Mean account whose memberships are those of usual signs, from which their split starts."""
    terms, sources, scales = _memberships_of(design, n_columns)
    if not terms.size or design.profiles is None:
        return mean
    mean = mean.copy()
    mean[terms] = (design.profiles.usual()[sources] - np.array([design.terms[j].centre for j in terms])) / scales
    return mean


def _into_columns(design: LinearDesign, n_columns: int) -> Floats:
    """Indicator of shape (n_terms, n_columns): which encoded column each term speaks of; memberships of none alone."""
    sources = _sources(design)
    named = sources >= 0
    into = np.zeros((len(sources), n_columns))
    into[np.flatnonzero(named), sources[named]] = 1.0
    return into


def _along_the_line(
    scores: Callable[[Floats], Floats],
    start: Floats,
    U: Floats,
    into: Floats,
    memberships: tuple[NDArray[np.int64], Floats | None],
    action: NDArray[np.int64],
    share: Floats,
) -> Floats:
    """What each context column adds to a member's score on the straight line from the mean account to each account.

    Aumann-Shapley values: the slope by each column's own part of the way, by central differences, averaged over
    Gauss-Legendre nodes. They sum to the difference of the scores but for the error of both, which the caller sees.

    Parameters
    ----------
    into : ndarray of shape (n_terms, n_columns)
        The column that each term speaks of.
    memberships : (ndarray of shape (n_memberships,), ndarray of shape (n, n_memberships, n_columns) or None)
        Terms that several columns speak for, and how far each of these moves them.

    Returns
    -------
    ndarray of shape (n, k + 1, n_columns)
        For each explained action, and last for the mean over actions weighted with ``share``.
    """
    n, k = action.shape
    answer = np.zeros((n, k + 1, into.shape[1]))
    terms, moves = memberships
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    for row in range(n):
        away = U[row] - start
        steps = into.T * away
        if moves is not None:
            steps[:, terms] = moves[row].T
        moving = np.flatnonzero(steps.any(axis=1))
        if not moving.size:
            continue
        step = _STEP * steps[moving]
        at = start + 0.5 * (nodes + 1.0)[:, None] * away
        points = np.concatenate([at[:, None, :] + step, at[:, None, :] - step], axis=1)
        ends = scores(points.reshape(-1, len(start))).reshape(_NODES, 2, len(moving), -1)
        slope = np.einsum("q,qca->ca", 0.5 * weights, ends[:, 0] - ends[:, 1]) / (2.0 * _STEP)
        answer[row, :k, moving] = slope[:, action[row]]
        answer[row, k, moving] = slope @ share
    return answer
