"""Has the world moved? Chosen by forward validation, never assumed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.learning.bilinear import BilinearModel
from recommender.learning.linear_design import LinearDesign

__all__ = ["fit_stepped", "recent_rows"]

Floats = NDArray[np.float64]

_SHARES = (0.15, 0.3, 0.5)
_VALIDATION = 0.1
_ROWS = 60_000
_FEWEST_EVENTS = 60
_CLEARLY = 2.0


def stepped_design(design: LinearDesign) -> LinearDesign:
    """Every term twice: always, and what changed in the recent part; the second set has precisions of its own."""
    groups = int(design.groups.max()) + 1
    return LinearDesign(
        (*design.terms, *(replace(term, group=term.group + groups) for term in design.terms)), design.matched
    )


def fit_stepped(
    design: LinearDesign,
    U: Floats,
    recent: NDArray[np.bool_] | None,
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: Floats,
    **settings: object,
) -> BilinearModel:
    """Fit with a step at the start of the recent part and return the model as of now.

    Old rows still teach whatever did not change; the shrunken step carries what did. Without a recent part it is the
    plain fit.
    """
    if recent is None:
        return BilinearModel.fit(design, U, actions, action, target, **settings)  # type: ignore[arg-type]
    both = np.hstack([U, U * recent[:, None]])
    model = BilinearModel.fit(stepped_design(design), both, actions, action, target, **settings)  # type: ignore[arg-type]
    n_terms = U.shape[1]
    return BilinearModel(
        model.weights[:n_terms] + model.weights[n_terms:],
        model.variances[:n_terms] + model.variances[n_terms:],
        model.noise,
        model.precision,
    )


def recent_rows(
    design: LinearDesign,
    U: Floats,
    actions: ActionSpace,
    action: NDArray[np.int64],
    target: Floats,
    order: Floats | None,
    *,
    random_state: int,
) -> tuple[NDArray[np.bool_] | None, dict[str, tuple[float, float]]]:
    """Rows of the recent part, or None where a step in time does not clearly predict the newest rows better.

    Trains on the oldest nine tenths with a step before their last 15, 30 or 50 %, judges the newest tenth by
    log-loss, paired with the model without a step.

    Returns
    -------
    (ndarray of bool or None, mapping of candidate to gain in log-loss and its standard error)
    """
    if order is None or len(np.unique(order)) < 10:
        return None, {}
    n = len(order)
    place = np.argsort(np.argsort(order, kind="stable"), kind="stable") / n
    old = np.flatnonzero(place < 1 - _VALIDATION)
    new = np.flatnonzero(place >= 1 - _VALIDATION)
    if min(target[new].sum(), (1 - target[new]).sum()) < _FEWEST_EVENTS:
        return None, {}
    rng = np.random.default_rng(random_state)
    old = np.sort(rng.permutation(old)[:_ROWS])

    def losses(recent: NDArray[np.bool_] | None) -> Floats:
        model = fit_stepped(design, U[old], recent, actions, action[old], target[old], crossing="factors", rounds=4)
        eta = model.logged_scores(U[new], action[new])
        return np.asarray(np.logaddexp(0.0, eta) - target[new] * eta)

    plain = losses(None)
    gains: dict[str, tuple[float, float]] = {}
    best: tuple[float, float] | None = None
    for share in _SHARES:
        start = (1 - _VALIDATION) * (1 - share)
        difference = plain - losses(place[old] >= start)
        gain, error = float(difference.mean()), float(difference.std() / np.sqrt(len(difference)))
        gains[f"last {share:.0%}"] = (gain, error)
        if gain > _CLEARLY * error and (best is None or gain > best[0]):
            best = (gain, start)
    return (None, gains) if best is None else (np.asarray(place >= best[1]), gains)
