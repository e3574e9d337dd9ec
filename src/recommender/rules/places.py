"""Which packs hold where: an account falls under the law of its own country and subdivision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from recommender.rules.loading import PackError, pack_ids

__all__ = ["HOUSE_PACKS", "house_packs", "named_packs", "packs_of_place", "with_house"]

HOUSE_PACKS = ("HOUSE", "TRADE")
"""Packs that hold beside the law of every country unless they are switched off by name."""


def house_packs(without: Sequence[str] = ()) -> tuple[str, ...]:
    """House policy that holds beside the law.

    Parameters
    ----------
    without : sequence of str
        Packs that are switched off.

    Raises
    ------
    PackError
        For a name that is no pack of the house: the law cannot be switched off.
    """
    if unknown := sorted({*without} - {*HOUSE_PACKS}):
        raise PackError(
            f"Only {' and '.join(HOUSE_PACKS)} can be switched off; got {', '.join(unknown)}.",
            column="without",
            mend="The law of a country and the floor hold always.",
        )
    return tuple(pack for pack in HOUSE_PACKS if pack not in without)


def named_packs(cell: object) -> tuple[str, ...]:
    """Packs that a cell of accounts names, as text or as a list; one without any is under no law, which denies."""
    return _named(cell if isinstance(cell, str) else ";".join(map(str, cell)) if isinstance(cell, Iterable) else "")


@lru_cache(maxsize=1_024)
def _named(text: str) -> tuple[str, ...]:
    names = text.strip("[]() ").replace(",", ";").split(";")
    return tuple(name for one in names if (name := one.strip(" '\"")) and name not in ("nan", "None", "<NA>"))


def with_house(packs: Sequence[str], house: Sequence[str]) -> list[str]:
    """Packs of an account with those of the house; under no law it stays under none, which denies everything."""
    return list(dict.fromkeys([*packs, *house])) if packs else []


def packs_of_place(country: str | None, subdivision: str | None, default: Sequence[str]) -> list[str]:
    """Rule packs of an account by its place.

    Parameters
    ----------
    country, subdivision : str or None
        ISO 3166-1 and 3166-2 codes, e.g. ``"US"`` and ``"US-MA"``.
    default : sequence of str
        Packs of accounts that name no country; those of the same country are added to the account's own.

    Returns
    -------
    list of str
        Empty for a country without a pack: under no known law everything is denied.
    """
    if country is None:
        return list(default)
    country = "UK" if country == "GB" else country  # the pack is named as people say it
    own = [pack for pack in (subdivision, country) if pack in _known()]
    return list(dict.fromkeys([*own, *(pack for pack in default if pack.partition("-")[0] == country)]))


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(pack_ids())
