"""From accounts to legal, ranked decisions: what notebooks, batch, plan and service call."""

from recommender.deciding.accounts import (
    Accounts,
    calendar_read_by,
)
from recommender.deciding.best_hour import (
    WeekAhead,
    week_ahead,
)
from recommender.deciding.context import (
    ModelContext,
    counts_contacts,
    model_history,
)
from recommender.deciding.days_ahead import (
    aged,
)
from recommender.deciding.decide import (
    Decider,
    decide,
    decision_ids,
    default_actions,
)
from recommender.deciding.decided import (
    Decided,
)
from recommender.deciding.fallback import (
    FAILURES,
    ChainStep,
    fallback_chain,
)
from recommender.deciding.objective import (
    OBJECTIVES,
    Lever,
    Objective,
)
from recommender.deciding.offer_choice import (
    OfferChoice,
    offer_levels,
)
from recommender.deciding.offer_terms import (
    OFFERS_KNOWN,
    offer_terms,
    offers_known,
    shut_then,
)
from recommender.deciding.opinion import (
    Led,
    Opinions,
    check_objective,
)
from recommender.deciding.replay import (
    Difference,
    Logged,
    Replayed,
    replay,
)
from recommender.deciding.rounds import (
    after_planned,
    debtor_rounds,
    of_debtors,
    planned_contact,
    planned_contacts,
)
from recommender.deciding.segments import (
    OTHER,
    Segment,
    Segments,
    default_segments,
)

__all__ = [
    "FAILURES",
    "OBJECTIVES",
    "OFFERS_KNOWN",
    "OTHER",
    "Accounts",
    "ChainStep",
    "Decided",
    "Decider",
    "Difference",
    "Led",
    "Lever",
    "Logged",
    "ModelContext",
    "Objective",
    "OfferChoice",
    "Opinions",
    "Replayed",
    "Segment",
    "Segments",
    "WeekAhead",
    "after_planned",
    "aged",
    "calendar_read_by",
    "check_objective",
    "counts_contacts",
    "debtor_rounds",
    "decide",
    "decision_ids",
    "default_actions",
    "default_segments",
    "fallback_chain",
    "model_history",
    "of_debtors",
    "offer_levels",
    "offer_terms",
    "offers_known",
    "planned_contact",
    "planned_contacts",
    "replay",
    "shut_then",
    "week_ahead",
]
