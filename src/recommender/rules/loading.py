"""Read rule packs: packaged ones by id, overlays from a mapping or TOML text."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

from pydantic import ValidationError

from recommender.errors import InvalidInput
from recommender.rules.schema import Pack

__all__ = ["FLOOR", "PackError", "RuleBook", "load_pack", "pack_ids", "pack_warnings", "parse_pack"]

#: The pack that always applies.
FLOOR = "FLOOR"
#: Sections that packs were logged without, before this code read them.
_LATER_SECTIONS = ("speaks_of",)


class PackError(InvalidInput):
    """A rule pack that cannot be used: unknown key, unresolved citation, expired, unknown id."""


@dataclass(frozen=True)
class RuleBook:
    """Packs that are evaluated together, with the zones that an account of unknown zone may be in.

    Attributes
    ----------
    id : str
        Of the pack that was asked for.
    packs : tuple of Pack
        The pack and what it extends, the widest first. Every one of them must allow.
    zones : tuple of str
        Of the narrowest pack that names any; empty for an overlay, which takes those of the packs beside it.
    """

    id: str
    packs: tuple[Pack, ...]
    zones: tuple[str, ...]

    @classmethod
    def of(cls, pack: Pack) -> RuleBook:
        """Resolve what ``pack`` extends."""
        chain = [pack]
        while (parent := chain[0].extends) is not None:
            if parent in {link.id for link in chain}:
                raise PackError(f"Pack {pack.id!r} extends itself.", mend="Break the circle of 'extends'.")
            chain.insert(0, load_pack(parent))
        zones = next((link.time.zones for link in reversed(chain) if link.time.zones), ())
        return cls(pack.id, tuple(chain), zones)

    @property
    def has_windows(self) -> bool:
        """Whether a channel that no window names is forbidden: an overlay does not speak of every channel."""
        return any(pack.kind != "overlay" and pack.id != FLOOR for pack in self.packs)


def pack_ids() -> tuple[str, ...]:
    """Ids of the packaged packs, sorted."""
    folder = resources.files("recommender.rules") / "packs"
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml")))


@lru_cache(maxsize=64)
def load_pack(pack_id: str) -> Pack:
    """Load a packaged pack.

    Raises
    ------
    PackError
        For an unknown id or a pack that breaks the schema.
    """
    if pack_id not in pack_ids():
        raise PackError(
            f"There is no rule pack {pack_id!r}.", column="packs", mend=f"Known packs are {', '.join(pack_ids())}."
        )
    source = resources.files("recommender.rules") / "packs" / f"{pack_id}.toml"
    pack = parse_pack(source.read_text(encoding="utf-8"), origin=f"packs/{pack_id}.toml")
    if pack.id != pack_id:
        raise PackError(f"packs/{pack_id}.toml says id = {pack.id!r}.", mend="File name and id must agree.")
    return pack


def parse_pack(content: str | Mapping[str, Any], *, origin: str = "overlay") -> Pack:
    """Check a pack given as TOML text or as the mapping that TOML would give.

    Raises
    ------
    PackError
        Names every place that breaks the schema: unknown keys, missing ones, a window with ``from >= to``, a
        citation that no source resolves.
    """
    try:
        raw = tomllib.loads(content) if isinstance(content, str) else dict(content)
    except tomllib.TOMLDecodeError as error:
        raise PackError(f"{origin} is no TOML: {error}.", mend="Mend the syntax at the line named.") from error
    try:
        return Pack.model_validate(raw)
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(str(step) for step in fault['loc']) or 'pack'}: {fault['msg']}" for fault in error.errors()
        )
        raise PackError(
            f"{origin} breaks the schema of rule packs: {places}.",
            mend="The vocabulary is closed; docs/guardrails.md lists every key.",
        ) from error


def pack_digest(pack: Pack) -> str:
    """SHA-256 over the content of a pack; comments and order of keys in the file do not matter.

    A section that later versions of this code read, and that a pack does not have, is no content of it: what was
    logged under a pack stays comparable.
    """
    later = {name for name in _LATER_SECTIONS if not getattr(pack, name)}
    said = pack.model_dump(mode="json", by_alias=True, exclude=later)
    content = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def check_in_force(packs: Iterable[Pack], on: dt.date) -> None:
    """Refuse packs whose ``valid_to`` has passed.

    Raises
    ------
    PackError
    """
    for pack in packs:
        if pack.valid_to is not None and on > pack.valid_to:
            raise PackError(
                f"Rule pack {pack.id!r} ended on {pack.valid_to}; it cannot decide about {on}.",
                column="packs",
                mend="Install the pack that follows it, or review and extend valid_to.",
            )


def pack_warnings(packs: Iterable[Pack], on: dt.date) -> list[str]:
    """Say which packs have gone without review for longer than they allow."""
    return [
        f"Rule pack {pack.id} was last reviewed on {pack.reviewed_on}, {(on - pack.reviewed_on).days} days ago"
        f" (allowed: {pack.review_max_age_days}); have counsel review it."
        for pack in packs
        if (on - pack.reviewed_on).days > pack.review_max_age_days
    ]


def check_readings(readings: Iterable[str], overlays: Iterable[Pack] = ()) -> frozenset[str]:
    """Refuse the id of a looser reading that no pack offers.

    Raises
    ------
    PackError
    """
    offered: set[str] = set()
    for pack in (*(load_pack(name) for name in pack_ids()), *overlays):
        offered |= {cap.id for cap in pack.caps if cap.alt is not None}
        offered |= {rule.id for rule in pack.exclusive_channel if rule.alt is not None}
        offered |= {window.id for window in pack.windows if window.alternative}
    if unknown := sorted({*readings} - offered):
        raise PackError(
            f"No pack offers another reading of {', '.join(unknown)}.",
            column="readings",
            mend=f"Readings on offer are {', '.join(sorted(offered))}.",
        )
    return frozenset(readings)


def rule_books(packs: Sequence[str], overlays: Sequence[Pack] = ()) -> tuple[RuleBook, ...]:
    """Books of the packs asked for, the floor first, overlays last; a pack asked for twice counts once."""
    chosen = [FLOOR, *dict.fromkeys(pack for pack in packs if pack != FLOOR)]
    return (*(RuleBook.of(load_pack(pack)) for pack in chosen), *(RuleBook.of(pack) for pack in overlays))
