"""Why an action: exact contributions of the served model, contrasts of two actions, reasons in Spanish and English."""

from recommender.extras import needs

with needs("explain"):
    from recommender.explanation.concepts import (
        ConceptGroups,
    )
    from recommender.explanation.contrast import (
        Contrast,
    )
    from recommender.explanation.explain_accounts import (
        explain,
    )
    from recommender.explanation.explanation import (
        Explanation,
    )
    from recommender.explanation.factors import (
        factor_contrast,
    )
    from recommender.explanation.global_explanation import (
        GlobalExplanation,
        explain_portfolio,
    )
    from recommender.explanation.justification import (
        debtor_justification,
    )
    from recommender.explanation.labels import (
        concept_label,
        feature_label,
    )
    from recommender.explanation.movement import (
        WHOLE,
        what_moved,
    )
    from recommender.explanation.reasons import (
        action_text,
    )
    from recommender.explanation.summary_policy import (
        SummaryPolicy,
        distil,
    )
    from recommender.explanation.trace import (
        DecisionTrace,
        TracedAction,
        TracedRule,
        trace_decision,
        trace_record,
    )
    from recommender.explanation.what_if import (
        WhatIf,
        changeable_columns,
        what_if,
    )
    from recommender.explanation.wording import (
        Wording,
    )

__all__ = [
    "WHOLE",
    "ConceptGroups",
    "Contrast",
    "DecisionTrace",
    "Explanation",
    "GlobalExplanation",
    "SummaryPolicy",
    "TracedAction",
    "TracedRule",
    "WhatIf",
    "Wording",
    "action_text",
    "changeable_columns",
    "concept_label",
    "debtor_justification",
    "distil",
    "explain",
    "explain_portfolio",
    "factor_contrast",
    "feature_label",
    "trace_decision",
    "trace_record",
    "what_if",
    "what_moved",
]
