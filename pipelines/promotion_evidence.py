"""What a promotion is judged by: an evaluation made now on a log, or a report of one made before."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from pipelines.evaluate import estimates_table, verdict_line
from recommender.errors import InvalidInput
from recommender.evaluation import GateDecision, GateRules, decide
from recommender.history import LoggedFeedback
from recommender.proof import OffPolicyEvaluator, PolicyReport
from recommender.store.registry import Registry
from recommender.strategy import ContactStrategy

__all__ = ["PromotionRequest", "judge_on_log", "judge_report", "promises", "read_report"]


@dataclass(frozen=True)
class PromotionRequest:
    """A request to promote, as the gate needs it.

    Attributes
    ----------
    registry : Registry
    version : str or int
    champion : int or None
        Who serves now; what is judged must be better than it.
    rules : GateRules
    claimed_gain : float or None
        Gain per decision that the requester claims.
    """

    registry: Registry
    version: str | int
    champion: int | None
    rules: GateRules
    claimed_gain: float | None = None


def judge_on_log(
    request: PromotionRequest, feedback: LoggedFeedback, folder: Path, slice_by: Sequence[str], console: Console
) -> GateDecision:
    """Evaluate a version against the champion on a log, ask the gate, and leave the report in a folder.

    Without a champion the baseline is what was logged.
    """
    registry, champion = request.registry, request.champion
    with tempfile.TemporaryDirectory(prefix="candidates-") as scratch:
        target = ContactStrategy.load(registry.fetch(request.version, Path(scratch)))
        baseline = "logging" if champion is None else ContactStrategy.load(registry.fetch(champion, Path(scratch)))
    slices = {name: feedback.context[name].to_numpy() for name in slice_by}
    against = "what was logged" if champion is None else f"version {champion}"
    with console.status(f"Evaluating against {against} ..."):
        evaluator = OffPolicyEvaluator(feedback)
        report = evaluator.evaluate(target, baseline=baseline, slices=slices or None)
        error, gain = promises(evaluator, target, baseline, report)
    outcome = decide(
        report, request.rules, calibration_error=error, promised_gain=gain, claimed_gain=request.claimed_gain
    )
    title = f"version {registry.resolve(request.version)} on {len(feedback):,} decisions"
    console.print(estimates_table(report, title))
    console.print(verdict_line(report, against), highlight=False)
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(report.to_json(), encoding="utf-8")
    (folder / "gate.json").write_text(json.dumps(outcome.to_dict(), indent=1), encoding="utf-8")
    report.to_html(folder / "report.html", title=f"Promotion of {title}, against {against}")
    return outcome


def promises(
    evaluator: OffPolicyEvaluator, strategy: ContactStrategy, baseline: str | ContactStrategy, report: PolicyReport
) -> tuple[float | None, float | None]:
    """What a strategy's own model promises: how far its value is off, and the gain over the baseline.

    Returns
    -------
    float or None
        0 where the promised value lies inside the interval, else its distance to the nearer end as a share of the
        estimate.
    float or None
        Promised gain per decision.
    """
    probabilities = evaluator.probabilities(strategy)
    low, high, value = (float(report.default[name]) for name in ("ci_low", "ci_high", "value"))
    if probabilities is None or not np.isfinite([low, high]).all() or value == 0:
        return None, None
    part = evaluator.part
    expected = strategy.log_expected_reward(part)
    promised = float(np.einsum("ij,ij->i", probabilities, expected).mean())
    others = evaluator.probabilities(baseline)
    if others is None:
        instead = float(expected[np.arange(len(part)), part.action].mean())
    else:
        instead = float(np.einsum("ij,ij->i", others, expected).mean())
    nearest = float(np.clip(promised, low, high))
    return (promised - nearest) / abs(value), promised - instead


def judge_report(request: PromotionRequest, path: Path) -> GateDecision:
    """Judge by a report that ``evaluate --json`` wrote: of this version, against who serves now, by the whole gate."""
    report, subject = read_report(path)
    digests = {one.version: one.strategy_digest for one in request.registry.versions()}
    version = request.registry.resolve(request.version)
    strays = []
    if subject.get("strategy_digest") != digests.get(version):
        strays.append(f"The report judges another strategy than version {version}.")
    if request.champion is not None and subject.get("baseline_digest") != digests.get(request.champion):
        strays.append(
            f"The report compares with {subject.get('baseline', 'something else')}, and version {request.champion} "
            "is champion: evaluate with --baseline DIR of the champion, or promote with --log."
        )
    outcome = decide(report, request.rules, claimed_gain=request.claimed_gain)
    if not strays:
        return outcome
    reasons = (*strays, *(() if outcome.accepted else outcome.reasons))
    return GateDecision(accepted=False, reasons=reasons, checks={**outcome.checks, "subject": False})


def read_report(path: Path) -> tuple[PolicyReport, Mapping[str, Any]]:
    """An evaluation report and what it is about.

    Raises
    ------
    InvalidInput
        When there is no such file, or it is no evaluation report or does not say which strategy it judges.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return PolicyReport.from_dict(document), dict(document["subject"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"{path} is not an evaluation report that says which strategy it judges ({error!r}).",
            column="report",
            mend="Write one with: python -m pipelines evaluate LOG --strategy DIR --baseline CHAMPION_DIR "
            "--json report.json",
        ) from error
