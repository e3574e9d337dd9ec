"""How much of what a world lets be earned a scoring of the actions earns."""

from __future__ import annotations

import numpy as np

from recommender.simulation.signals import Floats

__all__ = ["share_captured"]


def share_captured(scores: Floats, truth: Floats, logging: Floats) -> float:
    """Share of (oracle - logger) that the best-scored action of each account earns.

    Parameters
    ----------
    scores, truth, logging : ndarray of shape (n, n_actions)
        Scores, true expected rewards, and probabilities of the logger.
    """
    base = float((logging * truth).sum(axis=1).mean())
    best = truth[np.arange(len(scores)), np.asarray(scores).argmax(axis=1)].mean()
    return float((best - base) / (truth.max(axis=1).mean() - base))
