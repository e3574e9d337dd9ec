"""From probabilities to ranked actions: rank 1 is what is dispatched, the rest follow by expected reward."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.strategy.policy import draw

__all__ = ["dispatch_numbers", "rank_actions"]

_TWO_TO_53 = float(2**53)


def dispatch_numbers(accounts: Any, as_of: str, policy_version: str, seed: int) -> NDArray[np.float64]:
    """Uniform number in [0, 1) of each account, the same wherever it is computed.

    Parameters
    ----------
    accounts : array-like of shape (n,)
        Account ids.
    as_of : str
        Moment of the decision, in a canonical form.
    policy_version : str
    seed : int

    Returns
    -------
    ndarray of shape (n,)
        A keyed 64-bit hash of the account, so that API, batch and replay dispatch the same action.
    """
    key = hashlib.sha256(f"{as_of}|{policy_version}|{seed}".encode()).digest()
    hashed = b"".join(
        hashlib.blake2b(str(account).encode("utf-8", "surrogatepass"), key=key, digest_size=8).digest()
        for account in accounts
    )
    return np.asarray((np.frombuffer(hashed, dtype="<u8") >> np.uint64(11)).astype(np.float64) / _TWO_TO_53)


def rank_actions(
    probabilities: NDArray[np.float64],
    expected_reward: NDArray[np.float64],
    eligible: NDArray[np.bool_],
    *,
    top_k: int,
    numbers: NDArray[np.float64] | None,
) -> NDArray[np.int64]:
    """Action of each rank.

    Parameters
    ----------
    probabilities, expected_reward : ndarray of shape (n, n_actions)
    eligible : ndarray of bool of shape (n, n_actions)
    top_k : int
    numbers : ndarray of shape (n,) or None
        Uniform numbers that draw rank 1; None takes the most probable action, ties by expected reward, then by the
        lowest index.

    Returns
    -------
    ndarray of shape (n, top_k), dtype int64
        -1 where fewer than ``top_k`` actions are eligible.
    """
    n, n_actions = probabilities.shape
    rows = np.arange(n)
    if numbers is None:
        top = probabilities.max(axis=1, keepdims=True)
        first = np.where(probabilities >= top * (1 - 1e-12), expected_reward, -np.inf).argmax(axis=1)
    else:
        first = draw(probabilities, numbers)
    scores = np.where(eligible, expected_reward, -np.inf)
    scores[rows, first] = np.inf
    k = min(top_k, n_actions)
    ranked = _top(scores, k)
    eligible_rank = np.take_along_axis(scores, ranked, axis=1) > -np.inf
    answer = np.full((n, top_k), -1, dtype=np.int64)
    answer[:, :k] = np.where(eligible_rank, ranked, -1)
    return answer


def _top(scores: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Indices of the ``k`` best of each row, best first, exact ties by the lowest index."""
    if k * 8 >= scores.shape[1]:
        return np.asarray(np.argsort(-scores, axis=1, kind="stable")[:, :k], dtype=np.int64)
    rows = np.arange(len(scores))
    work = scores.copy()
    best = np.empty((len(scores), k), dtype=np.int64)
    for position in range(k):
        best[:, position] = work.argmax(axis=1)
        work[rows, best[:, position]] = -np.inf
    return best
