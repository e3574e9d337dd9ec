"""Next-best contact actions for collections, learnt from a log of past contacts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recommender.late_names import late_names

if TYPE_CHECKING:
    from recommender.actions import NO_CONTACT, ActionSpace
    from recommender.explanation import explain
    from recommender.history import LoggedFeedback
    from recommender.monitoring import diagnose
    from recommender.proof import OffPolicyEvaluator, PolicyReport, evaluate_policy, experiment
    from recommender.strategy import ContactStrategy

__version__ = "0.1.0"

__all__ = [
    "NO_CONTACT",
    "ActionSpace",
    "ContactStrategy",
    "LoggedFeedback",
    "OffPolicyEvaluator",
    "PolicyReport",
    "diagnose",
    "evaluate_policy",
    "experiment",
    "explain",
]

# Names are imported when they are first asked for: a worker that reads a log does not pay for lightgbm and scipy.stats.
_HOME = {
    "NO_CONTACT": "recommender.actions",
    "ActionSpace": "recommender.actions",
    "ContactStrategy": "recommender.strategy",
    "LoggedFeedback": "recommender.history",
    "OffPolicyEvaluator": "recommender.proof.off_policy",
    "PolicyReport": "recommender.proof",
    "diagnose": "recommender.monitoring",
    "evaluate_policy": "recommender.proof.off_policy",
    "experiment": "recommender.proof",
    "explain": "recommender.explanation",
}


__getattr__ = late_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
