"""What is known about each account, as one table; what is not known is marked, never guessed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.columns import Coded, Columns, is_null
from recommender.local_time import is_timezone
from recommender.rules.vocabulary import CHANNELS, FLAGS, PARTIES, TOLD_FLAGS

__all__ = ["FACT", "NO_DUE_DAY", "Facts", "Locality", "due_days", "id_texts", "owners", "read_facts"]

#: Day number of a due date that nobody knows: in the past of every instant, so the debt is overdue.
NO_DUE_DAY = -(2**40)
UNKNOWN_BALANCE, SETTLED, OPEN = 0, 1, 2
_NO_FLAG = frozenset([False, 0, "0", "false", "False"])

#: One account as the rules see it. ``consents``, ``opt_outs`` and ``flags`` are bit sets over ``CHANNELS`` and
#: ``FLAGS``; ``party`` is a position in ``PARTIES`` (-1 unknown); ``due_day`` counts days since 1970-01-01;
#: ``elsewhere`` is a place that is not the debtor's home or own number; ``debtor`` and ``account`` are codes that the
#: history shares (``account`` is -1 where unknown); rows of equal ``locality`` share zones, country and subdivision.
FACT = np.dtype(
    [
        ("malformed", np.bool_), ("consents", np.int64), ("opt_outs", np.int64), ("flags", np.int64),
        ("flags_known", np.bool_), ("contacts_known", np.bool_), ("country_known", np.bool_), ("party", np.int64),
        ("balance", np.int64), ("due_day", np.int64), ("elsewhere", np.bool_), ("debtor", np.int64),
        ("account", np.int64), ("locality", np.int64),
    ]
)  # fmt: skip

#: Zone or None, zones of the phone, country, subdivision.
Locality = tuple[str | None, tuple[str, ...], str, str]


@dataclass(frozen=True)
class Facts:
    """Facts of ``n`` accounts.

    Attributes
    ----------
    table : ndarray of shape (n,), dtype FACT
    localities : list of Locality
        What ``locality`` of the table points to.
    account_codes, debtor_codes : dict of str to int
        Codes of the ids that the accounts name.
    """

    table: NDArray[Any]
    localities: list[Locality]
    account_codes: dict[str, int]
    debtor_codes: dict[str, int]

    def __len__(self) -> int:
        """Count the accounts."""
        return len(self.table)

    def take(self, rows: NDArray[np.int64]) -> Facts:
        """Facts of some rows, in the order given."""
        return replace(self, table=self.table[rows])


@lru_cache(maxsize=1)
def known_countries() -> frozenset[str]:
    """ISO 3166-1 alpha-2 codes, and "UK", which many systems write for "GB"."""
    table = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    codes = {line.split("\t")[0] for line in table.splitlines() if line and not line.startswith("#")}
    return frozenset(codes | {"UK"})


def read_facts(accounts: Columns, *, contacts_known: bool | NDArray[np.bool_]) -> Facts:
    """Read the facts off an accounts table (columns of the raw table ``accounts``).

    A missing column is a fact unknown for every row. List columns (``consented_channels``, ``flags``,
    ``phone_timezones``) hold lists or text separated by ``;``; null is unknown, an empty list is known to be empty.
    Flags may also stand in boolean columns of their own name; what any of the two raises is raised. A value that no
    system should have written (a zone that is no zone, a flag nobody knows) marks the account as malformed. A column
    ``contacts_known`` may say of single accounts that nobody knows their contacts.
    """
    table = np.zeros(len(accounts), dtype=FACT)

    def read(name: str, parse: Any) -> tuple[Coded, list[Any]]:
        column = accounts.coded(name)
        return column, [parse(value) for value in column.values]

    column, consents = read("consented_channels", consent_bits)
    table["consents"] = column.take(consents, np.int64)
    column, flags = read("flags", flags_of)
    raised, all_known = _flag_columns(accounts)
    table["flags"] = column.take([one[0] for one in flags], np.int64) | raised
    table["opt_outs"] = column.take([one[1] for one in flags], np.int64)
    table["flags_known"] = column.take([one[2] for one in flags], bool) | all_known
    malformed = column.take([one[3] for one in flags], bool)
    column, parties = read("party", party_of)
    table["party"] = column.take([one[0] for one in parties], np.int64)
    malformed |= column.take([one[1] for one in parties], bool)
    column, due = read("due_date", due_day_of)
    table["due_day"] = column.take([one[0] for one in due], np.int64)
    malformed |= column.take([one[1] for one in due], bool)
    table["locality"], localities, unreadable = _localities(accounts)
    table["country_known"] = np.array([bool(locality[2]) for locality in localities], dtype=bool)[table["locality"]]
    table["malformed"] = malformed | unreadable
    stated = accounts.coded("contacts_known")
    table["contacts_known"] = contacts_known & stated.take(
        [value is None or bool(value) for value in stated.values], bool
    )
    table["balance"] = _balance(accounts)
    column, elsewhere = read("place", lambda value: value in ("work", "elsewhere"))
    table["elsewhere"] = column.take(elsewhere, bool)
    table["debtor"], table["account"], debtors, names = owners(accounts)
    return Facts(table, localities, names, debtors)


def _localities(accounts: Columns) -> tuple[NDArray[np.int64], list[Locality], NDArray[np.bool_]]:
    """Locality of each row, the distinct places, and rows whose place cannot be read."""
    names = ("timezone", "phone_timezones", "country", "subdivision")
    columns = [accounts.coded(name) for name in names]
    parsers: tuple[Any, ...] = (zone_of, phone_zones_of, country_of, lambda v: ("" if is_null(v) else str(v), False))
    read = [[parse(value) for value in column.values] for column, parse in zip(columns, parsers, strict=True)]
    bad = np.zeros(len(accounts), dtype=bool)
    for column, values in zip(columns, read, strict=True):
        if any(value[1] for value in values):
            bad |= column.take([value[1] for value in values], bool)
    if all(len(column.values) == 1 for column in columns):
        zone, phones, country, part = (values[0][0] for values in read)
        return np.zeros(len(accounts), dtype=np.int64), [(zone, phones, country, part)], bad
    key = np.zeros(len(accounts), dtype=np.int64)
    for column in columns:
        key = key * len(column.values) + column.codes
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    codes: dict[Locality, int] = {}
    code_of = []
    for row in first.tolist():
        zone, phones, country, part = (
            values[column.codes[row]][0] for values, column in zip(read, columns, strict=True)
        )
        code_of.append(codes.setdefault((zone, phones, country, part), len(codes)))
    return np.array(code_of, dtype=np.int64)[which], list(codes), bad


def _flag_columns(accounts: Columns) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Flags that come as columns of their own: what they raise, and whether together they say all there is to know."""
    raised = np.zeros(len(accounts), dtype=np.int64)
    known = np.full(len(accounts), all(flag in accounts for flag in TOLD_FLAGS))
    for position, flag in enumerate(TOLD_FLAGS):
        if flag in accounts:
            column = accounts.coded(flag)
            null = [value is None for value in column.values]
            is_on = [value is not None and value not in _NO_FLAG for value in column.values]
            raised |= np.where(column.take(is_on, bool), 1 << position, 0)
            known &= ~column.take(null, bool)
    return raised, known


