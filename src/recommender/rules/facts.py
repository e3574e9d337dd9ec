"""What is known about each account, as arrays; what is not known is marked, never guessed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.local_time import is_timezone
from recommender.rules.vocabulary import CHANNELS, FLAGS, PARTIES, TOLD_FLAGS

__all__ = ["Facts", "facts_from_frame"]

#: Day number of a due date that nobody knows: in the past of every instant, so the debt is overdue.
NO_DUE_DAY = -(2**40)
UNKNOWN_BALANCE, SETTLED, OPEN = 0, 1, 2


@dataclass(frozen=True)
class Facts:
    """Facts of ``n`` accounts.

    Attributes
    ----------
    malformed : ndarray of bool
        A value that no system should have written: a zone that is no zone, an invalid phone, a flag nobody knows.
    consents, opt_outs, flags : ndarray of int64
        Bit sets over ``CHANNELS`` and ``FLAGS``.
    flags_known, contacts_known, country_known : ndarray of bool
    party : ndarray of int64
        Position in ``PARTIES``, -1 where unknown.
    balance : ndarray of int64
        ``UNKNOWN_BALANCE``, ``SETTLED`` or ``OPEN``.
    due_day : ndarray of int64
        Days since 1970-01-01; ``NO_DUE_DAY`` where unknown.
    elsewhere : ndarray of bool
        The contact would go to a place that is not the debtor's home or own number.
    debtor, account : ndarray of int64
        Owner codes that the history shares; ``account`` is -1 where unknown.
    place_key : ndarray of int64
        Rows with equal keys share zones, country and subdivision; position in ``places``.
    places : list of (zone or None, phone zones, country, subdivision)
    """

    malformed: NDArray[np.bool_]
    consents: NDArray[np.int64]
    opt_outs: NDArray[np.int64]
    flags: NDArray[np.int64]
    flags_known: NDArray[np.bool_]
    contacts_known: NDArray[np.bool_]
    country_known: NDArray[np.bool_]
    party: NDArray[np.int64]
    balance: NDArray[np.int64]
    due_day: NDArray[np.int64]
    elsewhere: NDArray[np.bool_]
    debtor: NDArray[np.int64]
    account: NDArray[np.int64]
    place_key: NDArray[np.int64]
    places: list[tuple[str | None, tuple[str, ...], str, str]]

    def __len__(self) -> int:
        """Count the accounts."""
        return len(self.malformed)

    def take(self, rows: NDArray[np.int64]) -> Facts:
        """Facts of some rows, in the order given."""
        picked: dict[str, Any] = {
            name: values[rows] for name, values in self.__dict__.items() if isinstance(values, np.ndarray)
        }
        return replace(self, **picked)


@lru_cache(maxsize=1)
def known_countries() -> frozenset[str]:
    """ISO 3166-1 alpha-2 codes, and "UK", which many systems write for "GB"."""
    table = resources.files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text(encoding="utf-8")
    codes = {line.split("\t")[0] for line in table.splitlines() if line and not line.startswith("#")}
    return frozenset(codes | {"UK"})


def facts_from_frame(accounts: pd.DataFrame, *, contacts_known: bool | NDArray[np.bool_]) -> Facts:
    """Read the facts off an accounts table (columns of the raw table ``accounts``).

    A missing column is a fact unknown for every row. List columns (``consented_channels``, ``flags``,
    ``phone_timezones``) hold lists or text separated by ``;``; null is unknown, an empty list is known to be empty.
    Flags may also stand in boolean columns of their own name; what any of the two raises is raised.
    """
    n = len(accounts)

    def column(name: str) -> pd.Series:
        values = accounts[name] if name in accounts else pd.Series([None] * n, dtype=object)
        return values.reset_index(drop=True)

    consents = _by_value(column("consented_channels"), consent_bits)
    flags = _by_value(column("flags"), flags_of)
    zones = _by_value(column("timezone"), zone_of)
    phones = _by_value(column("phone_timezones"), phone_zones_of)
    party = _by_value(column("party"), party_of)
    country = _by_value(column("country"), country_of)
    subdivision = _by_value(column("subdivision"), lambda value: "" if is_null(value) else str(value))
    due = _by_value(column("due_date"), due_day_of)
    flag_bits, flags_known = _flag_columns(accounts)
    debtor, account = owner_codes(column("debtor_id"), column("account_id"))
    keyed: dict[tuple[str | None, tuple[str, ...], str, str], int] = {}
    place_key = np.empty(n, dtype=np.int64)
    combined = np.stack([zones.codes, phones.codes, country.codes, subdivision.codes], axis=1)
    unique, inverse = np.unique(combined, axis=0, return_inverse=True)
    positions = np.empty(len(unique), dtype=np.int64)
    for position, (zone, phone, home, part) in enumerate(unique.tolist()):
        key = (zones.values[zone][0], phones.values[phone][0], country.values[home][0], subdivision.values[part])
        positions[position] = keyed.setdefault(key, len(keyed))
    place_key[:] = positions[inverse.reshape(-1)]
    return Facts(
        malformed=(
            flags.array(lambda v: v[3], bool)
            | zones.array(lambda v: v[1], bool)
            | phones.array(lambda v: v[1], bool)
            | party.array(lambda v: v[1], bool)
            | country.array(lambda v: v[1], bool)
            | due.array(lambda v: v[1], bool)
        ),
        consents=consents.array(int, np.int64),
        flags=flags.array(lambda v: v[0], np.int64) | flag_bits,
        opt_outs=flags.array(lambda v: v[1], np.int64),
        flags_known=flags.array(lambda v: v[2], bool) | flags_known,
        contacts_known=np.broadcast_to(np.asarray(contacts_known, dtype=bool), (n,)),
        country_known=country.array(lambda v: bool(v[0]), bool),
        party=party.array(lambda v: v[0], np.int64),
        balance=_balance(column("balance_minor")),
        due_day=due.array(lambda v: v[0], np.int64),
        elsewhere=_by_value(column("place"), lambda value: value in ("work", "elsewhere")).array(bool, bool),
        debtor=debtor,
        account=account,
        place_key=place_key,
        places=list(keyed),
    )


def _flag_columns(accounts: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Flags that come as columns of their own: what they raise, and whether together they say all there is to know."""
    raised = np.zeros(len(accounts), dtype=np.int64)
    known = np.full(len(accounts), all(flag in accounts for flag in TOLD_FLAGS))
    for position, flag in enumerate(TOLD_FLAGS):
        if flag in accounts:
            value = accounts[flag].reset_index(drop=True).astype(object)
            off = value.isin([False, 0, "0", "false", "False"]).to_numpy(dtype=bool)
            null = value.isna().to_numpy(dtype=bool)
            raised |= np.where(~off & ~null, 1 << position, 0)
            known &= ~null
    return raised, known


