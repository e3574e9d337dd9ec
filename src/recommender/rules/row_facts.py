"""Facts and contacts of accounts given as plain rows, read as a table of them would be, or refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recommender.errors import RecommenderError
from recommender.local_time import as_utc_us
from recommender.rules.contact_history import EXCLUDABLE, ContactHistory
from recommender.rules.facts import (
    NO_DUE_DAY,
    OPEN,
    SETTLED,
    UNKNOWN_BALANCE,
    Facts,
    consent_bits,
    country_of,
    due_day_of,
    flags_of,
    is_null,
    party_of,
    phone_zones_of,
    zone_of,
)
from recommender.rules.row_counts import RowContact
from recommender.rules.row_law import FIRST_YEAR, LAST_YEAR, AccountState
from recommender.rules.vocabulary import CHANNELS, HIGHEST_RUNG, OUTCOME_RUNG, TOLD_FLAGS

__all__ = ["NotCovered", "RowFacts", "as_arrays", "contacts_by_debtor", "in_reach", "read_row"]

_EXACT = 2**53  # whole numbers up to here survive a column of floats
_CHANNEL_CODE: dict[str, int] = {name: i for i, name in enumerate(CHANNELS)}
_EXCLUDABLE_CODE: dict[str, int] = {name: 1 + i for i, name in enumerate(EXCLUDABLE)}
_OFF = frozenset([False, 0, "0", "false", "False"])
_EARLIEST = as_utc_us(datetime(FIRST_YEAR + 1, 1, 1, tzinfo=UTC))
_LATEST = as_utc_us(datetime(LAST_YEAR, 1, 1, tzinfo=UTC))


class NotCovered(RecommenderError):
    """Something that only the general path knows how to read; ``reason`` is one word of a closed list."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Not covered for single rows: {reason}.")
        self.reason = reason


@dataclass(frozen=True)
class RowFacts:
    """Facts of one account."""

    account: str
    debtor: str
    law: int
    state: AccountState
    due_day: int
    place: tuple[str | None, tuple[str, ...], str, str]
    language: str | None


def in_reach(instant_us: int) -> int:
    """The instant, where calendars of both ways of judging cover it."""
    if not _EARLIEST < instant_us < _LATEST:
        raise NotCovered("instant")
    return instant_us


def read_row(row: Mapping[str, Any], law: int, contacts_known: bool) -> RowFacts:
    """Facts of a row, as ``facts_from_frame`` reads them off a table."""
    if not is_null(row.get("preferences")):
        raise NotCovered("preferences")
    account = row.get("account_id")
    if not isinstance(account, str):
        raise NotCovered("account_id")
    debtor, language = row.get("debtor_id"), row.get("language")
    if not isinstance(debtor, str | None) or not isinstance(language, str | None):
        raise NotCovered("features")
    zone, bad_zone = _zone(row.get("timezone"))
    phones, bad_phones = _phone_zones(_joined(row.get("phone_timezones")))
    party, bad_party = _party(row.get("party"))
    country, bad_country = _country(row.get("country"))
    due_day, bad_due = _due_day(row.get("due_date"))
    flags, opt_outs, flags_known, bad_flags = _flags(_joined(row.get("flags")))
    raised, all_known = _flag_columns(row)
    subdivision = row.get("subdivision")
    state = AccountState(
        malformed=bad_zone or bad_phones or bad_party or bad_country or bad_due or bad_flags,
        consents=_consents(_joined(row.get("consented_channels"))),
        opt_outs=opt_outs,
        flags=flags | raised,
        flags_known=flags_known or all_known,
        contacts_known=contacts_known,
        country_known=bool(country),
        party=party,
        balance=_balance(row.get("balance_minor")),
        elsewhere=row.get("place") in ("work", "elsewhere"),
    )
    place = (zone, phones, country, "" if is_null(subdivision) else str(subdivision))
    # Prefixes keep a debtor's name from being taken for an account's.
    owner = f"a {account}" if debtor is None else f"d {debtor}"
    return RowFacts(account, owner, law, state, due_day, place, language)


