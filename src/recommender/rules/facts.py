"""What is known about each account, as one table; what is not known is marked, never guessed."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.columns import Columns, is_null
from recommender.intake import canonical_word, country_zone, day_told
from recommender.local_time import DAY_US, is_timezone, local_time
from recommender.rules.vocabulary import ABOUT, CHANNELS, FLAGS, PARTIES, TOLD_FLAGS

__all__ = [
    "FACT", "NO_DUE_DAY", "NO_SHARE", "Facts", "Locality", "due_days", "id_codes", "own_days", "owners", "read_facts",
]  # fmt: skip

#: Day number of a due date that nobody knows: in the past of every instant, so the debt is overdue.
NO_DUE_DAY = -(2**40)
#: Day of what is known to be over, as a promise that was kept: known, and in no span of days.
OVER_DAY = NO_DUE_DAY + 1
#: In place of a share that nobody knows.
NO_SHARE = -1.0
_DAY_0, _ISO_DAY = dt.date(1970, 1, 1), len("2026-11-28")
UNKNOWN_BALANCE, SETTLED, OPEN = 0, 1, 2
_COLUMNS_OF_FLAGS = frozenset(TOLD_FLAGS)
_NO_FLAG = frozenset([False, 0, "0", "false", "False"])

#: One account as the rules see it. ``consents``, ``opt_outs`` and ``flags`` are bit sets over ``CHANNELS`` and
#: ``FLAGS``; ``party`` is a position in ``PARTIES`` (-1 unknown); ``due_day`` counts days since 1970-01-01;
#: ``elsewhere`` is a place that is not the debtor's home or own number; ``debtor`` and ``account`` are codes that the
#: history shares (``account`` is -1 where unknown); rows of equal ``locality`` share zones, country and subdivision.
#: The fields of ``ABOUT`` but ``due_date`` are days as ``due_day`` is; ``late_share`` is ``NO_SHARE`` where unknown.
FACT = np.dtype(
    [
        ("malformed", np.bool_), ("consents", np.int64), ("opt_outs", np.int64), ("flags", np.int64),
        ("flags_known", np.bool_), ("contacts_known", np.bool_), ("country_known", np.bool_), ("party", np.int64),
        ("balance", np.int64), ("due_day", np.int64), ("elsewhere", np.bool_), ("debtor", np.int64),
        ("account", np.int64), ("locality", np.int64), *((name, np.int64) for name in ABOUT[1:]),
        ("late_share", np.float64),
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


def read_facts(
    accounts: Columns, *, contacts_known: bool | NDArray[np.bool_], as_of_us: int | NDArray[np.int64]
) -> Facts:
    """Read the facts off an accounts table (columns of the raw table ``accounts``).

    A missing column is a fact unknown for every row. List columns (``consented_channels``, ``flags``,
    ``phone_timezones``) hold lists or text separated by ``;``; null is unknown, an empty list is known to be empty.
    Flags may also stand in boolean columns of their own name; what any of the two raises is raised. A value that no
    system should have written (a zone that is no zone, a flag nobody knows) marks the account as malformed. A column
    ``contacts_known`` may say of single accounts that nobody knows their contacts. ``as_of_us`` is the moment of the
    decision: a promise that a table tells is open until its day is over in every zone.
    """
    table = np.zeros(len(accounts), dtype=FACT)
    read: Any = accounts.value if len(accounts) == 1 else accounts.fields  # numpy spreads a value as it takes an array
    (table["consents"],) = read("consented_channels", _consents_said, np.int64)
    flags, table["opt_outs"], flags_known, odd_flags = read("flags", flags_of, np.int64, np.int64, np.bool_, np.bool_)
    raised, all_known = _flag_columns(accounts)
    table["flags"], table["flags_known"] = flags | raised, flags_known | all_known
    table["party"], odd_party = read("party", party_of, np.int64, np.bool_)
    table["due_day"], odd_date = _days(accounts, "due_date")
    table["locality"], localities, unreadable = _localities(accounts)
    table["country_known"] = np.array([bool(locality[2]) for locality in localities], dtype=bool)[table["locality"]]
    table["malformed"] = odd_flags | odd_party | odd_date | unreadable
    table["contacts_known"] = contacts_known
    if "contacts_known" in accounts:
        table["contacts_known"] &= accounts.read("contacts_known", lambda value: value is None or bool(value), np.bool_)
    table["balance"] = _balance(accounts)
    if "place" in accounts:
        table["elsewhere"] = accounts.read("place", lambda value: value in ("work", "elsewhere"), np.bool_)
    _read_events(accounts, table, as_of_us)
    table["debtor"], table["account"], debtors, names = owners(accounts)
    return Facts(table, localities, names, debtors)


def _read_events(accounts: Columns, table: NDArray[Any], as_of_us: int | NDArray[np.int64]) -> None:
    """Days of what purposes speak of; a day that cannot be read is one that nobody knows."""
    for name in ABOUT[1:]:
        table[name] = _days(accounts, name)[0] if name in accounts else NO_DUE_DAY
    if "promise_on" in accounts or "promise_state" in accounts:
        _read_promise(accounts, table, as_of_us)
    table["late_share"] = NO_SHARE
    if "late_due_share" in accounts:
        shares = accounts.numbers("late_due_share")
        table["late_share"] = np.where((shares >= 0) & (shares <= 1), shares, NO_SHARE)


def _read_promise(accounts: Columns, table: NDArray[Any], as_of_us: int | NDArray[np.int64]) -> None:
    """What is told of a promise: one that is open raises its flag, whichever column tells it.

    A state that nobody can read stops as an open promise does unless its day is over, and reminds of nothing.
    """
    kept, broken, is_open, unread, unsaid = accounts.fields("promise_state", _promise_said, *[np.bool_] * 5)
    day = table["promise_on"]
    nameless = day == NO_DUE_DAY
    ahead = ~nameless & (day >= as_of_us // DAY_US - 1)
    opened = (ahead & ~kept & ~broken) | ((is_open | unread) & nameless)
    table["flags"] |= np.where(opened, 1 << FLAGS.index("promise_open"), 0)
    table["promise_on"][~unsaid & ~is_open & ~(broken & ~nameless)] = OVER_DAY


def _promise_said(value: Any) -> tuple[bool, bool, bool, bool, bool]:
    """Whether a promise was kept, was broken, is open, is in a state that nobody can read, or nothing is said of it."""
    unsaid = is_null(value) or not str(value).strip()
    word = None if unsaid else canonical_word("promise_state", value)
    return word == "kept", word == "broken", word == "open", word is None and not unsaid, unsaid


def _localities(accounts: Columns) -> tuple[NDArray[np.int64], list[Locality], NDArray[np.bool_]]:
    """Locality of each row, the distinct places, and rows whose place cannot be read."""
    bad = np.zeros(len(accounts), dtype=bool)
    if len(accounts) == 1:
        (zone, odd), *others = (accounts.value(name, parse) for name, parse in _PLACE)
        bad[0] = odd or any(odd_too for _, odd_too in others)
        return np.zeros(1, dtype=np.int64), [(zone, *(value for value, _ in others))], bad
    columns = [accounts.coded(name) for name, _ in _PLACE]
    read = [[parse(value) for value in column.values] for column, (_, parse) in zip(columns, _PLACE, strict=True)]
    for column, values in zip(columns, read, strict=True):
        if any(value[1] for value in values):
            bad |= column.take([value[1] for value in values], bool)
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
    if _COLUMNS_OF_FLAGS.isdisjoint(accounts.names):
        return raised, raised > 0
    told = [position for position, flag in enumerate(TOLD_FLAGS) if flag in accounts]
    known = np.full(len(accounts), len(told) == len(TOLD_FLAGS))
    for position in told:
        is_on, is_said = accounts.fields(TOLD_FLAGS[position], _flag_said, np.int64, np.bool_)
        raised |= is_on << position
        known &= is_said
    return raised, known


def _flag_said(value: Any) -> tuple[bool, bool]:
    """Whether a flag is on, and whether anything is said of it."""
    return value is not None and value not in _NO_FLAG, value is not None


def _consents_said(value: Any) -> tuple[int]:
    return (consent_bits(value),)


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


def part_of(value: Any) -> tuple[str, bool]:
    return ("" if is_null(value) else str(value)), False


#: What tells where an account is, and how it is read: the value, and whether nobody could.
_PLACE: tuple[tuple[str, Any], ...] = (
    ("timezone", zone_of),
    ("phone_timezones", phone_zones_of),
    ("country", country_of),
    ("subdivision", part_of),
)


def _days(accounts: Columns, name: str) -> tuple[Any, Any]:
    """Day numbers of a column, and where a cell is no day; a moment with an offset lies on the account's calendar."""
    read: Any = accounts.value if len(accounts) == 1 else accounts.fields
    days, odd, timed = read(name, _day_of, np.int64, np.bool_, np.bool_)
    if timed if len(accounts) == 1 else timed.any():
        days = np.array(days, dtype=np.int64).reshape(len(accounts))
        cells, zones, countries = (accounts.values(one) for one in (name, "timezone", "country"))
        for row in np.flatnonzero(timed).tolist():
            zone = zones[row] if is_timezone(zones[row]) else _zone_of_country(countries[row])
            day = day_told(cells[row], zone)
            days[row] = NO_DUE_DAY if day is None else (day - _DAY_0).days
    return days, odd


