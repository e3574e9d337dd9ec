"""What surrounds a fit: weights of decisions, signs of life, and a fit that fails or is stopped undone."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import InvalidInput

__all__ = ["checked_weights", "drawn_by_weight", "progress_printed", "undone_on_failure"]

_logger = logging.getLogger("recommender")


def checked_weights(sample_weight: Any, n: int) -> NDArray[np.float64] | None:
    """Weights of ``n`` decisions as float64; None stays None.

    Raises
    ------
    InvalidInput
        Wrong shape, a weight that is negative or not finite, or no positive one.
    """
    if sample_weight is None:
        return None
    try:
        weight = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"sample_weight must be numbers; got {type(sample_weight).__name__}.",
            column="sample_weight",
            mend="Pass one number a decision: a column of the log's own rows.",
        ) from error
    if weight.shape != (n,):
        raise InvalidInput.in_column(
            "sample_weight",
            f"must have one entry for each of the log's {n:,} decisions",
            values=[weight.shape],
            mend="Pass a column of the log's own rows, immature ones included.",
        )
    wrong = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if wrong.size or not weight.any():
        raise InvalidInput.in_column(
            "sample_weight",
            "must be finite, not negative, and somewhere positive",
            values=weight[wrong],
            rows=wrong.tolist(),
            mend="Give 0 to decisions that must not teach.",
        )
    return weight


def drawn_by_weight(rows: NDArray[np.int64], weight: NDArray[np.float64], random_state: int) -> NDArray[np.int64]:
    """Rows repeated in proportion to their weight, as many as before on average.

    Every learner of the stack then minimises the weighted loss (a weight of two is the row twice), and as repeats are
    of one cluster, no fold sees both. Fractions are drawn with a seed, the same numbers for the same rows.

    Raises
    ------
    InvalidInput
        When no row that could teach has any weight.
    """
    own = weight[rows]
    if not own.any():
        raise InvalidInput.in_column(
            "sample_weight", "is 0 for every decision with a known reward", mend="Weigh some of them."
        )
    wanted = own / own.mean()
    times = np.floor(wanted).astype(np.int64)
    times += np.random.default_rng(random_state).random(len(rows)) < wanted - times
    return np.repeat(rows, times)


@contextmanager
def progress_printed(verbose: bool) -> Iterator[None]:
    """Write the records of the logger ``recommender`` to the standard output, where asked; they are made anyway."""
    if not verbose:
        yield
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("[%(asctime)s] %(message)s", "%H:%M:%S"))
    level = _logger.level
    _logger.addHandler(handler)
    _logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        _logger.removeHandler(handler)
        _logger.setLevel(level)


@contextmanager
def undone_on_failure(estimator: Any) -> Iterator[None]:
    """Leave an estimator as it was before a fit that fails or is stopped by Ctrl-C."""
    before = dict(estimator.__dict__)
    try:
        yield
    except BaseException:
        estimator.__dict__.clear()
        estimator.__dict__.update(before)
        raise
