"""Members that score every action of every account, stacked: the shape of both event and amount models."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.allactions import row_products
from recommender.learning.calibration import Calibration
from recommender.learning.continuing import continue_members, moved_calibration, past_of_members
from recommender.learning.fit_rows import LearningTask, prepare_rows
from recommender.learning.joint_posterior import joint_posterior
from recommender.learning.member_fits import fit_members
from recommender.learning.regression import (
    BilinearModel,
    FacetMean,
    Family,
    LatentProfiles,
    LinearDesign,
    PastRows,
)
from recommender.learning.trees import ActionTrees, TreeSettings
from recommender.learning.weighing import EnsembleReport, weigh_members
from recommender.learning.whole_log import WholeRows

__all__ = ["EnsembleReport", "FitOptions", "RewardEnsemble"]

Floats = NDArray[np.float64]

_logger = logging.getLogger("recommender")
_WIDER_STRAIGHT, _WIDER_BENT = 0.9, 2.1  # measured: docs/decision-quality.md, Uncertainty
_JOINT_STRAIGHT, _JOINT_BENT = 1.0, 2.05  # of differences, measured there too
_TELLS = 0.01  # share of the weight from which a member's disagreement counts


@dataclass(frozen=True, eq=False)
class FitOptions:
    """How an ensemble is fitted.

    Attributes
    ----------
    n_jobs : int
        Threads; the result does not depend on it.
    random_state : int
    tree_settings : TreeSettings or None
        Of the boosted member; None adapts to the log.
    whole : WholeRows or None
        The rows that the task is a sample of: boosted members that carry weight are grown on them in the end.
    """

    n_jobs: int = 1
    random_state: int = 0
    tree_settings: TreeSettings | None = None
    whole: WholeRows | None = None


class RewardEnsemble:
    """Stack of bilinear regressions and trees on the scale of the link.

    Attributes
    ----------
    report : EnsembleReport
    """

    def __init__(self) -> None:
        self.designs: dict[str, LinearDesign] = {}
        self.glms: dict[str, tuple[str, BilinearModel]] = {}
        self.trees: dict[str, ActionTrees] = {}
        self.facets: dict[str, FacetMean] = {}
        self.weights: dict[str, float] = {}
        self.intercept = 0.0
        self.calibration = Calibration(0.0, 1.0, 1.0)
        self.share: Floats = np.ones(1)
        self.posterior: tuple[str, Floats] = ("linear", np.zeros((0, 1, 1)))
        self.family: Family = "binomial"
        self.with_time = False
        self.report = EnsembleReport()
        self.past: dict[str, PastRows] = {}

    # -- learn ---------------------------------------------------------------------------------------------------
    def fit(self, task: LearningTask, options: FitOptions) -> Self:
        """Fit members by folds, weigh them, fit them again on every row."""
        _logger.info("%s part: columns of %d decisions", task.family, len(task))
        rows, drift = prepare_rows(task, options.random_state)
        self.family = task.family
        self.designs = dict(rows.designs)
        self.with_time = rows.moved is not None
        self.share = np.bincount(task.action, minlength=len(task.actions)) / len(task)
        _logger.info("%s part: regressions and trees by folds (the longest step)", task.family)
        fits = fit_members(rows, options.tree_settings, options.n_jobs)
        self.glms, self.facets = fits.regressions, fits.facets
        _logger.info("%s part: weighing %d members", task.family, len(fits.regressions) + len(fits.tree_plans))
        choice = weigh_members(rows, fits, self.share, options.n_jobs)
        self.weights, self.intercept = choice.weights, choice.intercept
        self.calibration, self.report = choice.calibration, choice.report
        self.trees = fits.served_trees(rows, self.weights, options.n_jobs)
        self.report.drift = drift
        self.report.recent_share = 1.0 if rows.moved is None else float(rows.moved.recent.mean())
        self.posterior = joint_posterior(rows, self.glms, self.weights, self.scores, self._bent_share)
        self.past = past_of_members(rows, self.glms, self.weights)
        if options.whole is not None:  # these rows are a sample: the trees served see them all
            for name, settings in fits.tree_plans.items():
                # Who boosts them on every row knows no derived columns.
                if self.weights[name] > 0 and not len(self.trees[name].derived):
                    self.trees[name] = options.whole.grow(rows, settings, self.trees[name])
        return self

    def continued(self, X: Floats, actions: ActionSpace, action: NDArray[np.int64], target: Floats) -> Self:
        """Learn from new rows on top of what is known; see :func:`recommender.learning.continuing.continue_members`.

        Trees, classes, weights of members and the joint posterior stay as they are; so does the calibration, unless
        the new rows, which nothing here has seen, speak clearly against it.
        """
        other = copy(self)
        raw = sum(self._weighted_scores(X, 1), start=np.zeros((len(X), len(self.share)))) + self.intercept
        other.calibration = moved_calibration(raw, self.share, action, target, self.family, self.calibration)
        U = self._columns(X, {self.glms[name][0] for name in self.past})
        other.glms, other.past = continue_members(self, U, actions, action, target)
        return other

    # -- predict -------------------------------------------------------------------------------------------------
    def scores(self, X: Floats, *, n_jobs: int = 1) -> Floats:
        """Calibrated linear predictor of every action, shape (n, n_actions)."""
        total: Floats | None = None
        for part in self._weighted_scores(X, n_jobs):
            total = part if total is None else total + part
        if total is None:
            total = np.zeros((len(X), len(self.share)))
        return self.calibration.apply(total + self.intercept, self.share)

    def _weighted_scores(self, X: Floats, n_jobs: int) -> Iterator[Floats]:
        """Scores of the members that count, times their weight: regressions by design, classes, trees."""
        used = {name: weight for name, weight in self.weights.items() if weight > 0}
        U = self._columns(X, {design for name, (design, _) in self.glms.items() if name in used})
        for design, W in self._joined_weights().items():
            if design in U:
                yield row_products(U[design], W)
        for name, facets in self.facets.items():
            if name in used:
                yield used[name] * facets.scores(U["linear"])
        for name, trees in self.trees.items():
            if name in used:
                yield used[name] * trees.raw_scores(self.tree_columns(X), n_jobs=n_jobs)

    def _joined_weights(self) -> dict[str, Floats]:
        """Weights of all regressions over one design, added up by how much each counts."""
        joined: dict[str, Floats] = {}
        for design in self.designs:
            members = [(self.weights[name], model) for name, (of, model) in self.glms.items() if of == design]
            if members:
                joined[design] = sum((weight * model.weights for weight, model in members), start=np.zeros(1))
        return joined

    def _columns(self, X: Floats, wanted: set[str]) -> dict[str, Floats]:
        U = {"linear": self.designs["linear"].transform(X)}
        U["constant"] = U["linear"][:, :1]
        if "profiles" in wanted:
            U["profiles"] = U["linear"]
        if "curved" in wanted:
            U["curved"] = self.designs["curved"].transform(X)
        return U

    def widened(self, X: Floats) -> Floats:
        """Encoded context followed by memberships of latent profiles, where the designs have some."""
        profiles = self.designs["linear"].profiles
        return X if profiles is None else profiles.widen(X)

    def tree_columns(self, X: Floats) -> Floats:
        """Add the indicator of the recent part, which is where every prediction stands."""
        return np.column_stack([X, np.ones(len(X))]) if self.with_time else X

    def spread(self, X: Floats) -> Floats:
        """Standard deviation of the linear predictor: posterior of the linear member and disagreement of members.

        Made wider by :attr:`caution`; docs/decision-quality.md tells what that covers.
        """
        U = self._columns(X, {design for design, _ in self.glms.values()})
        variance = row_products(U["linear"] ** 2, self.glms["linear"][1].variances)
        total = sum(self.weights.values()) or 1.0
        mean, square = np.zeros_like(variance), np.zeros_like(variance)
        for name, weight in self.weights.items():
            if weight > _TELLS * total:
                if name in self.trees:
                    part = self.trees[name].raw_scores(self.tree_columns(X))
                elif name in self.facets:
                    part = self.facets[name].scores(U["linear"])
                else:
                    design, model = self.glms[name]
                    part = row_products(U[design], model.weights)
                part -= row_products(part, self.share)[:, None]  # members may differ in level, that is calibrated away
                mean += weight / total * part
                square += weight / total * part**2
        spread = np.sqrt(variance + np.maximum(square - mean**2, 0.0))
        return np.asarray(self.caution * min(self.calibration.advantage, 1.0) * spread)

    def root(self, X: Floats, scores: Floats, *, n_jobs: int = 1) -> Floats:
        """Root of the covariance of all actions' linear predictors, shape (n, rank, n_actions).

        The posterior of the regression that counts most, the disagreement of members, and of the trees of each fold.
        Straight lines disagree about what that posterior covers already, so disagreement counts by what is bent. Where
        the calibration is less steep, actions differ by less and so do beliefs about them.

        Parameters
        ----------
        scores : ndarray of shape (n, n_actions)
            Calibrated, as :meth:`scores` tells them.
        """
        design, posterior = self.posterior
        U = self._columns(X, {design})[design]
        flat = np.ascontiguousarray(np.swapaxes(posterior, 0, 1).reshape(U.shape[1], -1))
        known = row_products(U, flat).reshape(len(X), -1, len(self.share))
        root = np.concatenate([known, self._bent_share * self._deviations(X, n_jobs)], axis=1)
        return np.asarray(self._scales_of_beliefs(scores)[:, None] * root)

    def draws(self, X: Floats, n_draws: int, rng: np.random.Generator, *, n_jobs: int = 1) -> Iterator[Floats]:
        """Draw the linear predictors of every action from the joint posterior; one draw serves every row.

        Yields
        ------
        ndarray of shape (n, n_actions)
        """
        design, posterior = self.posterior
        U = self._columns(X, {design})[design]
        scores, apart = self.scores(X, n_jobs=n_jobs), self._bent_share * self._deviations(X, n_jobs)
        scale = self._scales_of_beliefs(scores)
        for _ in range(n_draws):
            weights = np.tensordot(rng.standard_normal(len(posterior)), posterior, axes=1)
            drawn = row_products(U, weights)
            for k, number in enumerate(np.asarray(rng.standard_normal(apart.shape[1])).tolist()):
                drawn += number * apart[:, k]
            yield scores + scale * drawn

    def _scales_of_beliefs(self, scores: Floats) -> Floats:
        """Of the joint covariance: short logs give a little weight to anything, so only much of it widens."""
        factor = _JOINT_STRAIGHT + (_JOINT_BENT - _JOINT_STRAIGHT) * self._bent_share**3
        slopes = self.calibration.relative_slopes(self.calibration.advantages(scores, self.share))
        return np.asarray(factor * min(self.calibration.advantage, 1.0) * slopes)

    def _deviations(self, X: Floats, n_jobs: int) -> Floats:
        """How members of the stack, and the trees of each fold, deviate from their mean, shape (n, k, n_actions)."""
        total = sum(self.weights.values()) or 1.0
        relative = {name: weight / total for name, weight in self.weights.items() if weight > _TELLS * total}
        U = self._columns(X, {self.glms[name][0] for name in relative if name in self.glms})
        parts: list[Floats] = [np.zeros((len(X), 0, len(self.share)))]
        means: list[Floats] = []
        for name, share in relative.items():
            scores = self._scores_by_fold(name, X, U, n_jobs)
            n_folds = scores.shape[1]
            mean = scores.mean(axis=1, keepdims=True)
            if n_folds > 1:
                parts.append(share * np.sqrt((n_folds - 1) / n_folds) * self._centred(scores - mean))  # a jackknife
            means.append(self._centred(mean)[:, 0])
        if len(means) > 1:
            shares = np.array(list(relative.values()))[:, None]
            apart = np.stack(means, axis=1)
            parts.append(np.sqrt(shares) * (apart - (shares * apart).sum(axis=1, keepdims=True)))
        return np.concatenate(parts, axis=1)

    def _scores_by_fold(self, name: str, X: Floats, U: dict[str, Floats], n_jobs: int) -> Floats:
        """Scores of a member, shape (n, n_folds, n_actions); one fold where it has none."""
        if name in self.trees:
            return np.stack(
                [one.raw_scores(self.tree_columns(X), n_jobs=n_jobs) for one in self.trees[name].apart], axis=1
            )
        if name in self.facets:
            return np.asarray(self.facets[name].scores(U["linear"])[:, None])
        design, model = self.glms[name]
        return np.asarray(row_products(U[design], model.weights)[:, None])

    def _centred(self, scores: Floats) -> Floats:
        """Scores of shape (n, k, n_actions) less each one's level, which is calibrated away."""
        level = row_products(scores.reshape(-1, scores.shape[2]), self.share)
        return np.asarray(scores - level.reshape(scores.shape[:2])[:, :, None])

    @property
    def caution(self) -> float:
        """Factor of every spread: the more weight lies beyond straight lines, the less their posterior tells.

        Where bends, trees and classes are needed, there is also what none of them can express.
        """
        return _WIDER_STRAIGHT + (_WIDER_BENT - _WIDER_STRAIGHT) * self._bent_share

    @property
    def _bent_share(self) -> float:
        lines = [name for name, (design, _) in self.glms.items() if design != "curved"]
        return 1.0 - sum(self.weights[name] for name in lines) / (sum(self.weights.values()) or 1.0)

    # -- keep ----------------------------------------------------------------------------------------------------
    def to_parts(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, list[str]]]:
        """Return description, arrays and tree texts."""
        described = {
            "family": self.family,
            "with_time": self.with_time,
            "designs": {name: design.to_dict() for name, design in self.designs.items()},
            "glms": {name: [design, model.noise] for name, (design, model) in self.glms.items()},
            "weights": self.weights,
            "intercept": self.intercept,
            "calibration": vars(self.calibration),
            "trees": list(self.trees),
            "derived": self._derived(),
            "facets": {name: [m.n_classes for m in facets.models] for name, facets in self.facets.items()},
            "report": self.report.to_dict(),
            "posterior": self.posterior[0],
            "past": {name: past.crossing for name, past in self.past.items()},
        }
        arrays: dict[str, NDArray[Any]] = {"share": self.share, "posterior": self.posterior[1].astype(np.float32)}
        for name, (_, model) in self.glms.items():
            arrays[f"{name}.weights"] = model.weights
            arrays[f"{name}.variances"] = model.variances
        for name, past in self.past.items():
            arrays |= {f"{name}.past.{key}": getattr(past, key) for key in ("squares", "alike", "precision")}
        for name, facets in self.facets.items():
            arrays |= {f"{name}.{key}": value for key, value in facets.to_arrays().items()}
        return described, arrays, {name: trees.to_texts() for name, trees in self.trees.items()}

    def _derived(self) -> dict[str, Any]:
        """What boosted members read besides encoded context."""
        return {name: trees.derived.to_dict() for name, trees in self.trees.items()}

    @classmethod
    def from_parts(
        cls,
        described: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
        texts: Mapping[str, Sequence[str]],
        actions: ActionSpace,
        profiles: LatentProfiles,
    ) -> RewardEnsemble:
        """Rebuild from :meth:`to_parts`; profiles are kept once for all parts."""
        self = cls()
        self.family = described["family"]
        self.with_time = described["with_time"]
        self.designs = {name: LinearDesign.from_dict(design, profiles) for name, design in described["designs"].items()}
        self.glms = {
            name: (design, BilinearModel(arrays[f"{name}.weights"], arrays[f"{name}.variances"], noise))
            for name, (design, noise) in described["glms"].items()
        }
        self.weights = dict(described["weights"])
        self.intercept = described["intercept"]
        self.calibration = Calibration(**described["calibration"])
        self.share = arrays["share"]
        self.posterior = (described["posterior"], arrays["posterior"].astype(np.float64))
        derived = described.get("derived", {})  # earlier versions had none
        self.trees = {
            name: ActionTrees.from_texts(texts[name], actions, derived.get(name)) for name in described["trees"]
        }
        self.facets = {
            name: FacetMean.from_arrays(
                {key[len(name) + 1 :]: value for key, value in arrays.items() if key.startswith(f"{name}.")}, classes
            )
            for name, classes in described["facets"].items()
        }
        self.past = {
            name: PastRows(
                arrays[f"{name}.past.squares"], arrays[f"{name}.past.alike"], arrays[f"{name}.past.precision"], crossing
            )
            for name, crossing in described.get("past", {}).items()  # earlier versions kept none
        }
        self.report = EnsembleReport(**described["report"])
        return self
