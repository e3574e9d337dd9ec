"""The promotion gate: a pure decision from a report, with every reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recommender.evaluation.report import PolicyEvaluation

__all__ = ["GateDecision", "GateRules", "decide"]


@dataclass(frozen=True)
class GateRules:
    """What a challenger must show.

    Attributes
    ----------
    least_gain : float
        The paired lower bound must lie above it.
    slice_floor : float
        No slice may be proven to lose more than this (a negative number tolerates a loss).
    slice_floors : mapping of (slice, level) to float
        Floors of single slices, before ``slice_floor``.
    most_calibration_error : float
        Largest tolerated ``|predicted / observed - 1|`` of the reward model on recommended actions.
    most_overpromise : float
        How much more than the interval supports, as a share, the challenger's own model may promise of its gain: who
        chooses by a model's scores chooses its lucky errors, too.
    least_confounding : float
        Smallest strength of unobserved confounding (odds factor) the verdict must survive where propensities were
        estimated.
    """

    least_gain: float = 0.0
    slice_floor: float = 0.0
    slice_floors: Mapping[tuple[str, str], float] | None = None
    most_calibration_error: float = 0.2
    most_overpromise: float = 0.5
    least_confounding: float = 1.05


@dataclass(frozen=True)
class GateDecision:
    """Accepted or refused, and why.

    Attributes
    ----------
    accepted : bool
    reasons : tuple of str
        One sentence per failed check, or what was shown when accepted.
    checks : mapping of str to bool
        Outcome of each check that was made.
    """

    accepted: bool
    reasons: tuple[str, ...]
    checks: Mapping[str, bool]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready content."""
        return {"accepted": self.accepted, "reasons": list(self.reasons), "checks": dict(self.checks)}


def decide(
    report: PolicyEvaluation,
    rules: GateRules | None = None,
    *,
    calibration_error: float | None = None,
    promised_gain: float | None = None,
    claimed_gain: float | None = None,
) -> GateDecision:
    """Decide whether a challenger may take the champion's place.

    Parameters
    ----------
    report : PolicyEvaluation
        Challenger against the champion (its baseline).
    rules : GateRules, optional
    calibration_error : float, optional
        ``predicted / observed - 1`` on recommended actions.
    promised_gain : float, optional
        Gain per decision that the challenger's own model promises; refused where it exceeds what the interval
        supports by more than ``most_overpromise``.
    claimed_gain : float, optional
        Gain per decision that somebody claims for the challenger; more than the interval supports is refused.

    Returns
    -------
    GateDecision
    """
    rules = rules or GateRules()
    checks: dict[str, bool] = {}
    failed: list[str] = []

    def check(name: str, passed: bool, sentence: str) -> None:
        checks[name] = bool(passed)
        if not passed:
            failed.append(sentence)

    check("support", report.verdict != "refused", " ".join(report.reasons))
    low, high = report.difference.low, report.difference.high
    check(
        "gain",
        low > rules.least_gain and report.verdict == "better",
        f"The paired lower bound of the gain is {low:+.6g}; it must lie above {rules.least_gain:+.6g}.",
    )
    broken = _broken_floors(report, rules)
    check("slices", not broken, " ".join(broken))
    warnings = report.default["warnings"]
    check(
        "weights",
        "weight-mean" not in warnings,
        f"The mean weight is {report.diagnostics['weight_mean']:.3f} instead of 1: propensities are not calibrated.",
    )
    if calibration_error is not None:
        check(
            "calibration",
            abs(calibration_error) <= rules.most_calibration_error,
            f"Predicted rewards are off by {calibration_error:+.1%} on recommended actions; at most "
            f"{rules.most_calibration_error:.0%} is tolerated.",
        )
    if "estimated-propensity" in warnings and report.verdict == "better":
        strength = float(report.diagnostics["confounding_to_overturn"])
        check(
            "confounding",
            strength >= rules.least_confounding,
            f"Propensities were estimated, and an unobserved confounder of odds factor {strength:.3f} would overturn "
            f"the verdict; at least {rules.least_confounding:.2f} must be survived.",
        )
    if promised_gain is not None:
        check(
            "promise",
            promised_gain <= high + rules.most_overpromise * abs(high),
            f"The challenger's model promises a gain of {promised_gain:+.6g} per decision; the log supports at most "
            f"{high:+.6g}, and {rules.most_overpromise:.0%} more is tolerated.",
        )
    if claimed_gain is not None:
        check(
            "claim",
            claimed_gain <= high,
            f"The claimed gain of {claimed_gain:+.6g} exceeds what the log supports (at most {high:+.6g}).",
        )
    accepted = not failed
    shown = (f"Accepted: the gain is {report.difference.value:+.6g} per decision, at least {low:+.6g}.",)
    return GateDecision(accepted, shown if accepted else tuple(failed), checks)


def _broken_floors(report: PolicyEvaluation, rules: GateRules) -> list[str]:
    """One sentence per slice that is proven to lie below its floor (intervals hold for all slices together)."""
    broken = []
    own = {(str(name), str(level)): floor for (name, level), floor in (rules.slice_floors or {}).items()}
    for row in report.slices.to_dict(orient="records"):
        floor = own.get((str(row["slice"]), str(row["level"])), rules.slice_floor)
        if row["verdict"] != "refused" and row["ci_high"] < floor:
            broken.append(
                f"Slice {row['slice']}={row['level']} loses: the difference is at most {row['ci_high']:+.6g}, below "
                f"its floor {floor:+.6g}."
            )
    return broken