def contacts_by_debtor(
    rows: list[RowFacts], contacts: Iterable[Mapping[str, Any]], as_of_us: int
) -> tuple[dict[str, list[RowContact]], int]:
    """Contacts of each debtor, and how many belong to nobody among the rows."""
    owner: dict[str, str] = {}
    for row in rows:
        if owner.setdefault(row.account, row.debtor) != row.debtor:
            raise NotCovered("account_id")
    debtors = {row.debtor for row in rows}
    found: dict[str, list[RowContact]] = {}
    unmatched = 0
    for contact in contacts:
        account = contact["account_id"]
        debtor = owner.get(account)
        if debtor is None:
            named = contact.get("debtor_id")
            debtor = None if named is None or f"d {named}" not in debtors else f"d {named}"
        if debtor is None:
            unmatched += 1
            continue
        instant = in_reach(as_utc_us(contact["sent_at"]))
        outcome, planned = contact.get("outcome"), contact.get("status") == "planned"
        rung = OUTCOME_RUNG.get(outcome, -1) if isinstance(outcome, str) else -1
        pending = rung < 0 and planned and instant > as_of_us
        channel = contact.get("channel")
        found.setdefault(debtor, []).append(
            RowContact(
                account,
                instant,
                _CHANNEL_CODE.get(channel, -1) if isinstance(channel, str) else -1,
                0 if pending else HIGHEST_RUNG if rung < 0 else rung,
                _EXCLUDABLE_CODE.get(outcome, 0) if isinstance(outcome, str) else 0,
                contact.get("initiated_by") == "debtor",
                contact.get("place") in ("work", "elsewhere"),
                planned,
                pending,
            )
        )
    return found, unmatched


def as_arrays(row: RowFacts, contacts: list[RowContact], n: int) -> tuple[Facts, ContactHistory]:
    """The same facts ``n`` times, and their contacts, as the array engine takes them."""
    state = row.state

    def flag(value: bool) -> NDArray[np.bool_]:
        return np.full(n, value)

    def number(value: int) -> NDArray[np.int64]:
        return np.full(n, value, dtype=np.int64)

    facts = Facts(
        malformed=flag(state.malformed), consents=number(state.consents), opt_outs=number(state.opt_outs),
        flags=number(state.flags), flags_known=flag(state.flags_known), contacts_known=flag(state.contacts_known),
        country_known=flag(state.country_known), party=number(state.party), balance=number(state.balance),
        due_day=number(row.due_day), elsewhere=flag(state.elsewhere), debtor=number(0), account=number(0),
        place_key=number(0), places=[row.place],
    )  # fmt: skip
    history = ContactHistory(
        debtor=np.zeros(len(contacts), dtype=np.int64),
        account=np.array(
            [-1 if one.account is None else 0 if one.account == row.account else 1 for one in contacts], dtype=np.int64
        ),
        instant_us=np.array([one.instant_us for one in contacts], dtype=np.int64),
        channel=np.array([one.channel for one in contacts], dtype=np.int64),
        rung=np.array([one.rung for one in contacts], dtype=np.int64),
        excludable=np.array([one.excludable for one in contacts], dtype=np.int64),
        by_debtor=np.array([one.by_debtor for one in contacts], dtype=bool),
        elsewhere=np.array([one.elsewhere for one in contacts], dtype=bool),
        planned=np.array([one.planned for one in contacts], dtype=bool),
        pending=np.array([one.pending for one in contacts], dtype=bool),
    )
    return facts, history


def _joined(value: Any) -> str | None:
    """A list as the text that tables hold."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return ";".join([str(item) for item in value])
    raise NotCovered("features")


_consents = lru_cache(4_096)(consent_bits)
_flags = lru_cache(4_096)(flags_of)
_zones_of_phone = lru_cache(4_096)(phone_zones_of)


def _phone_zones(value: str | None) -> tuple[tuple[str, ...], bool]:
    return _zones_of_phone(value)


def _text(value: Any) -> Any:
    if value is not None and not isinstance(value, str):
        raise NotCovered("features")
    return value


def _zone(value: Any) -> tuple[str | None, bool]:
    return zone_of(_text(value))


def _party(value: Any) -> tuple[int, bool]:
    return party_of(_text(value))


def _country(value: Any) -> tuple[str, bool]:
    return country_of(_text(value))


def _due_day(value: Any) -> tuple[int, bool]:
    if value is None:
        return NO_DUE_DAY, False
    if isinstance(value, datetime) or not isinstance(value, date):
        raise NotCovered("due_date")
    if not FIRST_YEAR - 50 <= value.year <= LAST_YEAR + 100:
        raise NotCovered("due_date")
    return due_day_of(value)


def _balance(value: Any) -> int:
    if value is None:
        return UNKNOWN_BALANCE
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or (isinstance(value, int) and abs(value) > _EXACT)
    ):
        raise NotCovered("balance_minor")
    if value != value or value in (float("inf"), float("-inf")):
        return UNKNOWN_BALANCE
    return SETTLED if value <= 0 else OPEN


def _flag_columns(row: Mapping[str, Any]) -> tuple[int, bool]:
    """Flags that come as columns of their own; together they may say all there is to know."""
    raised, known = 0, True
    for position, name in enumerate(TOLD_FLAGS):
        value = row.get(name)
        if is_null(value):
            known = False
        elif value not in _OFF:
            raised |= 1 << position
    return raised, known
