"""Members of a stack as explanations see them: what kind each is, its weight, and how it scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.learning.ensemble import RewardEnsemble
from recommender.learning.regression import BilinearModel
from recommender.learning.trees import ActionTrees

__all__ = ["OtherMember", "RegressionMember", "TreeMember", "members_of"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RegressionMember:
    """Straight lines in the columns of a design; ``coefficients`` has the shape (n_terms, n_actions)."""

    name: str
    weight: float
    design: str
    coefficients: Floats


@dataclass(frozen=True)
class TreeMember:
    """Boosted trees over encoded context and factors."""

    name: str
    weight: float
    trees: ActionTrees


@dataclass(frozen=True)
class OtherMember:
    """Anything else over the columns of a design; ``scores`` gives (n, n_actions) from (n, n_terms)."""

    name: str
    weight: float
    design: str
    scores: Callable[[Floats], Floats]


def members_of(ensemble: RewardEnsemble) -> list[RegressionMember | TreeMember | OtherMember]:
    """Members that carry weight; their weighted scores and ``intercept`` are what the calibration is given."""
    members: list[RegressionMember | TreeMember | OtherMember] = []
    for name, (design, model) in ensemble.glms.items():
        weight = ensemble.weights.get(name, 0.0)
        if weight == 0.0:
            continue
        if type(model) is BilinearModel:
            members.append(RegressionMember(name, weight, design, model.weights))
        else:  # a subclass may score in another way
            members.append(OtherMember(name, weight, design, model.scores))
    for name, facets in ensemble.facets.items():
        if (weight := ensemble.weights.get(name, 0.0)) != 0.0:
            members.append(OtherMember(name, weight, "linear", facets.scores))
    for name, trees in ensemble.trees.items():
        if (weight := ensemble.weights.get(name, 0.0)) != 0.0:
            members.append(TreeMember(name, weight, trees))
    return members