def _zone_of_country(country: Any) -> str | None:
    """The clock of an account that tells none, as tables are read: the one zone of its country."""
    return country_zone(country) if isinstance(country, str) else None


def _day_of(value: Any) -> tuple[int, bool, bool]:
    """Day number of a date as it is written, whether it is none, and whether it is a moment with an offset."""
    if is_null(value):
        return NO_DUE_DAY, False, False
    timed = False
    try:
        if isinstance(value, str):
            timed = len(value) != _ISO_DAY
            value = dt.datetime.fromisoformat(value) if timed else dt.date.fromisoformat(value)
        if isinstance(value, dt.datetime):
            timed = value.tzinfo is not None
            value = value.date()
        elif not isinstance(value, dt.date):
            return NO_DUE_DAY, True, False
    except ValueError:
        return NO_DUE_DAY, True, False
    return (value - _DAY_0).days, False, timed


def _balance(accounts: Columns) -> NDArray[np.int64]:
    numbers = accounts.numbers("balance_minor")
    balance = SETTLED + (OPEN - SETTLED) * (numbers > 0)
    balance[~np.isfinite(numbers)] = UNKNOWN_BALANCE
    return np.asarray(balance)


def due_days(accounts: Columns) -> NDArray[np.float64]:
    """Days since 1970-01-01 of each account's due date; NaN where none can be read."""
    days = np.asarray(_days(accounts, "due_date")[0], dtype=np.float64).reshape(len(accounts))
    return np.where(days == NO_DUE_DAY, np.nan, days)


