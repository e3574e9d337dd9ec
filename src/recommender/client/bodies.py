"""Bodies of requests and answers; written by ``python -m api.service.client_types``, not by hand."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

__all__ = [
    "Account",
    "BestHoursAnswer",
    "BestHoursRequest",
    "ChainedContact",
    "CheckAnswer",
    "CheckRequest",
    "CheckedAccount",
    "CheckedContact",
    "Constraints",
    "Contact",
    "ContrastAnswer",
    "DebtorExport",
    "DecisionAnswer",
    "DecisionList",
    "Dispatch",
    "DispatchAnswer",
    "DispatchRequest",
    "DispatchResult",
    "ExplainedAction",
    "ExplanationAnswer",
    "FallbackChainAnswer",
    "FallbackChainRequest",
    "Feature",
    "FeaturesAnswer",
    "Forgotten",
    "HourAhead",
    "Instead",
    "ItemProblem",
    "ListedDecision",
    "LoggedEvent",
    "LoggedOutcome",
    "OfferAnswer",
    "Offered",
    "Outcome",
    "OutcomeAnswer",
    "OutcomeRequest",
    "Preferences",
    "ProvenanceAnswer",
    "RankedAction",
    "Recommendation",
    "RecommendationAnswer",
    "RecommendationRequest",
    "ReplayAnswer",
    "ReplayDifference",
    "RequestConstraints",
    "ShadowAnswer",
    "Step",
]


class _Account(TypedDict):
    account_id: str


class Account(_Account, total=False):
    """An account to decide about: opaque ids and facts; names, phones and addresses are refused."""

    debtor_id: str | None
    country: str | None
    subdivision: str | None
    timezone: str | None
    phone_timezones: list[str] | None
    due_date: str | None
    balance_minor: int | None
    consented_channels: list[str] | None
    flags: list[str] | None
    party: Literal["debtor", "codebtor", "guarantor", "reference"] | None
    last_paid_on: str | None
    promise_on: str | None
    promise_state: Literal["open", "kept", "broken", "none"] | None
    cured_on: str | None
    information_requested_on: str | None
    fraud_noticed_on: str | None
    late_due_share: float | None
    packs: list[str] | None
    contacts: list[Contact] | None
    features: dict[str, str | int | float | bool | None]
    offered: list[Offered] | None
    constraints: Constraints | None


class BestHoursAnswer(TypedDict):
    """Every hour, in time, and the best of them."""

    as_of: str
    purpose: str
    channel: str
    policy: Literal["model", "seed_rules"]
    policy_version: str
    hours: list[HourAhead]
    best: list[HourAhead]


class _BestHoursRequest(TypedDict):
    account: Account
    channel: Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]


class BestHoursRequest(_BestHoursRequest, total=False):
    """When is this account best reached over one channel."""

    as_of: str | None
    purpose: Literal[
        "collection",
        "pre_due_reminder",
        "promise_follow_up",
        "payment_confirmation",
        "win_back",
        "fraud_alert",
        "requested_information",
    ]
    days: int
    slots: int


class ChainedContact(TypedDict):
    """One step: taken when every step before it failed, and decided anew then."""

    as_of: str
    contact_at: str | None
    factors: dict[str, str | int | float | bool | None]
    propensity: float
    expected_reward: float | None
    template_id: str | None
    after: Literal["bounced", "not_connected", "not_read"] | None


class CheckAnswer(TypedDict):
    """Whether the contact may be made."""

    id: str | int | None
    allowed: bool
    rules: list[str]
    citations: dict[str, str]
    next_allowed_at: str | None


class _CheckRequest(TypedDict):
    packs: list[str]
    at: str
    channel: Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]


class CheckRequest(_CheckRequest, total=False):
    """One contact to judge before it is sent."""

    id: str | int | None
    purpose: Literal[
        "collection",
        "pre_due_reminder",
        "promise_follow_up",
        "payment_confirmation",
        "win_back",
        "fraud_alert",
        "requested_information",
    ]
    account: CheckedAccount
    contacts: list[CheckedContact] | None


class CheckedAccount(TypedDict, total=False):
    """What is known of the account; what is missing is unknown, and denies. A phone number is refused."""

    account_id: str | int | None
    debtor_id: str | int | None
    country: str | None
    subdivision: str | None
    timezone: str | None
    phone_timezones: list[str] | None
    due_date: str | None
    balance_minor: int | float | None
    consented_channels: list[str] | None
    flags: list[str] | None
    party: Literal["debtor", "codebtor", "guarantor", "reference"] | None
    place: Literal["home", "work"] | None
    last_paid_on: str | None
    promise_on: str | None
    promise_state: Literal["open", "kept", "broken", "none"] | None
    cured_on: str | None
    information_requested_on: str | None
    fraud_noticed_on: str | None
    late_due_share: float | None
    preferences: Preferences | None


class _CheckedContact(TypedDict):
    sent_at: str


class CheckedContact(_CheckedContact, total=False):
    """A contact of the history that a check counts; what is missing is unknown."""

    channel: Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"] | None
    account_id: str | int | None
    initiated_by: Literal["creditor", "debtor"] | None
    outcome: (
        Literal[
            "attempt",
            "live_contact",
            "attempted",
            "not_connected",
            "bounced",
            "delivered",
            "read",
            "replied",
            "wrong_party",
            "right_party_contact",
            "promise_to_pay",
            "promise_kept",
            "paid",
            "opt_out",
            "complaint",
            "answered",
            "third_party",
            "promise_broken",
            "paid_in_full",
            "payment_reversed",
            "opt_out_all",
            "opt_in",
            "complaint_resolved",
            "dispute",
            "dispute_resolved",
            "callback_requested",
            "number_invalid",
            "deceased",
            "contact_stopped",
            "contact_resumed",
            "insolvent",
            "represented",
            "in_lawsuit",
            "hardship",
            "contact_agreed",
            "agreement_withdrawn",
        ]
        | None
    )
    status: Literal["sent", "planned"] | None
    place: str | None
    purpose: (
        Literal[
            "collection",
            "pre_due_reminder",
            "promise_follow_up",
            "payment_confirmation",
            "win_back",
            "fraud_alert",
            "requested_information",
        ]
        | None
    )
    promise_date: str | None
    callback_at: str | None


class Constraints(TypedDict, total=False):
    """What is open for an account beside the law; it only takes actions away, and leaving alone stays."""

    channels: list[Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]] | None
    earliest: str | None
    latest: str | None
    allowed_actions: list[dict[str, str | int | float | bool | None]] | None
    excluded_actions: list[dict[str, str | int | float | bool | None]]


class _Contact(TypedDict):
    account_id: str
    sent_at: str
    channel: str


class Contact(_Contact, total=False):
    """A past or planned contact of the account's debtor."""

    initiated_by: Literal["creditor", "debtor"]
    outcome: (
        Literal[
            "attempt",
            "live_contact",
            "attempted",
            "not_connected",
            "bounced",
            "delivered",
            "read",
            "replied",
            "wrong_party",
            "right_party_contact",
            "promise_to_pay",
            "promise_kept",
            "paid",
            "opt_out",
            "complaint",
            "answered",
            "third_party",
            "promise_broken",
            "paid_in_full",
            "payment_reversed",
            "opt_out_all",
            "opt_in",
            "complaint_resolved",
            "dispute",
            "dispute_resolved",
            "callback_requested",
            "number_invalid",
            "deceased",
            "contact_stopped",
            "contact_resumed",
            "insolvent",
            "represented",
            "in_lawsuit",
            "hardship",
            "contact_agreed",
            "agreement_withdrawn",
        ]
        | None
    )
    status: Literal["sent", "planned"]
    hour: int | None
    tone: str | None
    reward: float | None
    purpose: (
        Literal[
            "collection",
            "pre_due_reminder",
            "promise_follow_up",
            "payment_confirmation",
            "win_back",
            "fraud_alert",
            "requested_information",
        ]
        | None
    )
    promise_date: str | None
    callback_at: str | None


