"""Why an action: exact contributions of the served model, contrasts of two actions, reasons in Spanish and English."""

from recommender.explanation.concepts import ConceptGroups
from recommender.explanation.contrast import Contrast
from recommender.explanation.explain_accounts import explain
from recommender.explanation.explanation import Explanation
from recommender.explanation.factors import factor_contrast
from recommender.explanation.justification import debtor_justification
from recommender.explanation.portfolio import GlobalExplanation, explain_portfolio
from recommender.explanation.summary_policy import SummaryPolicy, distil
from recommender.explanation.trace import DecisionTrace, trace_decision, trace_record
from recommender.explanation.what_if import WhatIf, what_if

__all__ = [
    "ConceptGroups",
    "Contrast",
    "DecisionTrace",
    "Explanation",
    "GlobalExplanation",
    "SummaryPolicy",
    "WhatIf",
    "debtor_justification",
    "distil",
    "explain",
    "explain_portfolio",
    "factor_contrast",
    "trace_decision",
    "trace_record",
    "what_if",
]
