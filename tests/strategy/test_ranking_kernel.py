"""The ranks that the compiled loop gives are those of sorting."""

import numpy as np
import pytest

from recommender.strategy import rank_actions


def ranks_by_sorting(probabilities, rewards, eligible, top_k, numbers):
    """One row after the other, in plain Python."""
    answer = []
    for chances, worth, allowed, number in zip(probabilities, rewards, eligible, numbers, strict=True):
        total, first = 0.0, 0
        threshold = number * float(np.cumsum(chances)[-1])
        for action, chance in enumerate(chances):
            total += chance
            if total > threshold:
                first = action
                break
        others = [a for a in range(len(worth)) if allowed[a] and a != first]
        ranked = [first, *sorted(others, key=lambda a: (-worth[a], a))][:top_k]
        answer.append(ranked + [-1] * (top_k - len(ranked)))
    return answer


@pytest.mark.parametrize("top_k", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("n", [1, 2, 40])
def test_ranks_are_those_of_sorting(n, top_k):
    """With ties, with rows of one eligible action, and with more ranks than actions."""
    rng = np.random.default_rng(n * 10 + top_k)
    rewards = rng.integers(0, 4, (n, 7)).astype(float)
    eligible = rng.random((n, 7)) < 0.5
    eligible[:, 6] = True
    probabilities = np.where(eligible, rng.random((n, 7)), 0.0)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    numbers = rng.random(n)
    found = rank_actions(probabilities, rewards, eligible, top_k=top_k, numbers=numbers)
    assert found.tolist() == ranks_by_sorting(probabilities, rewards, eligible, top_k, numbers)
    certain = rank_actions(probabilities, rewards, eligible, top_k=top_k, numbers=None)
    assert certain[:, 0].tolist() == probabilities.argmax(axis=1).tolist()