class ContrastAnswer(TypedDict):
    """Why one action and not another; positive speaks for ``action``."""

    decision_id: str
    policy_version: str
    action: dict[str, str | int | float | bool | None]
    against: dict[str, str | int | float | bool | None]
    eligible: list[bool]
    reward_difference: float
    lo: float
    hi: float
    concepts: dict[str, float]
    by_factor: dict[str, float]
    reasons: list[str]


class DebtorExport(TypedDict):
    """Everything that the log holds about one debtor; the rows as they are kept."""

    debtor_id: str
    decisions: list[dict[str, Any]]
    kept_states: list[dict[str, Any]]


class DecisionAnswer(TypedDict):
    """A decision as it was written down, with its outcomes so far."""

    decision_id: str
    account_id: str
    debtor_id: str | None
    request_key: str | None
    decided_at: str
    contact_at: str | None
    no_contact: bool
    action: int
    factors: dict[str, str | int | float | bool | None]
    propensity: float
    eligible: list[int]
    n_actions: int
    ranking: list[RankedAction]
    context: dict[str, str | int | float | bool | None]
    fallback: bool
    deterministic: bool
    seed: int | None
    purpose: str
    shadow: ShadowAnswer | None
    provenance: ProvenanceAnswer
    state: str
    events: list[LoggedEvent]
    outcomes: list[LoggedOutcome]


