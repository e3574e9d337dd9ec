"""What a check found, how bad it is for learning and for evaluating, and the mend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Diagnosis", "Finding", "Grade"]

Grade = Literal["fine", "care", "stop"]
_ANSWERS = {"fine": "yes", "care": "with care", "stop": "no"}
_ORDER = ("fine", "care", "stop")


@dataclass(frozen=True)
class Finding:
    """One thing a data scientist wants to know before learning.

    Attributes
    ----------
    code : str
        Stable name of the check, e.g. ``"thin_cells"``.
    what : str
        What was seen, with its figures.
    mend : str
        What to do about it; empty where nothing needs doing.
    learn, evaluate : {"fine", "care", "stop"}
        What it means for learning a policy and for off-policy evaluation.
    figures : dict
        The numbers behind it.
    """

    code: str
    what: str
    mend: str = ""
    learn: Grade = "fine"
    evaluate: Grade = "fine"
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def grade(self) -> Grade:
        """The worse of the two grades."""
        return max(self.learn, self.evaluate, key=_ORDER.index)


@dataclass(frozen=True)
class Diagnosis:
    """All findings of a log, worst first, and a verdict for each goal."""

    subject: str
    findings: tuple[Finding, ...]
    figures: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, subject: str, findings: Iterable[Finding], figures: dict[str, Any]) -> Diagnosis:
        """Sort findings by how bad they are, keeping their order otherwise."""
        ranked = sorted(findings, key=lambda finding: -_ORDER.index(finding.grade))
        return cls(subject, tuple(ranked), figures)

    @property
    def learn(self) -> str:
        """Whether a policy can be learnt: ``yes``, ``with care`` or ``no``."""
        return _ANSWERS[_worst(finding.learn for finding in self.findings)]

    @property
    def evaluate(self) -> str:
        """Whether another policy can be evaluated on this log: ``yes``, ``with care`` or ``no``."""
        return _ANSWERS[_worst(finding.evaluate for finding in self.findings)]

    @property
    def verdict(self) -> str:
        """What the log is good for: ``learn and evaluate``, ``learn``, ``evaluate`` or ``neither``."""
        learn, evaluate = self.learn != "no", self.evaluate != "no"
        return {
            (True, True): "learn and evaluate",
            (True, False): "learn",
            (False, True): "evaluate",
            (False, False): "neither",
        }[learn, evaluate]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready diagnosis."""
        return {
            "subject": self.subject,
            "verdict": self.verdict,
            "learn": self.learn,
            "evaluate": self.evaluate,
            "figures": self.figures,
            "findings": [
                {
                    "code": finding.code,
                    "grade": finding.grade,
                    "learn": _ANSWERS[finding.learn],
                    "evaluate": _ANSWERS[finding.evaluate],
                    "what": finding.what,
                    "mend": finding.mend,
                    "figures": finding.figures,
                }
                for finding in self.findings
            ],
        }


def _worst(grades: Iterable[Grade]) -> Grade:
    return max(grades, key=_ORDER.index, default="fine")
