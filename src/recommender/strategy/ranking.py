"""From probabilities to ranked actions: rank 1 is what is dispatched, the rest follow by expected reward."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import compiled
from recommender.strategy.policy import draw

__all__ = ["dispatch_numbers", "rank_actions"]

_TWO_TO_53 = float(2**53)
_TIE = 1e-12


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
    first = _likeliest(probabilities, expected_reward) if numbers is None else draw(probabilities, numbers)
    answer = np.full((len(probabilities), top_k), -1, dtype=np.int64)
    _rank(first, expected_reward, eligible, answer)
    return answer


def _likeliest(probabilities: NDArray[np.float64], expected_reward: NDArray[np.float64]) -> NDArray[np.int64]:
    top = probabilities.max(axis=1, keepdims=True)
    return np.asarray(np.where(probabilities >= top * (1 - _TIE), expected_reward, -np.inf).argmax(axis=1))


@compiled
def _rank(first: Any, expected_reward: Any, eligible: Any, answer: Any) -> None:
    """Fill in the first and the best of the others, exact ties by the lowest index."""
    n, k = answer.shape
    best = np.empty(k)
    for row in range(n):
        answer[row, 0] = first[row]
        filled = 1
        for action in range(expected_reward.shape[1]):
            worth = expected_reward[row, action]
            if action == first[row] or not eligible[row, action] or not worth > -np.inf:
                continue
            if filled == k and (k == 1 or worth <= best[k - 1]):
                continue
            place = min(filled, k - 1)
            while place > 1 and best[place - 1] < worth:
                best[place], answer[row, place] = best[place - 1], answer[row, place - 1]
                place -= 1
            best[place], answer[row, place] = worth, action
            filled = min(filled + 1, k)