class DecisionList(TypedDict):
    """A page of decisions, newest first."""

    decisions: list[ListedDecision]
    next_cursor: str | None


class _Dispatch(TypedDict):
    dispatch_id: str
    decision_id: str


class Dispatch(_Dispatch, total=False):
    """One contact: may it be sent now, was it sent, was it given up."""

    state: Literal["reserve", "sent", "cancelled", "expired", "undelivered"]
    at: str | None
    account: Account | None
    closed_channels: list[Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]]
    fallback: bool
    instead: Instead | None
    reason: str | None


class DispatchAnswer(TypedDict):
    """Results in the order of the request, without those in errors."""

    results: list[DispatchResult]
    errors: list[ItemProblem]


class DispatchRequest(TypedDict):
    """One or many contacts, each judged on its own."""

    dispatches: list[Dispatch]


class DispatchResult(TypedDict):
    """What became of one contact."""

    dispatch_id: str
    decision_id: str
    state: str
    may_send: bool
    no_contact: bool
    chosen_by: Literal["policy", "fallback", "sender"]
    factors: dict[str, str | int | float | bool | None]
    contact_at: str | None
    propensity: float | None
    rules: list[str] | None
    next_allowed_at: str | None
    repeated: bool


class ExplainedAction(TypedDict):
    """What the model made of one action; ``baseline`` and the concepts sum to ``expected_reward``."""

    rank: int
    factors: dict[str, str | int | float | bool | None]
    expected_reward: float
    baseline: float
    concepts: dict[str, float]


class ExplanationAnswer(TypedDict):
    """Why this action."""

    decision_id: str
    policy: Literal["model", "seed_rules"]
    policy_version: str
    factors: dict[str, str | int | float | bool | None]
    propensity: float
    explored: bool
    exploration_probability: float | None
    steps: list[Step]
    reasons: list[str]
    actions: list[ExplainedAction]


class FallbackChainAnswer(TypedDict):
    """The chain; empty where no contact is legal or the account is left alone."""

    as_of: str
    purpose: str
    policy: Literal["model", "seed_rules"]
    policy_version: str
    steps: list[ChainedContact]


class _FallbackChainRequest(TypedDict):
    account: Account


