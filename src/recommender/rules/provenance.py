"""What a verdict rests on: packs, their digests, and the versions of calendars and zones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from recommender.local_time import TZDATA_VERSION
from recommender.rules.calendars import HOLIDAYS_VERSION
from recommender.rules.law import Law
from recommender.rules.loading import RuleBook, pack_digest, pack_warnings, rule_books
from recommender.rules.schema import Pack

__all__ = ["Provenance", "provenance_of", "rule_citations"]

_MOST_KEPT = 256


@dataclass(frozen=True)
class Provenance:
    """Enough to decide again the same way.

    Attributes
    ----------
    packs : tuple of dict
        ``id``, ``version``, ``digest``, ``legal_status`` of each.
    holidays, tzdata : str
        Versions.
    readings : tuple of str
        Rules taken in their looser reading.
    warnings : tuple of str
        Packs past their review age, contacts that belong to no account.
    sources : dict
        Citation by ``pack/source``.
    """

    packs: tuple[dict[str, str], ...]
    holidays: str
    tzdata: str
    readings: tuple[str, ...]
    warnings: tuple[str, ...]
    sources: dict[str, str]

    def citation(self, rule: str) -> str:
        """Law and article of a rule id; empty for rules of the engine."""
        return self.sources.get(rule, "")

    @cached_property
    def summary(self) -> dict[str, Any]:
        """What an answer says of it: everything but the citations; not to be changed."""
        return {
            "packs": tuple(dict(pack) for pack in self.packs),
            "holidays": self.holidays,
            "tzdata": self.tzdata,
            "readings": self.readings,
            "warnings": self.warnings,
        }

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def provenance_of(
    packs: Sequence[Pack], on: dt.date, *, readings: tuple[str, ...] = (), unmatched_contacts: int = 0
) -> Provenance:
    """Describe packs as used on a date."""
    provenance = _of_packs(packs, on, readings)
    if not unmatched_contacts:
        return provenance
    unmatched = f"{unmatched_contacts:,} contacts belong to no account of the table and were not counted."
    return replace(provenance, warnings=(*provenance.warnings, unmatched))


_KEPT: dict[tuple[Any, ...], tuple[tuple[Pack, ...], Provenance]] = {}


def _of_packs(packs: Sequence[Pack], on: dt.date, readings: tuple[str, ...]) -> Provenance:
    """What is told of packs on a day; kept by identity, as packs do not change once they are loaded."""
    key = (on, readings, *map(id, packs))
    cached = _KEPT.get(key)
    if cached is None:
        described = tuple(
            {
                "id": pack.id,
                "version": pack.pack_version,
                "digest": pack_digest(pack),
                "legal_status": pack.legal_status,
            }
            for pack in packs
        )
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        provenance = Provenance(
            packs=described,
            holidays=HOLIDAYS_VERSION,
            tzdata=TZDATA_VERSION,
            readings=readings,
            warnings=tuple(pack_warnings(packs, on)),
            sources=citations(packs),
        )
        cached = _KEPT[key] = (tuple(packs), provenance)  # the packs are held, so that ids stay theirs
    return cached[1]


def rule_citations(packs: Sequence[str]) -> dict[str, str]:
    """Law and article behind each rule id of the packs named and of those that they bring along."""
    return citations(list({pack.id: pack for book in rule_books(packs) for pack in book.packs}.values()))


def citations(packs: Sequence[Pack]) -> dict[str, str]:
    """Law and article behind each rule id of some packs."""
    cited: dict[str, str] = {}
    for pack in packs:
        named = {source.id: f"{source.law}, {source.article}" for source in pack.sources}
        for purpose in dict.fromkeys(["collection", *(rule.purpose for rule in pack.speaks_of)]):
            for rule in Law.compile([RuleBook(pack.id, (pack,), ())], purpose).names:
                if rule.pack == pack.id and rule.cite in named:
                    cited[rule.id] = named[rule.cite].removesuffix(", -")
    return cited