def _items(value: Any) -> list[str]:
    return [item.strip() for item in str(value).split(";") if item.strip()]


@lru_cache(maxsize=4_096)
def consent_bits(value: Any) -> int:
    """Bits of the consented channels; a channel that no rule knows cannot be used anyway."""
    items = [] if is_null(value) else _items(value)
    return sum(1 << CHANNELS.index(channel) for channel in CHANNELS if channel in items)


@lru_cache(maxsize=4_096)
def flags_of(value: Any) -> tuple[int, int, bool, bool]:
    """Bits of flags, bits of opted-out channels, known, malformed."""
    if is_null(value):
        return 0, 0, False, False
    flags = opt_outs = 0
    malformed = False
    for item in _items(value):
        channel = item.removeprefix("opt_out:")
        if item in FLAGS:
            flags |= 1 << FLAGS.index(item)
        elif item != channel and channel in CHANNELS:
            opt_outs |= 1 << CHANNELS.index(channel)
        else:
            malformed = True
    return flags, opt_outs, True, malformed


def zone_of(value: Any) -> tuple[str | None, bool]:
    if is_null(value):
        return None, False
    return (str(value), False) if is_timezone(value) else (None, True)


@lru_cache(maxsize=4_096)
def phone_zones_of(value: Any) -> tuple[tuple[str, ...], bool]:
    if is_null(value):
        return (), False
    items = _items(value)
    return tuple(sorted({item for item in items if is_timezone(item)})), not all(is_timezone(item) for item in items)


def party_of(value: Any) -> tuple[int, bool]:
    if is_null(value):
        return -1, False
    return (PARTIES.index(value), False) if value in PARTIES else (-1, True)


def country_of(value: Any) -> tuple[str, bool]:
    if is_null(value):
        return "", False
    return (str(value), False) if value in known_countries() else ("", True)


def due_day_of(value: Any) -> tuple[int, bool]:
    """Day number of a due date; text, date or datetime."""
    if is_null(value):
        return NO_DUE_DAY, False
    try:
        if isinstance(value, str):
            value = dt.date.fromisoformat(value[:10]) if len(value) == 10 else dt.datetime.fromisoformat(value).date()
        elif isinstance(value, dt.datetime):
            value = value.date()
        elif not isinstance(value, dt.date):
            return NO_DUE_DAY, True
    except ValueError:
        return NO_DUE_DAY, True
    return (value - dt.date(1970, 1, 1)).days, False


def _balance(accounts: Columns) -> NDArray[np.int64]:
    numbers = accounts.numbers("balance_minor")
    return np.where(np.isfinite(numbers), np.where(numbers <= 0, SETTLED, OPEN), UNKNOWN_BALANCE).astype(np.int64)


def due_days(accounts: Columns) -> NDArray[np.float64]:
    """Days since 1970-01-01 of each account's due date; NaN where none can be read."""
    column = accounts.coded("due_date")
    return column.take([np.nan if day == NO_DUE_DAY else day for day, _ in map(due_day_of, column.values)], np.float64)


def owners(accounts: Columns) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, int], dict[str, int]]:
    """Codes of debtor and account of each row, and the codes of their names.

    An account without a debtor is a debtor of its own. Ids are compared as text, so that 7 and "7" are one account.
    """
    account, names = id_texts(accounts.coded("account_id"))
    debtor, debtors = id_texts(accounts.coded("debtor_id"))
    alone = len(debtors) + account
    nameless = len(debtors) + len(names) + np.arange(len(accounts))
    codes = np.where(debtor >= 0, debtor, np.where(account >= 0, alone, nameless))
    return codes, account, debtors, names


def id_texts(column: Coded, known: dict[str, int] | None = None) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Code of each row's identifier, -1 where there is none; ids beyond ``known`` get codes after its own."""
    codes = dict(known or {})
    code = [
        -1 if value is None else codes.setdefault(value if type(value) is str else str(value), len(codes))
        for value in column.values
    ]
    return column.take(code, np.int64), codes
