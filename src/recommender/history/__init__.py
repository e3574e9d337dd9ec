"""What happened: contacts, outcomes and payments become rewards and a checked log."""

from recommender.history.build import BuildReport, Built, build_feedback, context_as_of
from recommender.history.feedback import LoggedFeedback, ProtectedAttributeWarning

__all__ = [
    "BuildReport",
    "Built",
    "LoggedFeedback",
    "ProtectedAttributeWarning",
    "build_feedback",
    "context_as_of",
]