class FallbackChainRequest(_FallbackChainRequest, total=False):
    """What follows if a contact fails."""

    as_of: str | None
    purpose: Literal[
        "collection",
        "pre_due_reminder",
        "promise_follow_up",
        "payment_confirmation",
        "win_back",
        "fraud_alert",
        "requested_information",
    ]
    steps: int
    wait_hours: float
    days: int
    failures: dict[str, Literal["bounced", "not_connected", "not_read"]] | None
    explore: bool
    seed: int | None


class Feature(TypedDict):
    """One feature that is taken."""

    name: str
    kind: Literal["number", "category", "any"]
    unit: str | None
    levels: list[str]
    range: list[float] | None


class FeaturesAnswer(TypedDict):
    """The contract of the features."""

    source: Literal["model", "declared", "none"]
    policy_version: str
    open: bool
    features: list[Feature]


class Forgotten(TypedDict):
    """What an erasure took away."""

    decisions: int
    outcomes: int


class HourAhead(TypedDict):
    """One hour of the days ahead, as the account will stand if nothing happens before."""

    date: str
    weekday: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    hour: int
    contact_at: str
    legal: bool
    rules: list[str]
    citations: list[str]
    expected_reward: float | None
    lo: float | None
    hi: float | None
    factors: dict[str, str | int | float | bool | None]
    template_id: str | None


class _Instead(TypedDict):
    channel: Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]
    reason: str


class Instead(_Instead, total=False):
    """A contact of the sender's own choosing."""

    tone: str | None


class ItemProblem(TypedDict):
    """An item of a request that could not be answered; the others were."""

    position: int
    account_id: str | None
    status: int
    detail: str
    column: str | None


class ListedDecision(TypedDict):
    """A decision in short."""

    decision_id: str
    account_id: str
    debtor_id: str | None
    decided_at: str
    contact_at: str | None
    no_contact: bool
    factors: dict[str, str | int | float | bool | None]
    propensity: float
    policy_version: str
    segment: str | None
    state: str


class LoggedEvent(TypedDict):
    """Something that became of a planned contact, as it was told."""

    kind: str
    at: str
    told_at: str | None
    dispatch_id: str | None
    channel: str | None
    reason: str | None
    propensity: float | None
    factors: dict[str, str | int | float | bool | None] | None
    rules: list[str] | None


class LoggedOutcome(TypedDict):
    """An outcome as it was told."""

    outcome_id: str
    occurred_at: str
    outcome: str
    amount_minor: int | None
    currency: str | None
    replaces: str | None
    promise_date: str | None
    callback_at: str | None


class OfferAnswer(TypedDict):
    """The offer that an action makes."""

    id: str
    kind: Literal["discount", "instalments"]
    percent: float | None
    instalments: int | None
    cost_minor: float
    currency: str
    expires_at: str


class _Offered(TypedDict):
    offer_id: str
    offered_at: str


class Offered(_Offered, total=False):
    """An offer that was made to the account's debtor and that the decision log does not know."""

    valid_until: str | None
    status: Literal["open", "sent", "accepted", "refused", "expired", "withdrawn"]
    cost_minor: float | None


class _Outcome(TypedDict):
    decision_id: str
    occurred_at: str
    outcome: Literal[
        "attempted",
        "not_connected",
        "bounced",
        "delivered",
        "read",
        "replied",
        "wrong_party",
        "right_party_contact",
        "promise_to_pay",
        "promise_kept",
        "paid",
        "opt_out",
        "complaint",
        "answered",
        "third_party",
        "promise_broken",
        "paid_in_full",
        "payment_reversed",
        "opt_out_all",
        "opt_in",
        "complaint_resolved",
        "dispute",
        "dispute_resolved",
        "callback_requested",
        "number_invalid",
        "deceased",
        "contact_stopped",
        "contact_resumed",
        "insolvent",
        "represented",
        "in_lawsuit",
        "hardship",
        "contact_agreed",
        "agreement_withdrawn",
    ]


