"""How much each member counts, and the correction of their sum: all of it learnt from rows that members never saw."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logsumexp

from recommender.learning.calibration import Calibration, calibrate
from recommender.learning.calibration_now import calibration_now
from recommender.learning.fit_rows import FitRows
from recommender.learning.member_fits import MemberFits
from recommender.learning.member_jobs import held_out_scores
from recommender.learning.regression import Family
from recommender.learning.stacking import (
    choose_by_value,
    member_losses,
    mix_scores,
    n_best,
    order_weights,
    share_earned,
    stack_weights,
)

__all__ = ["EnsembleReport", "StackChoice", "choose_stack", "weigh_members"]

Floats = NDArray[np.float64]
Single = NDArray[np.float32]

_SIMPLE = "scorecard"  # context and action add up: what every other member has to beat
_FLAT = frozenset({"constant", _SIMPLE})  # members that every account is told the same by
_AHEAD, _AHEAD_IF_FLAT = 2.5, 1.64  # standard errors in value for taking over from the stack; falling back is safe
_PANEL_CELLS = 25_000_000  # rows x actions scored by every member: 100 MB each
_EVEN_ENOUGH = 0.3  # effective share of the rows under estimated propensities from which these may judge
_KEEPS_LEVEL = 0.5  # weight of the simple member, at least: the slope of the level may be up to 3


@dataclass
class EnsembleReport:
    """What was chosen, for logs and cards."""

    members: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    chosen: str = "stack"
    gains: dict[str, tuple[float, float]] = field(default_factory=dict)
    earned: float = 1.0
    focus: float = 0.0
    drift: dict[str, tuple[float, float]] = field(default_factory=dict)
    recent_share: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready description."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class StackChoice:
    """Weights of the members by name, and what corrects their sum."""

    weights: dict[str, float]
    intercept: float
    calibration: Calibration
    report: EnsembleReport


@dataclass(frozen=True, eq=False)
class _Panel:
    """Rows on which every action was scored by members that never saw them."""

    rows: NDArray[np.int64]
    action: NDArray[np.int64]
    target: Floats
    scores: list[Single]


def weigh_members(rows: FitRows, fits: MemberFits, share: Floats, n_jobs: int) -> StackChoice:
    """Weigh by log-loss, let value overrule it where it is clearly better, then calibrate.

    Parameters
    ----------
    share : ndarray of shape (n_actions,)
        How often each action was logged.
    """
    names = list(fits.by_fold[0])
    most = max(1, _PANEL_CELLS // len(rows.task.actions))
    at = np.sort(np.random.default_rng(rows.random_state).permutation(len(rows.task))[:most])
    logged, scores = held_out_scores(rows, fits.by_fold, fits.folds, at, fits.design_of, n_jobs)
    choice = choose_stack(rows, names, logged, at, scores, share)
    unused = dict.fromkeys([*fits.tree_plans, *fits.regressions, *fits.facets], 0.0)
    return replace(choice, weights=unused | choice.weights)


def choose_stack(
    rows: FitRows, names: list[str], logged: Floats, at: NDArray[np.int64], scores: list[Single], share: Floats
) -> StackChoice:
    """Weights, and what corrects their sum, from scores of members that never saw the rows.

    Parameters
    ----------
    logged : ndarray of shape (n, n_members)
        Of the logged action of every row.
    at : ndarray of shape (n_panel,)
        Rows of which every action was scored.
    scores : list of ndarray of shape (n_panel, n_actions)
    share : ndarray of shape (n_actions,)
    """
    task = rows.task
    panel = _Panel(at, task.action[at], task.target[at], scores)
    beta, intercept = stack_weights(logged, task.target, task.family)
    report = EnsembleReport(names, [], member_losses(logged, task.target, task.family))
    if task.family == "binomial":
        beta, report.focus = order_weights(logged[at], panel.target, scores, share, beta)
    beta, report.earned = _towards_simple(names, beta, panel, share, task.family)
    eta = mix_scores(scores, beta) + np.float32(intercept)
    inverse = _inverse_propensity(rows, at) if task.family == "binomial" else None
    if inverse is not None:
        chosen = _by_value(panel, beta, expit(eta), inverse, report)
        if chosen is not None:
            beta, intercept = chosen, 0.0
            eta = mix_scores(scores, beta)
    report.weights = [float(b) for b in beta]
    calibration = _calibrate(rows, panel, eta, share)
    return StackChoice(dict(zip(names, report.weights, strict=True)), intercept, calibration, report)


def _towards_simple(
    names: list[str], beta: Floats, panel: _Panel, share: Floats, family: Family
) -> tuple[Floats, float]:
    """Shrink the stack towards the member whose actions add up, by what it earned beyond it on rows never seen.

    That member ranks actions alike for all accounts, but for what is known of their own answers.

    Returns
    -------
    (ndarray of shape (n_members,), float)
        Weights, and the share of the stack in them.
    """
    if _SIMPLE not in names:
        return beta, 1.0
    simple = names.index(_SIMPLE)
    level, advantage = _level_and_advantage(mix_scores(panel.scores, beta), panel.action, share)
    _, of_simple = _level_and_advantage(panel.scores[simple], panel.action, share)
    n_free = int(np.count_nonzero(np.delete(beta, simple) > 0))
    earned, slope = share_earned(level, of_simple, advantage, panel.target, family, n_free)
    mixed = earned * beta
    # an order that means nothing goes by the calibration; without any weight the level of accounts would go with it
    mixed[simple] += (1.0 - earned) * max(slope, _KEEPS_LEVEL)
    return mixed, earned


def _level_and_advantage(eta: Single, action: NDArray[np.int64], share: Floats) -> tuple[Floats, Floats]:
    """Score of each row averaged over actions as they were logged, and what its logged action adds."""
    level = eta @ share.astype(np.float32)
    advantage = eta[np.arange(len(eta)), action] - level
    return level.astype(np.float64), advantage.astype(np.float64)


def _inverse_propensity(rows: FitRows, at: NDArray[np.int64]) -> Floats | None:
    """Inverse propensities of the given rows: as logged, or estimated factor by factor where the logger was even.

    A logger with strong preferences makes estimates of their inverses too rough to overrule log-loss.
    """
    if rows.task.inverse_propensity is not None:
        return rows.task.inverse_propensity[at]
    if not rows.directions:
        return None
    often, whom = rows.directions
    logits = rows.U["linear"][at].astype(np.float32) @ whom.astype(np.float32) + often.astype(np.float32)
    logged = logits[np.arange(len(at)), rows.task.action[at]]
    inverse = np.exp(np.asarray(logsumexp(logits, axis=1) - logged, dtype=np.float64))
    effective = inverse.sum() ** 2 / (len(at) * (inverse**2).sum())
    return inverse if effective >= _EVEN_ENOUGH else None


def _by_value(
    panel: _Panel, beta: Floats, expected: Single, inverse_propensity: Floats, report: EnsembleReport
) -> Floats | None:
    """Weights whose best actions would have earned clearly more than the stack's, if any; told in the report."""
    names, n_actions = report.members, expected.shape[1]
    alone = np.eye(len(names))
    candidates = np.vstack([beta[None], alone, 0.5 * (alone + beta / max(beta.sum(), 1e-9))])
    labels = ["stack", *names, *(f"half {name}" for name in names)]
    best, gains, errors = choose_by_value(
        panel.scores,
        candidates,
        panel.action,
        panel.target,
        inverse_propensity,
        expected,
        n_best=n_best(n_actions),
        standard_errors=np.array([_AHEAD_IF_FLAT if label in _FLAT else _AHEAD for label in labels]),
    )
    report.chosen = labels[best]
    report.gains = {label: (float(g), float(e)) for label, g, e in zip(labels, gains, errors, strict=True)}
    return candidates[best] if best > 0 else None


def _calibrate(rows: FitRows, panel: _Panel, eta: Single, share: Floats) -> Calibration:
    """Correction by every row, and from there to now as fast as the rows say that it moves."""
    task = rows.task
    level, advantage = _level_and_advantage(eta, panel.action, share)
    usual = calibrate(level, advantage, panel.target, task.family)
    if task.order is None or task.family != "binomial":
        return usual
    return calibration_now(usual, level, advantage, panel.target, task.order[panel.rows])
