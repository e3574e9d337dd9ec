"""Members that score every action of every account, stacked: the shape of both event and amount models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from recommender.actions import ActionSpace
from recommender.allactions import row_products
from recommender.learning.bilinear import BilinearModel, Family
from recommender.learning.count_pairs import CountPair
from recommender.learning.drift import DriftSteps, recent_steps
from recommender.learning.encoding import ContextEncoder
from recommender.learning.facets import FacetMean
from recommender.learning.latent_profiles import LatentProfiles
from recommender.learning.linear_design import LinearDesign
from recommender.learning.logger_directions import logger_directions
from recommender.learning.member_jobs import (
    FitRows,
    facet_job,
    held_out_scores,
    regression_job,
    run_jobs,
    tree_job,
)
from recommender.learning.member_plans import knows_classes, regression_plans, tree_plans_of
from recommender.learning.stacking import (
    Calibration,
    Floats,
    calibrate,
    choose_by_value,
    group_folds,
    member_losses,
    mix_scores,
    stack_weights,
)
from recommender.learning.trees import ActionTrees, TreeSettings
from recommender.learning.whole_log import WholeRows

__all__ = ["EnsembleReport", "RewardEnsemble"]

_PANEL_CELLS = 25_000_000
_SHARE_PRECISIONS_FROM = 100_000
_FEWEST_ROWS = 20
_CLASSES = 4
_WORTH_ITS_TIME = 0.04  # share of the stack's weight
_WIDER_STRAIGHT, _WIDER_BENT = 0.9, 2.1  # measured: docs/decision-quality.md, Uncertainty
_CLEAR_MOVE = 5.7  # half the 1 % point of a chi-squared of three: three slopes moved by chance that far once in 100


@dataclass
class EnsembleReport:
    """What was chosen, for logs and cards."""

    members: list[str] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    chosen: str = "stack"
    gains: dict[str, tuple[float, float]] = field(default_factory=dict)
    drift: dict[str, tuple[float, float]] = field(default_factory=dict)
    recent_share: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready description."""
        return dict(vars(self))


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
        self.family: Family = "binomial"
        self.with_time = False
        self.report = EnsembleReport()

    # -- learn ---------------------------------------------------------------------------------------------------
    def fit(
        self,
        encoder: ContextEncoder,
        X: Floats,
        pairs: Sequence[CountPair],
        profiles: LatentProfiles,
        actions: ActionSpace,
        action: NDArray[np.int64],
        target: Floats,
        groups: NDArray[np.int64],
        *,
        family: Family,
        inverse_propensity: Floats | None,
        n_jobs: int,
        random_state: int,
        weight: Floats | None = None,
        order: Floats | None = None,
        tree_settings: TreeSettings | None = None,
        whole: WholeRows | None = None,
    ) -> Self:
        """Fit members by folds, weigh them, fit them again on every row."""
        n = len(action)
        self.family = family
        linear = LinearDesign.fit(encoder, X, pairs, actions, profiles)
        U = linear.transform(X)
        curved = linear.curved(U)
        self.designs = {"linear": linear, "curved": curved, "constant": LinearDesign(linear.terms[:1])}
        columns = {"linear": U, "curved": curved.transform(X), "constant": U[:, :1]}
        if profiles.profiles:
            self.designs["profiles"], columns["profiles"] = linear.by_profile(), U
        place = None if order is None else np.argsort(np.argsort(order, kind="stable"), kind="stable") / n
        steps: DriftSteps | None = None
        drift: dict[str, tuple[float, float]] = {}
        if family == "binomial":
            steps, drift = recent_steps(linear, U, actions, action, target, place, random_state=random_state)
        recent = None if steps is None or place is None else steps.recent(place)
        self.with_time = recent is not None
        rows = FitRows(
            encoder,
            X if recent is None else np.column_stack([X, recent]),
            self.designs,
            columns,
            actions,
            action,
            target,
            weight,
            family,
            random_state,
            recent,
            order,
            logger_directions(U, actions, action, random_state=random_state),
            steps,
            None if steps is None or place is None else steps.passed(place),
        )
        self.share = np.bincount(action, minlength=len(actions)) / n
        plans = regression_plans(n, with_profiles=bool(profiles.profiles))
        folds = group_folds(groups, 3 if n > 3_000 else 5, random_state)
        n_folds = int(folds.max()) + 1
        tiny = n < _FEWEST_ROWS
        tree_plans = {} if tiny else tree_plans_of(target, family)
        if tree_settings is not None and "trees" in tree_plans:
            tree_plans["trees"] = replace(tree_settings, objective=tree_plans["trees"].objective)
        full = dict(
            zip(plans, run_jobs([regression_job(rows, plan, None, None) for plan in plans], n_jobs), strict=True)
        )
        # precisions learnt on every row would leak into small folds; in large ones they are all but the same
        known = n > _SHARE_PRECISIONS_FROM
        jobs: list[Callable[[], Any]] = []
        for fold in range(0 if tiny else n_folds):
            jobs += [tree_job(rows, settings, folds == fold) for settings in tree_plans.values()]
            jobs += [
                regression_job(rows, plan, folds != fold, full[plan].precision if known else None) for plan in plans
            ]
        fitted = iter(run_jobs(jobs, n_jobs))
        self.glms = {plan.name: (plan.design, full[plan]) for plan in plans}
        names = [*tree_plans, *(plan.name for plan in plans)]
        if tiny:  # nothing can be held out: the constant alone, in sample
            names, folds = ["constant"], np.zeros(n, dtype=np.int64)
            by_fold = [dict.fromkeys(names, next(full[plan] for plan in plans if plan.name == "constant"))]
        else:
            by_fold = [{name: next(fitted) for name in names} for _ in range(n_folds)]
            if steps is None and knows_classes(target, family):  # classes know of no time
                self._add_classes(rows, by_fold, folds, n_jobs)
        self.trees = {name: ActionTrees.mean_of([members[name] for members in by_fold]) for name in tree_plans}
        self._weigh(rows, by_fold, folds, inverse_propensity, n_jobs)
        for name, settings in tree_plans.items():
            if whole is not None and self.weights[name] > 0:  # these rows are a sample: the trees served see them all
                self.trees[name] = whole.grow(rows, settings, self.trees[name])
        self.report.drift = drift
        self.report.recent_share = 1.0 if recent is None else float(recent.mean())
        return self

    def _add_classes(self, rows: FitRows, by_fold: list[dict[str, Any]], folds: NDArray[np.int64], n_jobs: int) -> None:
        """Latent classes learnt from rewards are dear: the first fold tells whether the others are worth fitting."""
        work = [
            facet_job(rows, _CLASSES, folds != fold, members["linear"], rows.random_state + fold)
            for fold, members in enumerate(by_fold)
        ]
        first = by_fold[0] | {"classes": work[0]()}
        out = np.flatnonzero(folds == 0)
        designs = self._designs_of_members() | {"classes": "linear"}
        logged, _ = held_out_scores(rows, [first], np.where(folds == 0, 0, 1), out[:1], designs, n_jobs)
        weights, _ = stack_weights(
            logged[out], rows.target[out], rows.family, None if rows.weight is None else rows.weight[out]
        )
        if weights[-1] < _WORTH_ITS_TIME * weights.sum():
            return
        for members, found in zip(by_fold, [first["classes"], *run_jobs(work[1:], n_jobs)], strict=True):
            members["classes"] = found
        self.facets = {"classes": FacetMean([members["classes"] for members in by_fold])}

    def _weigh(
        self,
        rows: FitRows,
        by_fold: list[dict[str, Any]],
        folds: NDArray[np.int64],
        inverse_propensity: Floats | None,
        n_jobs: int,
    ) -> None:
        n, n_actions = len(rows.action), len(rows.actions)
        names = list(by_fold[0])
        # members speak of now, so only rows of now may judge them
        judges = np.arange(n) if rows.recent is None else np.flatnonzero(rows.recent)
        most = max(1, _PANEL_CELLS // n_actions)
        panel = np.sort(np.random.default_rng(rows.random_state).permutation(judges)[:most])
        logged, scores = held_out_scores(rows, by_fold, folds, panel, self._designs_of_members(), n_jobs)
        weight, family = rows.weight, rows.family
        beta, intercept = stack_weights(
            logged[judges], rows.target[judges], family, None if weight is None else weight[judges]
        )
        action, target = rows.action[panel], rows.target[panel]
        panel_weight = None if weight is None else weight[panel]
        eta = mix_scores(scores, beta) + np.float32(intercept)
        expected = expit(eta) if family == "binomial" else eta
        self.report = EnsembleReport(names, [], member_losses(logged[judges], rows.target[judges], family))
        candidates = np.vstack(
            [beta[None], np.eye(len(names)), 0.5 * (np.eye(len(names)) + beta / max(beta.sum(), 1e-9))]
        )
        labels = ["stack", *names, *(f"half {name}" for name in names)]
        if inverse_propensity is not None and family == "binomial":
            best, gains, errors = choose_by_value(
                scores,
                candidates,
                action,
                target,
                inverse_propensity[panel],
                expected,
                n_best=max(1, -(-n_actions // 24)),
            )
            self.report.chosen = labels[best]
            self.report.gains = {label: (float(g), float(e)) for label, g, e in zip(labels, gains, errors, strict=True)}
            if best > 0:
                beta = candidates[best]
                eta = mix_scores(scores, beta)
                intercept = 0.0
        level = eta @ self.share.astype(np.float32)
        advantage = eta[np.arange(len(panel)), action] - level
        self.calibration = calibrate(
            level.astype(np.float64), advantage.astype(np.float64), target, family, panel_weight
        )
        if rows.order is not None and family == "binomial":  # did the newest fifth move away from it?
            newest = rows.order[panel] > np.quantile(rows.order[panel], 0.8)
            self.calibration = calibrate(
                level[newest].astype(np.float64),
                advantage[newest].astype(np.float64),
                target[newest],
                family,
                None if panel_weight is None else panel_weight[newest],
                usual=self.calibration,
                least_gain=_CLEAR_MOVE,
            )
        self.intercept = intercept
        self.weights = dict.fromkeys([*self.trees, *self.glms, *self.facets], 0.0)
        self.weights |= {name: float(b) for name, b in zip(names, beta, strict=True)}
        self.report.weights = [float(b) for b in beta]

    def _designs_of_members(self) -> dict[str, str]:
        return {name: design for name, (design, _) in self.glms.items()} | dict.fromkeys(self.facets, "linear")

    # -- predict -------------------------------------------------------------------------------------------------
    def scores(self, X: Floats, *, n_jobs: int = 1) -> Floats:
        """Calibrated linear predictor of every action, shape (n, n_actions)."""
        total: Floats | None = None
        U = self._columns(X, {design for name, (design, _) in self.glms.items() if self.weights[name] > 0})
        for design in self.designs:
            W = sum(
                (self.weights[name] * model.weights for name, (of, model) in self.glms.items() if of == design),
                start=np.zeros(1),
            )
            if design in U and W.ndim == 2:
                part = row_products(U[design], W)
                total = part if total is None else total + part
        for name, facets in self.facets.items():
            if self.weights[name] > 0:
                part = self.weights[name] * facets.scores(U["linear"])
                total = part if total is None else total + part
        for name, trees in self.trees.items():
            if self.weights[name] > 0:
                part = self.weights[name] * trees.raw_scores(self.tree_columns(X), n_jobs=n_jobs)
                total = part if total is None else total + part
        if total is None:
            total = np.zeros((len(X), len(self.share)))
        return self.calibration.apply(total + self.intercept, self.share)

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

    def spread(self, X: Floats, *, n_jobs: int = 1) -> Floats:
        """Standard deviation of the linear predictor: posterior of the linear member and disagreement of members.

        Made wider by :attr:`caution`; docs/decision-quality.md tells what that covers.
        """
        U = self._columns(X, set(self.designs))
        variance = row_products(U["linear"] ** 2, self.glms["linear"][1].variances)
        total = sum(self.weights.values()) or 1.0
        mean, square = np.zeros_like(variance), np.zeros_like(variance)
        for name, weight in self.weights.items():
            if weight > 0.01 * total:
                if name in self.trees:
                    part = self.trees[name].raw_scores(self.tree_columns(X), n_jobs=n_jobs)
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

    @property
    def caution(self) -> float:
        """Factor of every spread: the more weight lies beyond straight lines, the less their posterior tells.

        Where bends, trees and classes are needed, there is also what none of them can express.
        """
        lines = [name for name, (design, _) in self.glms.items() if design != "curved"]
        bent = 1.0 - sum(self.weights[name] for name in lines) / (sum(self.weights.values()) or 1.0)
        return _WIDER_STRAIGHT + (_WIDER_BENT - _WIDER_STRAIGHT) * bent

    def draw(self, X: Floats, rng: np.random.Generator, *, n_jobs: int = 1) -> Floats:
        """One draw of the linear predictor from the approximate posterior; one draw serves every row."""
        variances = self.glms["linear"][1].variances
        noise = rng.standard_normal(variances.shape) * np.sqrt(variances)
        return self.scores(X, n_jobs=n_jobs) + row_products(self.designs["linear"].transform(X), noise)

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
            "facets": {name: [m.n_classes for m in facets.models] for name, facets in self.facets.items()},
            "report": self.report.to_dict(),
        }
        arrays = {"share": self.share}
        for name, (_, model) in self.glms.items():
            arrays[f"{name}.weights"] = model.weights
            arrays[f"{name}.variances"] = model.variances
        for name, facets in self.facets.items():
            arrays |= {f"{name}.{key}": value for key, value in facets.to_arrays().items()}
        return described, arrays, {name: trees.to_texts() for name, trees in self.trees.items()}

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
        self.trees = {name: ActionTrees.from_texts(texts[name], actions) for name in described["trees"]}
        self.facets = {
            name: FacetMean.from_arrays(
                {key[len(name) + 1 :]: value for key, value in arrays.items() if key.startswith(f"{name}.")}, classes
            )
            for name, classes in described["facets"].items()
        }
        self.report = EnsembleReport(**described["report"])
        return self
