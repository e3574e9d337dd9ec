"""Cells of words: flags, channels, zones, currencies; and what counts as an empty one."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from importlib import resources
from typing import Any
from zoneinfo import available_timezones

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.intake.vocabulary import canonical_channel, canonical_word, is_placeholder
from recommender.local_time import is_timezone
from recommender.spelling import plain_word

__all__ = [
    "channel_list",
    "currency_code",
    "factorized",
    "flag_list",
    "flag_of",
    "hashable",
    "is_blank",
    "is_empty",
    "language_code",
]
__all__ += ["numeral", "zone_name"]

_TRUE = frozenset(["true", "t", "yes", "y", "1", "1_0", "si", "s", "sim", "verdadero", "verdadeiro", "x", "on"])
_WINDOWS_SHOWS = re.compile(r"\((?:UTC|GMT)[+-]\d{1,2}:\d{2}\)\s*(.+)", re.IGNORECASE)
_FALSE = frozenset(["false", "f", "no", "n", "0", "0_0", "nao", "falso", "off"])
_DOUBTED = re.compile(r"^[-!~\u00ac^*#\u2717\u2718\u00d7]\s*\w|\w\s*[!?*^\u2717\u2718\u00d7]$")
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{2,8})*", re.IGNORECASE)
_CURRENCY_SIGNS = {
    "€": "EUR",
    "£": "GBP",
    "R$": "BRL",
    "US$": "USD",
    "S/": "PEN",
    "S/.": "PEN",
    "EURO": "EUR",
    "EUROS": "EUR",
}


def numeral(value: Any) -> str:
    """A number as a person would write it, an instant as ISO 8601."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def is_blank(value: Any) -> bool:
    """Whether a cell says nothing: null, blanks, or a placeholder."""
    if is_empty(value):
        return True
    return is_placeholder(value) if isinstance(value, str) else not str(value).strip()


def is_empty(value: Any) -> bool:
    """Whether a cell is null."""
    if isinstance(value, np.ndarray):  # a list in a cell, be it an empty one
        return False
    return value is None or value is pd.NA or value is pd.NaT or value != value


def hashable(value: Any) -> Any:
    """A cell that can be counted: a list as its items, an object as JSON text, bytes as the text they are.

    Examples
    --------
    >>> hashable(["a", "b"]), hashable({"n": 1}), hashable(b"x"), hashable([]), hashable(2.5)
    ('a;b', '{"n": 1}', 'x', '[]', 2.5)
    """
    if isinstance(value, bytes | bytearray):
        return bytes(value).decode("utf-8", "replace")
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, set | frozenset):
        value = sorted(value, key=str)
    if isinstance(value, list | tuple) and value and not any(isinstance(item, dict | list) for item in value):
        return ";".join(str(item) for item in value)
    return json.dumps(value, default=str) if isinstance(value, dict | list | tuple) else value


def factorized(cells: pd.Series) -> tuple[NDArray[np.int64], Any]:
    """Codes and distinct cells, whatever they are: a list or an object in a cell is the text of it."""
    try:
        codes, distinct = pd.factorize(cells)
    except TypeError:
        codes, distinct = pd.factorize(cells.map(hashable))
    return codes, distinct


def zone_name(value: Any) -> str | None:
    """IANA name of a zone: in whatever capitals, by its city, or as Windows names it; None where there is none.

    A bare offset (``UTC-4``) is none: it does not say when the clocks change.
    """
    text = str(value).strip()
    if is_timezone(text):
        return text
    shown = _WINDOWS_SHOWS.fullmatch(text)
    names = re.split(r"\s*[,;]\s*", shown[1]) if shown else [text]
    return next((_zones()[word] for word in map(plain_word, names) if word in _zones()), None)


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    """Plain words -> zone: whole names, Windows names, cities that one zone only is called by."""
    names = sorted(name for name in available_timezones() if "/" in name and is_timezone(name))
    words = {plain_word(name): name for name in names}
    windows = resources.files("recommender.intake").joinpath("windows_zones.csv").read_text(encoding="utf-8")
    words |= {plain_word(name): zone for name, zone in (line.rsplit(",", 1) for line in windows.splitlines()[1:])}
    listed = resources.files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8").splitlines()
    cities: dict[str, set[str]] = {}
    for zone in (line.split("\t")[2] for line in listed if not line.startswith("#")):
        cities.setdefault(plain_word(zone.rpartition("/")[2]), set()).add(zone)
    return {city: zones.pop() for city, zones in cities.items() if len(zones) == 1} | words


def currency_code(value: Any) -> str | None:
    """Three capital letters, or a sign that one currency alone has; None where a cell is no currency code (``$``)."""
    code = str(value).strip().upper()
    code = _CURRENCY_SIGNS.get(code, code)
    return code if len(code) == 3 and code.isascii() and code.isalpha() else None


def language_code(value: Any) -> str | None:
    """Code of ISO 639 without a region; None where a cell names no language."""
    if (word := canonical_word("language", value)) is not None:
        return word
    tag = _LANGUAGE.fullmatch(str(value).strip())
    return None if tag is None else canonical_word("language", tag[1]) or tag[1].lower()


def _items(value: Any) -> list[str]:
    text = str(value).strip()
    if text[:1] in "[{(" and text[-1:] in "]})":
        text = text[1:-1]
    text = re.sub(r"[|,/+&\n]|\s+(?:y|e|and)\s+", ";", text)
    items = [item.strip().strip("\"'") for item in text.split(";")]
    if len(items) == 1 and canonical_channel(items[0]) is None and " " in items[0]:
        items = items[0].split()
    # A sign before or behind a word takes it back, or doubts it: "-sms", "!call", "email?".
    return [f"not {item}" if _DOUBTED.search(item) else item for item in items if item]


def channel_list(value: Any) -> str | None:
    """Channels of a list in any writing, separated by ``;``; None where one is not known."""
    items = _items(value)
    if [plain_word(item) for item in items] in (["ninguno"], ["none"], ["ninguna"], ["no"]):
        return ""
    named = [canonical_channel(item) for item in items]
    return None if None in named else ";".join(sorted({name for name in named if name}))


def flag_list(value: Any) -> str | None:
    """Flags of a list in any writing, separated by ``;``; None where one is not known."""
    named: list[str] = []
    for item in _items(value):
        head, colon, tail = item.partition(":")
        if colon:
            channel = canonical_channel(tail)
            if plain_word(head) != "opt_out" or channel is None:
                return None
            named.append(f"opt_out:{channel}")
        elif (word := canonical_word("flags", item)) is not None:
            named.append(word)
        elif plain_word(item) not in ("ninguno", "none", "ninguna", "no"):
            return None
    return ";".join(sorted(set(named)))


def flag_of(value: Any) -> bool | None:
    """True or false in any writing; None where it is neither."""
    if isinstance(value, bool | np.bool_):
        return bool(value)
    word = plain_word(numeral(value))
    return True if word in _TRUE else False if word in _FALSE else None
