"""Next-best contact actions for collections, learnt from a log of past contacts."""

from recommender.actions import NO_CONTACT, ActionSpace
from recommender.history import LoggedFeedback

__version__ = "0.1.0"

__all__ = ["NO_CONTACT", "ActionSpace", "LoggedFeedback"]
