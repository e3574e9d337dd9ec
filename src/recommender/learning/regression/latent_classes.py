"""Latent class analysis of coded columns: expectation-maximisation, and how many classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LatentClasses", "choose_classes", "fit_classes", "one_hot"]

Floats = NDArray[np.float64]
Single = NDArray[np.float32]
Ints = NDArray[np.int64]

_MOST_CLASSES = 8  # where the search for their number ends
_STARTS, _START_ROWS, _START_ROUNDS = 6, 4_000, 25  # the best of six short climbs
_ROUNDS = 120  # of the long climb at most
_CLOSE_START, _CLOSE = 1e-4, 2e-6  # gain in log-likelihood a row below which the rounds end


@dataclass(frozen=True)
class LatentClasses:
    """A fitted latent class model.

    Attributes
    ----------
    share : ndarray of shape (n_classes,)
    probabilities : ndarray of shape (sum of widths, n_classes)
        Of each code of each column within a class, column after column.
    log_likelihood : float
        Of the rows it was fitted on.
    """

    share: Floats
    probabilities: Floats
    log_likelihood: float


def one_hot(codes: Ints, widths: Sequence[int]) -> Single:
    """Indicators of the codes of all columns side by side, shape (n, sum of widths)."""
    starts = np.cumsum([0, *widths[:-1]])
    B = np.zeros((len(codes), int(np.sum(widths))), dtype=np.float32)
    B[np.arange(len(codes))[:, None], codes + starts] = 1.0
    return B


def choose_classes(codes: Ints, widths: Sequence[int], rng: np.random.Generator) -> LatentClasses:
    """Fit one class, two, three ... until the criterion has not improved twice.

    The criterion is AIC3: Akaike's finds classes that are not there, the Bayesian one misses some that help to predict.

    Parameters
    ----------
    codes : ndarray of int64 of shape (n, n_columns)
        In random order: the first rows serve to find good starts.
    widths : sequence of int
        Codes of each column.

    References
    ----------
    Bozdogan (1994), "Mixture-model cluster analysis using model selection criteria"; Dias (2006), "Latent class
    analysis and model selection".
    """
    B, ends = one_hot(codes, widths), np.cumsum([0, *widths])
    free = sum(len(np.unique(column)) - 1 for column in codes.T)
    best = (np.inf, fit_classes(B, ends, 1, rng))
    for n_classes in range(1, _MOST_CLASSES + 1):
        fitted = fit_classes(B, ends, n_classes, rng) if n_classes > 1 else best[1]
        criterion = 1.5 * (n_classes - 1 + n_classes * free) - fitted.log_likelihood
        if criterion < best[0]:
            best = criterion, fitted
        elif n_classes > len(best[1].share) + 1:
            break
    return best[1]


def fit_classes(B: Single, ends: NDArray[Any], n_classes: int, rng: np.random.Generator) -> LatentClasses:
    """Fit from several starts on some rows, the best of them on all.

    Parameters
    ----------
    B : ndarray of float32 of shape (n, sum of widths)
    ends : ndarray of int of shape (n_columns + 1,)
        Where each column's indicators begin.
    """
    part = B[:_START_ROWS]
    climbs: list[tuple[float, Floats, Floats]] = []
    for start in range(_STARTS if n_classes > 1 else 1):
        if start % 2:  # around rows drawn at random, or wholly at random
            likeness = part @ part[rng.choice(len(part), n_classes, replace=False)].T
            belongs = _normalised(1.5 * likeness)
        else:
            belongs = rng.dirichlet(np.full(n_classes, 0.5), len(part)).astype(np.float32)
        climbs.append(_climb(part, ends, belongs, _START_ROUNDS, _CLOSE_START))
    _, share, probabilities = max(climbs, key=lambda one: one[0])
    belongs = _normalised(B @ np.log(probabilities).astype(np.float32) + np.log(share).astype(np.float32))
    value, share, probabilities = _climb(B, ends, belongs, _ROUNDS, _CLOSE)
    probabilities[~B.any(axis=0)] = 1e-4  # a code that was never seen speaks for no class
    order = np.argsort(-share, kind="stable")
    return LatentClasses(share[order], np.ascontiguousarray(probabilities[:, order]), value)


def _normalised(logits: Single) -> Single:
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), dtype=np.float32)


def _climb(B: Single, ends: NDArray[Any], belongs: Single, rounds: int, close: float) -> tuple[float, Floats, Floats]:
    """Expectation-maximisation; a pseudo-row of the overall shares keeps every probability above 0."""
    n, n_classes = belongs.shape
    prior = np.maximum(B.mean(axis=0, dtype=np.float64), 1e-4)[:, None]
    before = -np.inf
    for _ in range(rounds):
        counts = (B.T @ belongs).astype(np.float64) + prior
        totals = np.add.reduceat(counts, ends[:-1], axis=0)
        probabilities = counts / np.repeat(totals, np.diff(ends), axis=0)
        size = belongs.sum(axis=0, dtype=np.float64)
        share = (size + 1.0) / (n + n_classes)
        logits = B @ np.log(probabilities).astype(np.float32) + np.log(share).astype(np.float32)
        top = logits.max(axis=1, keepdims=True)
        belongs = np.exp(logits - top)
        total = belongs.sum(axis=1, keepdims=True)
        belongs /= total
        value = float((np.log(total) + top).sum(dtype=np.float64))
        if value - before < close * n:
            break
        before = value
    return value, share, probabilities
