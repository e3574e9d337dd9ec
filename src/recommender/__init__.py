"""Next-best contact actions for collections, learnt from a log of past contacts."""

from recommender.actions import NO_CONTACT, ActionSpace
from recommender.evaluation import PolicyReport
from recommender.history import LoggedFeedback
from recommender.off_policy import OffPolicyEvaluator, evaluate_policy
from recommender.strategy import ContactStrategy

__version__ = "0.1.0"

__all__ = [
    "NO_CONTACT",
    "ActionSpace",
    "ContactStrategy",
    "LoggedFeedback",
    "OffPolicyEvaluator",
    "PolicyReport",
    "evaluate_policy",
]
