"""Has the world moved? Chosen by forward validation, never assumed.

A model may take steps in time: what is learnt of a term holds always, and each step adds what changed from then on,
with precisions of its own. Old rows still teach whatever did not change. Either few terms step often (the constant and
the latent profiles, through which most effects run), or every term steps once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.regression.bilinear import BilinearModel
from recommender.learning.regression.linear_design import LinearDesign

__all__ = ["DriftSteps", "fit_stepped", "fit_stepped_scaled", "recent_steps", "stepped_columns", "sum_of_steps"]

Floats = NDArray[np.float64]

_SHARES = (0.15, 0.3, 0.5)  # of the log, from its end, where one step may stand
_OFTEN = tuple(tenth / 10 for tenth in range(1, 10))  # finer ladders were worse: docs/decision-quality.md
_JUDGES = 0.75  # with several steps the rows after this place are the recent ones
_VALIDATION = 0.1  # the newest rows, which judge
_ROWS_OFTEN, _ROWS_ONCE = 200_000, 60_000  # few terms that step often tell only on many rows, and cost little
_FEWEST_EVENTS = 60  # among them: fewer cannot tell
_CLEARLY = 2.0  # standard errors


@dataclass(frozen=True)
class DriftSteps:
    """Steps in time.

    Attributes
    ----------
    starts : tuple of float
        Where each begins, as a share of the rows in order of time.
    every_term : bool
        Whether all terms step, or the constant and the latent profiles alone.
    """

    starts: tuple[float, ...]
    every_term: bool

    def passed(self, time_rank: Floats) -> NDArray[np.bool_]:
        """Steps taken at each place in time, shape (n, n_steps)."""
        return np.asarray(time_rank[:, None] >= np.asarray(self.starts))

    def recent(self, time_rank: Floats) -> NDArray[np.bool_]:
        """Rows that show the world as it is now, shape (n,)."""
        return np.asarray(time_rank >= min(self.starts[-1], max(self.starts[0], _JUDGES)))

    def terms(self, design: LinearDesign) -> NDArray[np.int64]:
        """Terms of a design that step."""
        return np.flatnonzero([self.every_term or term.kind in {"one", "profile"} for term in design.terms])


def fit_stepped(
    design: LinearDesign,
    U: Floats,
    steps: DriftSteps | None,
    passed: NDArray[np.bool_] | None,
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: Floats,
    **settings: object,
) -> BilinearModel:
    """Fit with steps and return the model as of now; without them it is the plain fit.

    Parameters
    ----------
    passed : ndarray of bool of shape (n, n_steps), optional
        Steps taken by each row.
    """
    return fit_stepped_scaled(design, U, steps, passed, actions, action, target, prior_scales=(1.0,), **settings)[0]


def fit_stepped_scaled(
    design: LinearDesign,
    U: Floats,
    steps: DriftSteps | None,
    passed: NDArray[np.bool_] | None,
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: Floats,
    *,
    prior_scales: Sequence[float],
    **settings: object,
) -> list[BilinearModel]:
    """As :func:`fit_stepped`, one model for each scale of the prior: their precisions are learnt once."""
    longer, columns = design, U
    if steps is not None and passed is not None:
        longer, columns = stepped_columns(design, U, steps, passed)
    models = BilinearModel.fit_scaled(
        longer,
        columns,
        actions,
        action,
        target,
        prior_scales=prior_scales,
        **settings,  # type: ignore[arg-type]
    )
    if steps is None or passed is None:
        return models
    return [
        BilinearModel(
            sum_of_steps(model.weights, U.shape[1], design, steps),
            sum_of_steps(model.variances, U.shape[1], design, steps),
            model.noise,
            model.precision,
        )
        for model in models
    ]


def stepped_columns(
    design: LinearDesign, U: Floats, steps: DriftSteps, passed: NDArray[np.bool_]
) -> tuple[LinearDesign, Floats]:
    """Add each step's own columns behind those that always hold."""
    stepping, n_groups = steps.terms(design), int(design.groups.max()) + 1
    terms, columns = list(design.terms), [U]
    for k, taken in enumerate(passed.T, start=1):
        terms += [replace(design.terms[j], group=design.terms[j].group + k * n_groups) for j in stepping]
        columns.append(U[:, stepping] * taken[:, None])
    return LinearDesign(tuple(terms), design.matched), np.hstack(columns)


def sum_of_steps(by_term: Floats, n_terms: int, design: LinearDesign, steps: DriftSteps) -> Floats:
    """What holds now, all steps taken, from values of shape (n_terms and those of every step, ...)."""
    stepping = steps.terms(design)
    now: Floats = by_term[:n_terms].copy()
    for k in range(len(steps.starts)):
        now[stepping] += by_term[n_terms + k * len(stepping) : n_terms + (k + 1) * len(stepping)]
    return now


def recent_steps(
    design: LinearDesign,
    U: Floats,
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: Floats,
    time_rank: Floats | None,
    *,
    random_state: int,
) -> tuple[DriftSteps | None, dict[str, tuple[float, float]]]:
    """Steps in time, or None where none predict the newest rows clearly better.

    Trains on the oldest nine tenths with each kind of step, judges the newest tenth by log-loss, paired with the model
    without steps.

    Parameters
    ----------
    place : ndarray of shape (n,), optional
        Of each row in time, from 0 to 1.

    Returns
    -------
    (DriftSteps or None, mapping of candidate to gain in log-loss and its standard error)
    """
    if time_rank is None or len(np.unique(time_rank)) < 10:
        return None, {}
    old = np.flatnonzero(time_rank < 1 - _VALIDATION)
    new = np.flatnonzero(time_rank >= 1 - _VALIDATION)
    if min(target[new].sum(), (1 - target[new]).sum()) < _FEWEST_EVENTS:
        return None, {}
    old = np.random.default_rng(random_state).permutation(old)

    def losses(steps: DriftSteps | None, most: int) -> Floats:
        rows = np.sort(old[:most])
        passed = None if steps is None else steps.passed(time_rank[rows] / (1 - _VALIDATION))
        model = fit_stepped(
            design, U[rows], steps, passed, actions, action[rows], target[rows], crossing="factors", rounds=4
        )
        eta = model.logged_scores(U[new], action[new])
        return np.asarray(np.logaddexp(0.0, eta) - target[new] * eta)

    candidates = {"often": DriftSteps(_OFTEN, every_term=False)}
    candidates |= {f"last {share:.0%}": DriftSteps((1 - share,), every_term=True) for share in _SHARES}
    plain = {most: losses(None, most) for most in {min(_ROWS_OFTEN, len(old)), min(_ROWS_ONCE, len(old))}}
    gains: dict[str, tuple[float, float]] = {}
    for name, steps in candidates.items():
        most = min(_ROWS_ONCE if steps.every_term else _ROWS_OFTEN, len(old))
        difference = plain[most] - losses(steps, most)
        gains[name] = (float(difference.mean()), float(difference.std() / np.sqrt(len(difference))))
    best = _clearly_best(candidates, gains)
    if best is None or not best.every_term:
        return best, gains
    # the steps of the past were set within it; a single one stays at its moment
    return replace(best, starts=((1 - _VALIDATION) * best.starts[0],)), gains


def _clearly_best(candidates: Mapping[str, DriftSteps], gains: Mapping[str, tuple[float, float]]) -> DriftSteps | None:
    """The largest gain of those that are clearly more than their error, if any."""
    clear = [name for name, (gain, error) in gains.items() if gain > _CLEARLY * error]
    return candidates[max(clear, key=lambda name: gains[name][0])] if clear else None
