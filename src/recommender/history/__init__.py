"""What happened: contacts, outcomes and payments become rewards and a checked log."""

from recommender.history.feedback import LoggedFeedback, ProtectedAttributeWarning

__all__ = ["LoggedFeedback", "ProtectedAttributeWarning"]
