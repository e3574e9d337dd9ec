"""From accounts to legal, ranked decisions: what notebooks, batch, plan and service call."""

from recommender.deciding.decide import (
    Decided,
    debtor_rounds,
    decide,
    decision_ids,
    default_actions,
    model_history,
    planned_contacts,
    with_situation,
)
from recommender.deciding.live import (
    LiveDecided,
    LiveDecider,
    NotCovered,
)

__all__ = [
    "Decided",
    "LiveDecided",
    "LiveDecider",
    "NotCovered",
    "debtor_rounds",
    "decide",
    "decision_ids",
    "default_actions",
    "model_history",
    "planned_contacts",
    "with_situation",
]