def own_days(accounts: Columns, at_us: int) -> NDArray[np.float64]:
    """Day since 1970-01-01 on each account's calendar; UTC where nobody knows its clock.

    Parameters
    ----------
    accounts : Columns
        ``timezone``, ``country`` where known: the zones of :func:`recommender.intake.account_zones`.
    at_us : int
        Microseconds UTC.
    """
    days = accounts.read("timezone", lambda zone: _local_day(at_us, zone) if is_timezone(zone) else np.nan, np.float64)
    unknown = np.isnan(days)
    if unknown.any():
        of_country = accounts.read("country", lambda code: _local_day(at_us, _zone_of_country(code)), np.float64)
        days[unknown] = of_country[unknown]
    return days


@lru_cache(maxsize=4_096)
def _local_day(at_us: int, zone: str | None) -> int:
    return int(local_time(np.array([at_us]), zone or "UTC").day[0])


def owners(accounts: Columns) -> tuple[NDArray[np.int64], NDArray[np.int64], dict[str, int], dict[str, int]]:
    """Codes of debtor and account of each row, and the codes of their names.

    An account without a debtor is a debtor of its own. Ids are compared as text, so that 7 and "7" are one account.
    """
    account, names = id_codes(accounts, "account_id")
    debtor, debtors = id_codes(accounts, "debtor_id")
    rows = np.flatnonzero(debtor < 0)
    if len(rows):
        alone, nameless = len(debtors) + account, len(debtors) + len(names) + np.arange(len(accounts))
        debtor[rows] = np.where(account >= 0, alone, nameless)[rows]
    return debtor, account, debtors, names


def id_codes(
    table: Columns, name: str, known: dict[str, int] | None = None
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Code of each row's identifier, -1 where there is none; ids beyond ``known`` get codes after its own."""
    if known is None and len(table) > 1 and set(map(type, (distinct := table.coded(name)).values)) == {str}:
        return distinct.codes.copy(), {value: code for code, value in enumerate(distinct.values)}
    codes = dict(known or {})

    def code(value: Any) -> int:
        return -1 if value is None else codes.setdefault(value if type(value) is str else str(value), len(codes))

    return table.read(name, code, np.int64), codes
