"""What we may do: rule packs, and the mask of eligible actions that they leave."""

from recommender.guardrails.eligibility import Eligibility, eligibility
from recommender.guardrails.loading import PackError, load_pack, pack_ids, pack_warnings, parse_pack
from recommender.guardrails.provenance import Provenance
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
    "eligibility",
    "load_pack",
    "pack_ids",
    "pack_warnings",
    "parse_pack",
]
