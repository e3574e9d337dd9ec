"""The example cases that each pack carries, and whether the engine agrees with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recommender.rules.cases import check_case
from recommender.rules.loading import RuleBook
from recommender.rules.schema import Pack, PackCase
from recommender.rules.vocabulary import CHANNELS

__all__ = ["ExampleResult", "run_examples"]

#: Where a pack that names no zone is tried.
_DEFAULT_ZONE, _DEFAULT_COUNTRY = "America/Bogota", "CO"


@dataclass(frozen=True)
class ExampleResult:
    """One example and what the engine said."""

    pack: str
    case: PackCase
    allowed: bool
    rules: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether the verdict is the one the pack states, for the reasons it states."""
        return self.allowed == self.case.allowed and set(self.case.rules) <= set(self.rules)


def run_examples(pack: Pack) -> list[ExampleResult]:
    """Judge every example of a pack.

    Parameters
    ----------
    pack : Pack
        An overlay is tried beside ``HOUSE``.
    """
    results = []
    packs = ["HOUSE"] if pack.kind == "overlay" else [pack.id]
    for case in pack.cases:
        verdict = check_case(_as_check(pack, case, packs), overlays=[pack] if pack.kind == "overlay" else [])
        results.append(ExampleResult(pack.id, case, verdict["allowed"], tuple(verdict["rules"])))
    return results


def _as_check(pack: Pack, case: PackCase, packs: list[str]) -> dict[str, Any]:
    zones = RuleBook.of(pack).zones
    account: dict[str, Any] = {
        "account_id": "A1",
        "debtor_id": "D1",
        "country": pack.jurisdiction[:2] or _DEFAULT_COUNTRY,
        "subdivision": None,
        "timezone": None if case.unknown_zone else (zones or (_DEFAULT_ZONE,))[0],
        "due_date": "2026-01-31",
        "balance_minor": 100_000,
        "consented_channels": list(CHANNELS),
        "flags": [],
        "party": "debtor",
    }
    return {
        "id": case.name,
        "packs": packs,
        "at": case.at.isoformat(),
        "channel": case.channel,
        "purpose": case.purpose,
        "account": account | case.account,
        "contacts": [dict(contact) for contact in case.contacts],
    }