class Outcome(_Outcome, total=False):
    """One thing that happened after a decision."""

    amount_minor: int | None
    currency: str | None
    outcome_id: str | None
    replaces: str | None
    account_id: str | None
    debtor_id: str | None
    promise_date: str | None
    callback_at: str | None


class OutcomeAnswer(TypedDict):
    """What became of the outcomes."""

    stored: int
    repeated: int
    orphans: list[str]
    late: list[str]


class OutcomeRequest(TypedDict):
    """One or many outcomes; all of them are written down, or none."""

    outcomes: list[Outcome]


class Preferences(TypedDict, total=False):
    """What the debtor asked for; it only tightens."""

    hours: list[str] | None
    days: list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]] | None
    channels: list[Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]] | None


class ProvenanceAnswer(TypedDict):
    """The versions that a decision was made with."""

    policy_version: str
    model_digest: str | None
    rule_packs: dict[str, str]
    holidays_version: str | None
    tzdata_version: str | None
    code_version: str | None


class _RankedAction(TypedDict):
    rank: int
    no_contact: bool
    factors: dict[str, str | int | float | bool | None]
    contact_at: str | None
    template_id: str | None
    expected_reward: float | None
    lo: float | None
    hi: float | None
    propensity: float
    evidence: float
    support: bool


class RankedAction(_RankedAction, total=False):
    """One ranked action."""

    values: dict[str, float | None] | None
    offer: OfferAnswer | None


class _Recommendation(TypedDict):
    account_id: str
    decision_id: str
    policy: Literal["model", "seed_rules"]
    deterministic: bool
    actions: list[RankedAction]
    eligible_actions: int
    segment: str | None
    needs_human: bool


class Recommendation(_Recommendation, total=False):
    """What to do with one account."""

    next_allowed_at: str | None


class RecommendationAnswer(TypedDict):
    """Recommendations with the versions that made them."""

    as_of: str
    purpose: str
    policy_version: str
    code_version: str
    packs: dict[str, Any]
    removed_by_rule: dict[str, int]
    recorded: bool
    notes: list[str]
    recommendations: list[Recommendation]
    errors: list[ItemProblem]


class _RecommendationRequest(TypedDict):
    accounts: list[Account]


class RecommendationRequest(_RecommendationRequest, total=False):
    """One or many accounts."""

    as_of: str | None
    top_k: int
    explore: bool
    seed: int | None
    purpose: Literal[
        "collection",
        "pre_due_reminder",
        "promise_follow_up",
        "payment_confirmation",
        "win_back",
        "fraud_alert",
        "requested_information",
    ]
    request_key: str | None
    constraints: RequestConstraints | None
    supersede: bool


class ReplayAnswer(TypedDict):
    """What became of deciding again from what the log holds."""

    decision_id: str
    result: Literal["same", "same within rounding", "differs", "not replayed"]
    differences: list[ReplayDifference]
    policy_version: str


class ReplayDifference(TypedDict):
    """Something that came out otherwise."""

    what: str
    rank: int | None
    logged: Any
    again: Any


class RequestConstraints(TypedDict, total=False):
    """What is open for all accounts of a request."""

    channels: list[Literal["call", "sms", "whatsapp", "email", "ivr", "letter", "visit"]] | None
    earliest: str | None
    latest: str | None
    allowed_actions: list[dict[str, str | int | float | bool | None]] | None
    excluded_actions: list[dict[str, str | int | float | bool | None]]
    capacity: dict[str, int] | None


class ShadowAnswer(TypedDict):
    """What the challenger would have done."""

    factors: dict[str, str | int | float | bool | None]
    expected_reward: float | None
    policy_version: str


class Step(TypedDict):
    """One step from all actions to those that were open."""

    step: str
    left: int
    removed: int