@dataclass(frozen=True)
class _Values:
    """Parsed distinct values of a column and each row's position among them."""

    codes: NDArray[np.int64]
    values: list[Any]

    def array(self, read: Callable[[Any], Any], dtype: Any) -> NDArray[Any]:
        return np.array([read(value) for value in self.values], dtype=dtype)[self.codes]


def _by_value(column: pd.Series, parse: Callable[[Any], Any]) -> _Values:
    """Parse each distinct value once; lists are compared by their text."""
    hashable = column
    if column.dtype == object:
        hashable = column.map(as_key)
    codes, uniques = pd.factorize(hashable, use_na_sentinel=True)
    parsed = [parse(value) for value in uniques]
    return _Values(np.where(codes < 0, len(parsed), codes), [*parsed, parse(None)])


def as_key(value: Any) -> Any:
    if isinstance(value, str) or value is None:
        return value
    if isinstance(value, Iterable) and not isinstance(value, dict):
        return ";".join(str(item) for item in value)
    return value


def is_null(value: Any) -> bool:
    return value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value)


def _items(value: Any) -> list[str]:
    return [item.strip() for item in str(value).split(";") if item.strip()]


def consent_bits(value: Any) -> int:
    """Bits of the consented channels; a channel that no rule knows cannot be used anyway."""
    items = [] if is_null(value) else _items(value)
    return sum(1 << CHANNELS.index(channel) for channel in CHANNELS if channel in items)


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


def _balance(column: pd.Series) -> NDArray[np.int64]:
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(numbers), np.where(numbers <= 0, SETTLED, OPEN), UNKNOWN_BALANCE).astype(np.int64)


def owner_codes(debtors: pd.Series, accounts: pd.Series) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Codes of debtor and account of each row; an account without a debtor is a debtor of its own."""
    account_codes, names = pd.factorize(texts(accounts), use_na_sentinel=True)
    debtor_codes, known = pd.factorize(texts(debtors), use_na_sentinel=True)
    own = len(known) + account_codes
    nameless = len(known) + len(names) + np.arange(len(accounts))
    debtor = np.where(debtor_codes >= 0, debtor_codes, np.where(account_codes >= 0, own, nameless))
    return debtor.astype(np.int64), account_codes.astype(np.int64)


def _text_or_none(value: Any) -> str | None:
    return None if is_null(value) else str(value)


def texts(values: Sequence[Any] | pd.Series) -> pd.Series:
    """Identifiers as text, null where there is none, so that 7 and "7" are one account."""
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.StringDtype):
        return values.reset_index(drop=True)  # text already: value by value it would be most of the work
    return pd.Series(list(values), dtype=object).map(_text_or_none, na_action=None)
