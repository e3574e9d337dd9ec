"""Which packs hold where: an account falls under the law of its own country and subdivision."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd

from recommender.intake import is_subdivision, subdivision_code
from recommender.rules.loading import PackError, pack_ids

__all__ = ["HOUSE_PACKS", "PURPOSE_PACK", "house_packs", "named_packs", "packs_of_place", "switched_off", "under_house"]
__all__ += ["with_house"]

HOUSE_PACKS = ("HOUSE", "TRADE")
"""Packs that hold beside the law of every country unless they are switched off by name."""

PURPOSE_PACK = "PURPOSE"
"""Pack that says whom each purpose but collection is for: it holds in every decision, whatever packs that was given,
unless it is switched off by name."""


def house_packs(without: Sequence[str] = ()) -> tuple[str, ...]:
    """House policy that holds beside the law.

    Parameters
    ----------
    without : sequence of str
        Packs that are switched off; ``PURPOSE`` may be among them, which is no part of the answer.

    Raises
    ------
    PackError
        For a name that is no pack of the house: the law cannot be switched off.
    """
    if unknown := sorted({*without} - {*HOUSE_PACKS, PURPOSE_PACK}):
        raise PackError(
            f"Only {' and '.join(HOUSE_PACKS)} (and {PURPOSE_PACK}) can be switched off; got {', '.join(unknown)}.",
            column="without",
            mend="The law of a country and the floor hold always.",
        )
    return tuple(pack for pack in HOUSE_PACKS if pack not in without)


def switched_off(house: Sequence[str]) -> tuple[str, ...]:
    """Packs of the house that were switched off by name, by those that hold."""
    return tuple(pack for pack in HOUSE_PACKS if pack not in house)


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
        ISO 3166-1 and 3166-2 codes, e.g. ``"US"`` and ``"US-MA"``; ``"MA"`` and ``"Massachusetts"`` are read as well.
        Under a part that is not known the packs of all parts of the country hold.
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
    part = subdivision_code(country, subdivision)
    named = [part] if part is None or is_subdivision(part) else _parts_of(country)  # which one is meant nobody knows
    own = [pack for pack in (*named, country) if pack in _known()]
    return list(dict.fromkeys([*own, *(pack for pack in default if pack.partition("-")[0] == country)]))


def under_house(accounts: pd.DataFrame, house: Sequence[str], default: Sequence[str] = ("CO",)) -> pd.DataFrame:
    """Accounts with the packs that each is judged by.

    Parameters
    ----------
    accounts : DataFrame
    house : sequence of str
        See :func:`house_packs`.
    default : sequence of str
        As :func:`packs_of_place` takes it.

    Returns
    -------
    DataFrame
        With ``packs``: those that an account names, else those of its place, and with either those of the house. As
        it was where accounts name neither packs nor a country.
    """
    if "packs" in accounts.columns:
        own: Iterable[object] = accounts["packs"]
    elif "country" in accounts.columns:
        own = _packs_by_place(accounts, default)
    else:
        return accounts
    return accounts.assign(packs=[";".join(with_house(named_packs(cell), house)) for cell in own])


def _packs_by_place(accounts: pd.DataFrame, default: Sequence[str]) -> list[str]:
    """Rule packs of each account by its country and subdivision."""
    subdivision = accounts["subdivision"] if "subdivision" in accounts.columns else pd.Series(None, accounts.index)
    (country, countries), (part, parts) = (
        pd.factorize(names.astype(object), use_na_sentinel=False) for names in (accounts["country"], subdivision)
    )
    pairs, code = np.unique(country * np.int64(len(parts)) + part, return_inverse=True)
    packs = []
    for pair in pairs.tolist():
        names = (countries[pair // len(parts)], parts[pair % len(parts)])
        named, within = (name if isinstance(name, str) else None for name in names)
        packs.append(";".join(packs_of_place(named, within, default)))
    return [packs[at] for at in code]


def _parts_of(country: str) -> list[str]:
    return sorted(pack for pack in _known() if pack.startswith(f"{country}-"))


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(pack_ids())
