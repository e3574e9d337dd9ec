"""What we may do: rule packs, and the mask of eligible actions that they leave."""

from recommender.guardrails.cases import check_case, check_cases, check_lines
from recommender.guardrails.eligibility import Eligibility, eligibility
from recommender.guardrails.loading import PackError, load_pack, pack_ids, pack_warnings, parse_pack
from recommender.guardrails.phone_zones import phone_timezones
from recommender.guardrails.places import packs_of_place
from recommender.guardrails.provenance import Provenance, rule_citations
from recommender.guardrails.schema import Pack
from recommender.guardrails.vocabulary import CHANNELS, FLAGS, PARTIES, PURPOSES, TONES

__all__ = [
    "CHANNELS",
    "FLAGS",
    "PARTIES",
    "PURPOSES",
    "TONES",
    "Eligibility",
    "Pack",
    "PackError",
    "Provenance",
    "check_case",
    "check_cases",
    "check_lines",
    "eligibility",
    "load_pack",
    "pack_ids",
    "pack_warnings",
    "packs_of_place",
    "parse_pack",
    "phone_timezones",
    "rule_citations",
]
