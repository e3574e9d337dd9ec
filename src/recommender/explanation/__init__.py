"""Why an action: exact contributions of the served model, contrasts of two actions, reasons in Spanish and English."""

from recommender.explanation.concepts import ConceptGroups
from recommender.explanation.contrast import Contrast
from recommender.explanation.explain_accounts import explain
from recommender.explanation.explanation import Explanation
from recommender.explanation.factors import factor_contrast
from recommender.explanation.portfolio import GlobalExplanation, explain_portfolio
from recommender.explanation.summary_policy import SummaryPolicy, distil

__all__ = [
    "ConceptGroups",
    "Contrast",
    "Explanation",
    "GlobalExplanation",
    "SummaryPolicy",
    "distil",
    "explain",
    "explain_portfolio",
    "factor_contrast",
]
