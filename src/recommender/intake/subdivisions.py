"""Parts of a country (states, regions, nations) by their ISO 3166-2 code, however they are written."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd

from recommender.extras import later
from recommender.intake.vocabulary import country_code
from recommender.spelling import plain_word

__all__ = ["is_subdivision", "subdivision_code", "subdivision_codes"]

library = later("holidays", "holidays")  # its lists of states, with their names; loaded where an account names one


@lru_cache(maxsize=4_096)
def subdivision_code(country: str | None, text: str | None) -> str | None:
    """ISO 3166-2 code of a part of a country: ``MA``, ``us-ma``, ``Massachusetts`` and ``US-MA`` are ``US-MA``.

    Parameters
    ----------
    country, text : str or None

    Returns
    -------
    str or None
        The text without outer blanks where no list of the country's parts is known, or none of them is meant.
    """
    if text is None or not text.strip():
        return None
    bare = text.strip()
    head, dash, tail = bare.partition("-")
    code = country_code(country) if country else country_code(head) if dash and len(head) == 2 else None
    if code is None:
        return bare
    code = {"UK": "GB"}.get(code, code)
    words = _parts(code)
    own = tail if dash and country_code(head) in (code, {"GB": "UK"}.get(code)) else bare
    found = words.get(plain_word(own)) or words.get(plain_word(bare))
    return found or bare


def is_subdivision(code: str) -> bool:
    """Whether a text is the code of a known part of a country."""
    known = _parts(code.partition("-")[0]) if code[2:3] == "-" and country_code(code[:2]) else {}
    return code in known.values()


@lru_cache(maxsize=256)
def _parts(code: str) -> dict[str, str]:
    """Plain words for the parts of a country -> their codes; a name that two of them have is none."""
    supported = library.list_supported_countries(include_aliases=False).get(code, [])
    words: dict[str, str | None] = {}
    aliases = library.country_holidays(code).get_subdivision_aliases() if supported else {}
    for part in supported:
        for name in aliases.get(part, ()):
            words[plain_word(name)] = None if plain_word(name) in words else f"{code}-{part}"
    words |= {plain_word(part): f"{code}-{part}" for part in supported}
    return {word: part for word, part in words.items() if part is not None}


def subdivision_codes(accounts: pd.DataFrame) -> pd.Series:
    """Parts of a country in a table of accounts, each by its code; see :func:`subdivision_code`.

    Parameters
    ----------
    accounts : DataFrame
        ``subdivision``; ``country`` where known.
    """
    cells = accounts["subdivision"].astype(object)
    told = cells.notna().to_numpy(dtype=bool)
    if not told.any():
        return accounts["subdivision"]
    countries = accounts["country"].astype(object) if "country" in accounts else pd.Series(None, accounts.index)
    pairs = list(zip(countries[told], cells[told], strict=True))
    read = {pair: subdivision_code(*(one if isinstance(one, str) else None for one in pair)) for pair in set(pairs)}
    if all(read[pair] == pair[1] for pair in read):
        return accounts["subdivision"]
    spelt = cells.copy()
    spelt[told] = [read[pair] for pair in pairs]
    return spelt.astype(accounts["subdivision"].dtype) if accounts["subdivision"].dtype != object else spelt
