"""What we may do: rule packs, and the mask of eligible actions that they leave."""

from recommender.rules.cases import (
    check_case,
    check_cases,
    check_lines,
)
from recommender.rules.eligibility import (
    Eligibility,
    eligibility,
    judged,
)
from recommender.rules.examples import (
    run_examples,
)
from recommender.rules.facts import (
    due_days,
    own_days,
)
from recommender.rules.guardrails import (
    Guardrails,
)
from recommender.rules.loading import (
    PackError,
    check_in_force,
    load_pack,
    pack_digest,
    pack_ids,
    pack_warnings,
    parse_pack,
    rule_books,
)
from recommender.rules.named_holidays import (
    named_holidays,
)
from recommender.rules.phone_zones import (
    phone_timezones,
)
from recommender.rules.places import (
    HOUSE_PACKS,
    PURPOSE_PACK,
    house_packs,
    named_packs,
    packs_of_place,
    switched_off,
    under_house,
    with_house,
)
from recommender.rules.provenance import (
    Provenance,
    rule_citations,
)
from recommender.rules.purpose_rules import (
    speaks_names,
)
from recommender.rules.schema import (
    Cap,
    Pack,
    SpeaksOf,
    Window,
)
from recommender.rules.vocabulary import (
    CHANNELS,
    FLAGS,
    KINDS,
    OFFER_KINDS,
    PARTIES,
    PURPOSES,
    TOLD_FLAGS,
    TONES,
    Channel,
    MessageKind,
    Purpose,
    Tone,
    kind_of,
)

__all__ = [
    "CHANNELS",
    "FLAGS",
    "HOUSE_PACKS",
    "KINDS",
    "OFFER_KINDS",
    "PARTIES",
    "PURPOSES",
    "PURPOSE_PACK",
    "TOLD_FLAGS",
    "TONES",
    "Cap",
    "Channel",
    "Eligibility",
    "Guardrails",
    "MessageKind",
    "Pack",
    "PackError",
    "Provenance",
    "Purpose",
    "SpeaksOf",
    "Tone",
    "Window",
    "check_case",
    "check_cases",
    "check_in_force",
    "check_lines",
    "due_days",
    "eligibility",
    "house_packs",
    "judged",
    "kind_of",
    "load_pack",
    "named_holidays",
    "named_packs",
    "own_days",
    "pack_digest",
    "pack_ids",
    "pack_warnings",
    "packs_of_place",
    "parse_pack",
    "phone_timezones",
    "rule_books",
    "rule_citations",
    "run_examples",
    "speaks_names",
    "switched_off",
    "under_house",
    "with_house",
]
