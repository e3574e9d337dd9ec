"""The reward model as it is served: one fused pass over context, then the trees' kernel, then the calibration.

The stack may hold ten regressions; for scoring they are one matrix. Whatever a member is that is neither a plain
regression nor trees still counts, through its own ``scores``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recommender.allactions import (
    ClassTable,
    TermTable,
    add_disagreement,
    class_scores,
    design_columns,
    fuse_designs,
    products_of_ranked,
    row_products,
    row_sums,
)
from recommender.learning.ensemble import RewardEnsemble
from recommender.learning.evidence import EvidenceTable
from recommender.learning.hurdle import Hurdle
from recommender.learning.regression import BilinearModel, FacetMean

__all__ = ["CompiledReward", "Scored"]

Floats = NDArray[np.float64]

_MOST_CELLS = 60_000_000  # of weights by member, action and term, for intervals
_DEVIATIONS = 1.96  # posterior standard deviations on each side: 95 %
_TELLS = 0.01  # share of the weight from which a member's disagreement counts


@dataclass(frozen=True)
class Scored:
    """Accounts that were scored.

    Attributes
    ----------
    expected_reward : ndarray of shape (n, n_actions)
    """

    expected_reward: Floats
    _compiled: CompiledReward
    _parts: dict[str, _ScoredPart]

    def interval(self, ranked: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """95 % interval of the expected reward of the given actions; see ``RewardModel.expected_reward_interval``."""
        ends = {}
        for name, part in self._parts.items():
            middle, reach = _taken(part.margin, ranked), _DEVIATIONS * part.spread(ranked)
            ends[name] = np.stack([middle - reach, middle + reach])
        hurdle = self._compiled.hurdle
        values = hurdle.above_usual(ends) + hurdle.usual[ranked]
        # a negative amount grows with its probability: order the ends
        return values.min(axis=0), values.max(axis=0)

    def evidence(self, ranked: NDArray[np.int64]) -> Floats:
        """Logged tries of the given actions on accounts like these."""
        first = next(iter(self._parts.values()))
        return self._compiled.evidence.tries_of(first.linear, ranked)


def _taken(table: Floats, ranked: NDArray[np.int64]) -> Floats:
    """Entries of the ranked actions."""
    return np.asarray(table[np.arange(len(ranked))[:, None], ranked])


class CompiledReward:
    """A reward model, compiled.

    Parameters
    ----------
    parts : mapping of str to RewardEnsemble
    hurdle : Hurdle
    evidence : EvidenceTable
    n_jobs : int
    """

    def __init__(
        self, parts: Mapping[str, RewardEnsemble], hurdle: Hurdle, evidence: EvidenceTable, n_jobs: int = 1
    ) -> None:
        self.hurdle = hurdle
        self.evidence = evidence
        self._parts = {name: _CompiledPart(part, n_jobs) for name, part in parts.items()}

    @property
    def is_fused(self) -> bool:
        """Whether every member goes through the kernels."""
        return all(part.is_fused for part in self._parts.values())

    def score(self, X: Floats) -> Scored:
        """Score encoded context of shape (n, n_columns)."""
        parts = {name: part.score(X) for name, part in self._parts.items()}
        expected = self.hurdle.reward_of({name: part.margin for name, part in parts.items()})
        return Scored(expected, self, parts)


@dataclass(frozen=True)
class _ScoredPart:
    part: _CompiledPart
    X: Floats
    columns: Floats
    trees: dict[str, Floats]
    others: dict[str, Floats]
    margin: Floats

    @property
    def linear(self) -> Floats:
        """Columns of the linear design."""
        return self.part.lines.columns_of("linear", self.X, self.columns)

    def spread(self, ranked: NDArray[np.int64]) -> Floats:
        """Standard deviation of the margin of the given actions; see ``RewardEnsemble.spread``."""
        part = self.part
        if not part.is_small:  # too large to be kept by action: every action is asked
            return np.take_along_axis(part.ensemble.spread(self.X), ranked, axis=1)
        share = part.ensemble.share
        total = sum(part.ensemble.weights.values()) or 1.0
        variance = products_of_ranked(self.linear**2, part.variances, ranked)[0]
        mean, square = np.zeros(ranked.shape), np.zeros(ranked.shape)
        if part.tells:
            add_disagreement(self.columns, *part.disagreement, part.tell_shares, ranked, mean, square)
        for name, raw in {**self.trees, **self.others}.items():
            weight = part.ensemble.weights[name] / total
            if weight > _TELLS:
                scores = _taken(raw, ranked) - row_products(raw, share)[:, None]
                mean += weight * scores
                square += weight * scores**2
        spread = np.sqrt(variance + np.maximum(square - mean**2, 0.0))
        return np.asarray(part.caution * min(part.ensemble.calibration.advantage, 1.0) * spread)


class _Lines:
    """The plain regressions of a stack over one fused table of terms.

    Attributes
    ----------
    table : TermTable or None
        None where a term is of a kind that has no kernel: then nothing is fused and its design is asked.
    members : dict of str to (design, weights of shape (n_terms, n_actions))
    """

    def __init__(self, ensemble: RewardEnsemble) -> None:
        self._ensemble = ensemble
        members = {
            name: (design, model.weights)
            for name, (design, model) in ensemble.glms.items()
            if type(model) is BilinearModel and ensemble.weights[name] > 0
        }
        designs = dict.fromkeys(["linear", *(design for design, _ in members.values())])
        fused = fuse_designs({name: ensemble.designs[name].terms for name in designs})
        self.table: TermTable | None = None
        self._positions: dict[str, NDArray[np.int64]] = {}
        if fused is not None:
            self.table, self._positions = fused
        self.members = members if fused is not None else {}
        self.n_terms = 1 if self.table is None else len(self.table.kind)
        self.weights = np.zeros((self.n_terms, len(ensemble.share)))
        for name, (design, matrix) in self.members.items():
            np.add.at(self.weights, self._positions[design], ensemble.weights[name] * matrix)

    def columns(self, X: Floats) -> Floats:
        """Columns of the table."""
        return np.empty((len(X), 1)) if self.table is None else design_columns(self._ensemble.widened(X), self.table)

    def columns_of(self, design: str, X: Floats, columns: Floats) -> Floats:
        """Columns of one design."""
        if design in self._positions:
            at = self._positions[design]
            return columns[:, : len(at)] if at[-1] == len(at) - 1 else columns[:, at]
        return self._ensemble.designs[design].transform(X)

    def spread_out(self, names: Sequence[str]) -> list[Floats]:
        """Weights of single members over the whole table, each of shape (n_terms, n_actions)."""
        spread = []
        for name in names:
            design, matrix = self.members[name]
            full = np.zeros(self.weights.shape)
            np.add.at(full, self._positions[design], matrix)
            spread.append(full)
        return spread


class _CompiledPart:
    """One stack: terms and weights of its regressions in one table, the rest by name."""

    def __init__(self, ensemble: RewardEnsemble, n_jobs: int) -> None:
        self.ensemble = ensemble
        self.lines = _Lines(ensemble)
        self._n_jobs = n_jobs
        used = [name for name, weight in ensemble.weights.items() if weight > 0]
        self._others = [name for name in ensemble.glms if name in used and name not in self.lines.members]
        self._classes = {name: _joined(facets) for name, facets in ensemble.facets.items() if name in used}
        self.caution = ensemble.caution
        self.variances = np.ascontiguousarray(ensemble.glms["linear"][1].variances.T[None])

    @property
    def is_fused(self) -> bool:
        """Whether every regression goes through the kernel."""
        return self.lines.table is not None and not self._others

    @cached_property
    def tells(self) -> list[str]:
        """Fused members whose disagreement counts."""
        total = sum(self.ensemble.weights.values()) or 1.0
        return [name for name in self.lines.members if self.ensemble.weights[name] > _TELLS * total]

    @cached_property
    def tell_shares(self) -> Floats:
        """Their parts of all weight."""
        total = sum(self.ensemble.weights.values()) or 1.0
        return np.array([self.ensemble.weights[name] / total for name in self.tells])

    @cached_property
    def is_small(self) -> bool:
        """Whether weights may be kept by action."""
        return len(self.tells) * self.lines.weights.size <= _MOST_CELLS

    @cached_property
    def disagreement(self) -> tuple[Floats, Floats]:
        """Weights of each telling member by action, and of its mean over actions."""
        full = self.lines.spread_out(self.tells)
        by_action = np.ascontiguousarray(np.stack([one.T for one in full]))
        return by_action, np.stack([one @ self.ensemble.share for one in full])

    def score(self, X: Floats) -> _ScoredPart:
        ensemble, lines = self.ensemble, self.lines
        columns = lines.columns(X)
        margin = row_sums(columns, lines.weights) if lines.members else np.zeros((len(X), len(ensemble.share)))
        others: dict[str, Floats] = {}
        for name in self._others:
            design, model = ensemble.glms[name]
            others[name] = np.asarray(model.scores(lines.columns_of(design, X, columns)))
            margin += ensemble.weights[name] * others[name]
        for name, table in self._classes.items():
            others[name] = class_scores(lines.columns_of("linear", X, columns), table)
            margin += ensemble.weights[name] * others[name]
        trees: dict[str, Floats] = {}
        for name, boosted in ensemble.trees.items():
            if ensemble.weights[name] > 0:
                trees[name] = boosted.raw_scores(ensemble.tree_columns(X), n_jobs=self._n_jobs)
                margin += ensemble.weights[name] * trees[name]
        margin = ensemble.calibration.apply(margin + ensemble.intercept, ensemble.share)
        return _ScoredPart(self, X, columns, trees, others, margin)


def _joined(facets: FacetMean) -> ClassTable:
    """The mean of several models as one: their facets side by side, each with its part of the effects."""
    models = facets.models
    n_classes = models[0].n_classes
    if any(model.n_classes != n_classes for model in models):
        raise ValueError(f"facet models of one mean have {sorted({m.n_classes for m in models})} classes a facet")
    share = 1.0 / len(models)
    constant = sum((model.effects[0] for model in models), start=np.zeros(models[0].effects.shape[1])) * share
    return ClassTable(
        np.ascontiguousarray(np.hstack([model.gates for model in models])),
        np.asarray(sum((model.main for model in models), start=np.zeros(len(models[0].main))) * share),
        np.vstack([constant[None], *(model.effects[1:] * share for model in models)]),
        n_classes,
    )
