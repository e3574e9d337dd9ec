"""Better, worse, not proven or refused; every refusal names its trigger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation.checks import LogVectors
from recommender.evaluation.diagnostics import (
    action_is_function_of_context,
    effective_sample_size,
    error_of_mean,
    unsupported_share,
)
from recommender.evaluation.intervals import Interval

__all__ = [
    "LEAST_EFFECTIVE_CLUSTERS",
    "LEAST_EFFECTIVE_SAMPLE_SIZE",
    "MOST_UNSUPPORTED",
    "Support",
    "Verdict",
    "judge",
    "support_of",
]

Verdict = Literal["better", "worse", "not proven", "refused"]

LEAST_EFFECTIVE_SAMPLE_SIZE = 50.0
LEAST_EFFECTIVE_CLUSTERS = 15.0
MOST_UNSUPPORTED = 0.05


@dataclass(frozen=True)
class Support:
    """How much of the target policy the log can show."""

    effective_sample_size: float
    effective_clusters: float
    unsupported_share: float
    action_predictability: float | None
    action_determined: bool
    n_clusters: int
    weight_mean: float = 1.0
    weights_do_not_add_up: bool = False
    never_tried_share: float = 0.0
    never_tried: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Diagnostics by name."""
        return {
            "effective_sample_size": self.effective_sample_size,
            "effective_clusters": self.effective_clusters,
            "unsupported_share": self.unsupported_share,
            "action_predictability": self.action_predictability,
            "action_determined": self.action_determined,
            "weight_mean": self.weight_mean,
            "never_tried_share": self.never_tried_share,
            "never_tried": list(self.never_tried),
        }

    def refusals(self) -> tuple[str, ...]:
        """One sentence per reason not to judge, empty when there is none."""
        reasons = []
        if self.effective_sample_size < LEAST_EFFECTIVE_SAMPLE_SIZE:
            reasons.append(
                f"Refused: the effective sample size of matched rows is {self.effective_sample_size:.1f}, below "
                f"{LEAST_EFFECTIVE_SAMPLE_SIZE:.0f}; the log hardly ever shows what the target policy would do. "
                "Collect more decisions, log with exploration, or evaluate a policy closer to the one in use."
            )
        elif self.effective_clusters < LEAST_EFFECTIVE_CLUSTERS <= self.n_clusters:
            reasons.append(
                f"Refused: matched rows are worth only {self.effective_clusters:.1f} independent clusters, below "
                f"{LEAST_EFFECTIVE_CLUSTERS:.0f}; a few accounts or repeated rows decide the estimate. Collect "
                "decisions on more accounts."
            )
        if self.unsupported_share > MOST_UNSUPPORTED:
            reasons.append(
                f"Refused: {self.unsupported_share:.1%} of the target policy's probability has no support in the log "
                f"(at most {MOST_UNSUPPORTED:.0%} may lack it){self._regions()}. Restrict the target to actions the "
                "logging policy could take (where a rule forbids one, say so by eligible=), or explore them first."
            )
        if self.weights_do_not_add_up:
            reasons.append(
                f"Refused: the weights average {self.weight_mean:.3f} instead of 1, further off than chance explains: "
                "the propensities are wrong, or part of the target is never shown. Check that they are those of the "
                "action taken, after masking; where they are estimated, pass eligible= and every column the choice "
                "depended on, or log them."
            )
        if self.action_determined:
            share = "" if self.action_predictability is None else f" ({self.action_predictability:.1%} predictable)"
            reasons.append(
                f"Refused: the logged action is all but a function of the context{share} and propensities are not "
                "logged, so no alternative action was ever tried on comparable accounts. Log with exploration."
            )
        if self.n_clusters < 2:
            reasons.append(
                "Refused: all decisions belong to one single cluster, so nothing says how results vary between "
                "independent accounts. Pass a finer cluster."
            )
        return tuple(reasons)

    def _regions(self) -> str:
        most = 3
        if not self.never_tried:
            return ""
        more = f" and {len(self.never_tried) - most} more" if len(self.never_tried) > most else ""
        return f": {'; '.join(self.never_tried[:most])}{more}"

    def caveat(self) -> str:
        """What the interval allows for, in a sentence; empty where the log shows all of the target."""
        if self.never_tried_share == 0.0:
            return ""
        return (
            f" {self.never_tried_share:.2%} of the probability lies where the log never tried it{self._regions()}; "
            "the interval allows for any reward there."
        )


def support_of(
    log: LogVectors,
    weight: NDArray[Any],
    action_probabilities: NDArray[Any],
    propensity_all: NDArray[Any] | None,
    eligible: NDArray[Any] | None,
    action_predictability: float | None,
    n_factors: int = 1,
) -> Support:
    """Measure support (arguments as for ``evaluate``)."""
    logged = bool(log.propensity_logged.all())
    mean = float(np.mean(weight))
    # Estimated propensities are shrunk, and their weights with them: only what shrinking does not explain counts.
    tolerated = max(0.05 if logged else 0.2, 3.0 * error_of_mean(weight, log.cluster))
    return Support(
        effective_sample_size=effective_sample_size(weight),
        effective_clusters=effective_sample_size(weight, log.cluster),
        unsupported_share=unsupported_share(
            weight,
            log.action,
            action_probabilities,
            propensity_logged=log.propensity_logged,
            propensity_all=propensity_all,
            eligible=eligible,
            cluster=log.cluster,
        ),
        action_predictability=action_predictability,
        action_determined=not logged
        and action_is_function_of_context(
            action_predictability,
            log.action,
            propensity=log.propensity[~log.propensity_logged],
            n_factors=n_factors,
        ),
        n_clusters=len(np.unique(log.cluster)),
        weight_mean=mean,
        weights_do_not_add_up=abs(mean - 1.0) > tolerated and mean > 0.0,
    )


def judge(
    difference: Interval, support: Support, *, scale: float, confidence: float, disagreement: bool = False
) -> tuple[Verdict, tuple[str, ...]]:
    """Verdict on the paired difference, and the sentences that explain it.

    Parameters
    ----------
    difference : Interval
        Target minus baseline.
    support : Support
    scale : float
        Largest absolute reward: differences below its rounding error are none.
    confidence : float
    disagreement : bool, default=False
        Whether unbiased estimators contradict each other: then nothing is claimed.
    """
    refusals = support.refusals()
    said = (
        f"the difference from the baseline is {_signed(difference.value)} per decision, "
        f"{confidence:.0%} interval [{_signed(difference.low)}, {_signed(difference.high)}]"
    )
    if refusals:
        return "refused", refusals
    nothing, caveat = 1e-9 * scale, support.caveat()
    apart = difference.low > nothing or difference.high < -nothing
    if disagreement and apart:
        reason = (
            f"Not proven: {said}, but estimators that are right under the same assumptions contradict each other "
            f"(see the table): the propensities or their support are wrong.{caveat}"
        )
        return "not proven", (reason,)
    if difference.low > nothing:
        return "better", (f"Better: {said}, all above zero.{caveat}",)
    if difference.high < -nothing:
        return "worse", (f"Worse: {said}, all below zero.{caveat}",)
    return "not proven", (f"Not proven: {said}, which holds zero.{caveat}",)


def _signed(value: float) -> str:
    """Three digits that count; of amounts of money all before the point."""
    return f"{value:+,.0f}" if abs(value) >= 1_000 else f"{value:+.3g}"
