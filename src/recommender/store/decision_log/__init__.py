"""Decisions and outcomes in a database; SQLite or PostgreSQL."""

from recommender.extras import needs

with needs("store"):
    from recommender.store.decision_log.checked_columns import (
        CheckedMapping,
        SortedMapping,
        WrittenRanking,
        checked_mappings,
    )
    from recommender.store.decision_log.contact_event import (
        ContactEvent,
        state_event,
        state_of,
    )
    from recommender.store.decision_log.decisions import (
        DecisionConflict,
        DecisionLog,
        DecisionRecord,
        LoggedDecision,
        OutcomeReceipt,
        OutcomeRecord,
        Provenance,
        Receipt,
        Removal,
        ShadowChoice,
        read_feedback_frame,
    )
    from recommender.store.decision_log.json_columns import (
        json_of,
        json_of_ids,
        objects_of,
        side_by_side,
        written_numbers,
        written_words,
    )
    from recommender.store.decision_log.known import (
        REACH,
        counted_as,
        heard_events,
        heard_facts,
        known_purposes,
        ledger_contacts,
        not_told_twice,
        told_purposes,
        with_heard,
        with_purposes,
    )
    from recommender.store.decision_log.late_outcomes import (
        Whose,
    )
    from recommender.store.decision_log.ledger import (
        StaleStanding,
    )
    from recommender.store.decision_log.listing import (
        DecisionPage,
        debtor_export,
        decisions_page,
    )
    from recommender.store.decision_log.log_reading import (
        outcomes_between,
        payments_taken_back,
    )
    from recommender.store.decision_log.offer_rows import (
        BudgetSpent,
        OfferBudget,
        makes_offer,
    )
    from recommender.store.decision_log.offers_made import (
        offers_made,
    )
    from recommender.store.decision_log.outcome_terms import (
        trouble_with_terms,
    )
    from recommender.store.decision_log.personal_ids import (
        are_opaque,
        personal_kind,
        refuse_personal_id,
    )
    from recommender.store.decision_log.privacy import (
        column_is_free_of_people,
        refuse_contact_data,
        refuse_free_text,
    )
    from recommender.store.decision_log.record_batch import (
        DecisionBatch,
        decision_batch,
    )
    from recommender.store.decision_log.record_fields import (
        utc_instant,
    )
    from recommender.store.decision_log.schema import (
        decisions,
        outcomes,
        provenances,
    )
    from recommender.store.decision_log.sent import (
        LogWarning,
    )
    from recommender.store.decision_log.standing import (
        LedgerContact,
        LedgerOutcome,
        LiveDecision,
        Seen,
        Standing,
    )
    from recommender.store.decision_log.stops import (
        agree_to_contact,
        agreed_accounts,
        resume_contact,
        stop_contact,
        stopped_ids,
        withdraw_agreement,
    )

__all__ = [
    "REACH",
    "BudgetSpent",
    "CheckedMapping",
    "ContactEvent",
    "DecisionBatch",
    "DecisionConflict",
    "DecisionLog",
    "DecisionPage",
    "DecisionRecord",
    "LedgerContact",
    "LedgerOutcome",
    "LiveDecision",
    "LogWarning",
    "LoggedDecision",
    "OfferBudget",
    "OutcomeReceipt",
    "OutcomeRecord",
    "Provenance",
    "Receipt",
    "Removal",
    "Seen",
    "ShadowChoice",
    "SortedMapping",
    "StaleStanding",
    "Standing",
    "Whose",
    "WrittenRanking",
    "agree_to_contact",
    "agreed_accounts",
    "are_opaque",
    "checked_mappings",
    "column_is_free_of_people",
    "counted_as",
    "debtor_export",
    "decision_batch",
    "decisions",
    "decisions_page",
    "heard_events",
    "heard_facts",
    "json_of",
    "json_of_ids",
    "known_purposes",
    "ledger_contacts",
    "makes_offer",
    "not_told_twice",
    "objects_of",
    "offers_made",
    "outcomes",
    "outcomes_between",
    "payments_taken_back",
    "personal_kind",
    "provenances",
    "read_feedback_frame",
    "refuse_contact_data",
    "refuse_free_text",
    "refuse_personal_id",
    "resume_contact",
    "side_by_side",
    "state_event",
    "state_of",
    "stop_contact",
    "stopped_ids",
    "told_purposes",
    "trouble_with_terms",
    "utc_instant",
    "with_heard",
    "with_purposes",
    "withdraw_agreement",
    "written_numbers",
    "written_words",
]
