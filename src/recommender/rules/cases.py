"""Checks one by one or in bulk: a case in, a verdict out, both JSON objects."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from recommender.columns import Columns
from recommender.errors import InvalidInput
from recommender.intake import canonical_word, with_case_states
from recommender.local_time import as_utc_us
from recommender.rules.contact_history import CONTACT, ContactHistory, code_contacts
from recommender.rules.evaluation import evaluate, local_times
from recommender.rules.facts import read_facts
from recommender.rules.law import Law
from recommender.rules.loading import PackError, check_readings, parse_pack, rule_books
from recommender.rules.next_instant import NEVER, first_open
from recommender.rules.phone_zones import phone_timezones
from recommender.rules.preferences import preference_overlay
from recommender.rules.schema import Pack
from recommender.rules.vocabulary import ABOUT, CHANNELS, PURPOSES

__all__ = ["check_case", "check_cases", "check_lines"]

_BLOCK = 4_096
_ACCOUNT_TEXTS = (
    "timezone", "phone", "due_date", "country", "subdivision", "party", "place", *ABOUT[1:], "promise_state",
)  # fmt: skip
_CONTACT_TEXTS = ("channel", "account_id", "initiated_by", "outcome", "status", "place", "purpose")
_INITIATORS, _STATUSES = ("creditor", "debtor"), ("sent", "planned")
_EARLIEST, _LATEST = datetime(1901, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class _Case:
    """A case that could be read."""

    packs: tuple[str, ...]
    at_us: int
    channel: int
    purpose: str
    account: dict[str, Any]
    contacts: list[dict[str, Any]] | None
    wishes: str | None


class _Malformed(Exception):
    """The case breaks the format; the first argument is the field, the second what is wrong with it."""


def check_case(
    case: Mapping[str, Any],
    *,
    overlays: Sequence[Pack | Mapping[str, Any] | str] = (),
    readings: Sequence[str] = (),
    every_event: bool = False,
) -> dict[str, Any]:
    """Judge one contact.

    Parameters
    ----------
    case : mapping
        ``id``, ``packs``, ``at``, ``channel``, ``purpose``, ``account``, ``contacts`` as one line of
        ``python -m pipelines check --cases``. In place of ``phone`` an account may carry ``phone_timezones``; beyond
        the format it may carry ``place`` (``"home"`` or ``"work"``) and ``preferences``.
    overlays, readings
        As for :func:`~recommender.rules.eligibility`.
    every_event : bool, default=False
        Also ``wrong_party``, ``not_connected`` and outcomes that nobody understands make states, as they do in a plan
        (house policy). Without it these are words that only the laws' own counts use.

    Returns
    -------
    dict
        ``id``, ``allowed``, ``rules`` (failing rule ids), ``next_allowed_at`` (UTC text or None). A case that breaks
        the format is denied with the rule ``input`` and names its ``field`` and ``problem``; nothing is raised.
    """
    return next(check_cases([case], overlays=overlays, readings=readings, every_event=every_event))


def check_lines(
    lines: Iterable[bytes | str],
    *,
    overlays: Sequence[Pack | Mapping[str, Any] | str] = (),
    readings: Sequence[str] = (),
    every_event: bool = False,
) -> Iterator[str]:
    """Judge JSON lines: one verdict line for each input line, in order, whatever the line holds."""

    def read(line: bytes | str) -> Any:
        try:
            text = line.decode("utf-8") if isinstance(line, bytes) else line
            return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return None

    cases = (read(line) for line in lines)
    for verdict in check_cases(cases, overlays=overlays, readings=readings, every_event=every_event):
        yield json.dumps(verdict)


def check_cases(
    cases: Iterable[Any],
    *,
    overlays: Sequence[Pack | Mapping[str, Any] | str] = (),
    readings: Sequence[str] = (),
    every_event: bool = False,
) -> Iterator[dict[str, Any]]:
    """Judge many cases, in order, in blocks; each is judged on its own facts and history."""
    extra = tuple(item if isinstance(item, Pack) else parse_pack(item) for item in overlays)
    chosen = check_readings(readings, extra)
    laws: dict[tuple[Any, ...], Law] = {}
    block: list[Any] = []
    for case in cases:
        block.append(case)
        if len(block) == _BLOCK:
            yield from _check_block(block, extra, chosen, laws, every_event=every_event)
            block = []
    yield from _check_block(block, extra, chosen, laws, every_event=every_event)


def _check_block(
    block: list[Any],
    overlays: tuple[Pack, ...],
    readings: frozenset[str],
    laws: dict[tuple[Any, ...], Law],
    *,
    every_event: bool,
) -> list[dict[str, Any]]:
    verdicts: list[dict[str, Any]] = []
    read: list[tuple[int, _Case]] = []
    by_law: dict[tuple[Any, ...], list[int]] = {}
    for position, raw in enumerate(block):
        verdicts.append(
            {
                "id": raw.get("id") if isinstance(raw, Mapping) else None,
                "allowed": False,
                "rules": ["input"],
                "next_allowed_at": None,
            }
        )
        try:
            case = _read_case(raw, every_event=every_event)
            key = (case.packs, case.purpose, case.wishes)
            if key not in laws:
                wishes = () if case.wishes is None else (preference_overlay(case.wishes),)
                laws[key] = Law.compile(rule_books(case.packs, (*overlays, *wishes)), case.purpose, readings)
        except _Malformed as error:
            verdicts[-1]["field"], verdicts[-1]["problem"] = error.args
            continue
        except PackError as error:
            verdicts[-1]["field"], verdicts[-1]["problem"] = "packs", str(error)
            continue
        by_law.setdefault(key, []).append(len(read))
        read.append((position, case))
    for key, chosen in by_law.items():
        picked = [read[index] for index in chosen]
        for (position, _), verdict in zip(picked, _judge(laws[key], [case for _, case in picked]), strict=True):
            verdicts[position].update(verdict)
    return verdicts


def _judge(law: Law, cases: list[_Case]) -> list[dict[str, Any]]:
    """Verdicts of cases under one law, vectorised over the cases."""
    n = len(cases)
    at = np.array([case.at_us for case in cases], dtype=np.int64)
    facts = read_facts(
        Columns.of([case.account for case in cases]),
        contacts_known=np.array([case.contacts is not None for case in cases]),
        as_of_us=at,
    )
    # Each case brings its own history: nothing is shared between cases.
    facts.table["debtor"] = np.arange(n)
    facts.table["account"] = np.where(facts.table["account"] >= 0, np.arange(n), -1)
    history = _history(cases)
    lasting = law.lasting()
    verdicts: list[dict[str, Any]] = [{} for _ in range(n)]
    for code, locality in enumerate(facts.localities):
        part = np.flatnonzero(facts.table["locality"] == code)
        own = facts.table[part]
        channel = np.array([cases[row].channel for row in part.tolist()], dtype=np.int64)
        verdict = evaluate(law, own, history, local_times(law, locality, at[part][:, None]), keep=True)
        allowed = (verdict.allowed[:, 0] >> channel) & 1 == 1
        failing = (verdict.failing[:, :, 0] >> channel) & 1 == 1  # (rules, cases)
        instants = np.where(allowed, at[part], NEVER)
        # What time alone does not lift is not waited for.
        hopeful = np.flatnonzero(~allowed & ~failing[lasting].any(axis=0))
        if len(hopeful):
            asked = np.left_shift(1, channel[hopeful]).astype(np.uint8)
            instants[hopeful] = first_open(law, locality, own[hopeful], history, at[part][hopeful], asked)
        for local, row in enumerate(part.tolist()):
            instant = int(instants[local])
            named = [law.names[position].id for position in np.flatnonzero(failing[:, local]).tolist()]
            verdicts[row] = {
                "allowed": bool(allowed[local]),
                "rules": list(dict.fromkeys(named)),
                "next_allowed_at": None if instant == NEVER else _utc_text(instant),
            }
    return verdicts


def _history(cases: list[_Case]) -> ContactHistory:
    contacts = [(row, contact) for row, case in enumerate(cases) for contact in case.contacts or ()]
    accounts = []
    for row, contact in contacts:
        named, own = contact.get("account_id"), cases[row].account.get("account_id")
        # Another account of the same debtor: a code that no row has.
        accounts.append(-1 if named is None else row if str(named) == str(own) else len(cases))
    if not contacts:
        return ContactHistory.of(np.zeros(0, dtype=CONTACT))
    owner = np.array([row for row, _ in contacts], dtype=np.int64)
    decided_at = np.array([cases[row].at_us for row, _ in contacts], dtype=np.int64)
    table = code_contacts(Columns.of([contact for _, contact in contacts]), decided_at)
    table["debtor"], table["account"] = owner, accounts
    return ContactHistory.of(table)


# -- reading -----------------------------------------------------------------------------------------------------
def _read_case(raw: Any, *, every_event: bool) -> _Case:
    if not isinstance(raw, Mapping):
        raise _Malformed("case", "is no JSON object with each key once")
    packs, channel, purpose = raw.get("packs"), raw.get("channel"), raw.get("purpose")
    if not isinstance(packs, list) or not packs or not all(isinstance(pack, str) for pack in packs):
        raise _Malformed("packs", 'must be a list of rule packs, e.g. ["CO"]')
    if channel not in CHANNELS:
        raise _Malformed("channel", f"must be one of {', '.join(CHANNELS)}; got {_shown(channel)}")
    purpose = "collection" if purpose is None else purpose
    if purpose not in PURPOSES:
        raise _Malformed("purpose", f"must be one of {', '.join(PURPOSES)}; got {_shown(purpose)}")
    account = raw.get("account")
    if account is not None and not isinstance(account, Mapping):
        raise _Malformed("account", "must be an object")
    facts, wishes = _read_account({} if account is None else account)
    contacts = raw.get("contacts")
    if contacts is not None and not isinstance(contacts, list):
        raise _Malformed("contacts", "must be a list, or null where nobody knows them")
    at_us = as_utc_us(_instant_of(raw.get("at"), "at"))
    history = None
    if contacts is not None:
        history = [_read_contact(contact, f"contacts[{position}]") for position, contact in enumerate(contacts)]
    return _Case(
        packs=tuple(packs),
        at_us=at_us,
        channel=CHANNELS.index(channel),
        purpose=purpose,
        account=dict(with_case_states(facts, history, at_us, every_event=every_event)),
        contacts=history,
        wishes=wishes,
    )


def _read_account(raw: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    for name in _ACCOUNT_TEXTS:
        if raw.get(name) is not None and not isinstance(raw[name], str):
            raise _Malformed(f"account.{name}", f"must be text or null; got {_shown(raw[name])}")
    for name in ("consented_channels", "flags", "phone_timezones"):
        value = raw.get(name)
        if value is not None and not (isinstance(value, list) and all(_is_word(item) for item in value)):
            raise _Malformed(f"account.{name}", f"must be a list of words or null; got {_shown(value)}")
    for name in ("account_id", "debtor_id"):
        if isinstance(raw.get(name), bool | float | list | dict):
            raise _Malformed(f"account.{name}", f"must be text or a whole number; got {_shown(raw[name])}")
    balance = raw.get("balance_minor")
    if balance is not None and (
        isinstance(balance, bool) or not isinstance(balance, int | float) or not math.isfinite(_as_float(balance))
    ):
        raise _Malformed("account.balance_minor", f"must be a number or null; got {_shown(balance)}")
    names = (
        "account_id", "debtor_id", "country", "subdivision", "timezone", "due_date", "consented_channels", "flags",
        "party", "place", *ABOUT[1:], "promise_state",
    )  # fmt: skip
    facts = {name: raw.get(name) for name in names}
    facts["balance_minor"] = None if balance is None else _as_float(balance)
    share = raw.get("late_due_share")
    if share is not None and (isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1):
        raise _Malformed("account.late_due_share", f"must be a number of 0 .. 1 or null; got {_shown(share)}")
    facts["late_due_share"] = share
    zones = raw.get("phone_timezones")
    if raw.get("phone") is not None:
        try:
            zones = [*(zones or ()), *phone_timezones(raw["phone"])]
        except InvalidInput as error:
            raise _Malformed("account.phone", "is no telephone number with its country code") from error
    facts["phone_timezones"] = zones
    wishes = raw.get("preferences")
    if wishes is not None and not isinstance(wishes, Mapping):
        raise _Malformed("account.preferences", f"must be an object or null; got {_shown(wishes)}")
    return facts, None if wishes is None else json.dumps(wishes, sort_keys=True)


def _read_contact(raw: Any, field: str) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise _Malformed(field, f"must be an object; got {_shown(raw)}")
    contact = {name: raw.get(name) for name in _CONTACT_TEXTS}
    for name, value in contact.items():
        if value is not None and not isinstance(value, str) and not (name == "account_id" and type(value) is int):
            raise _Malformed(f"{field}.{name}", f"must be text or null; got {_shown(value)}")
    for name, known in (("channel", CHANNELS), ("initiated_by", _INITIATORS), ("status", _STATUSES)):
        word = contact[name]
        if word is not None and word not in known:  # Spanish and other usual words are read as in a table
            contact[name] = canonical_word(name, word)
            if contact[name] is None:
                raise _Malformed(f"{field}.{name}", f"must be one of {', '.join(known)}; got {_shown(word)}")
    contact |= {name: raw[name] for name in ("promise_date",) if isinstance(raw.get(name), str)}
    if isinstance(raw.get("callback_at"), str):
        contact["callback_at"] = _instant_of(raw["callback_at"], f"{field}.callback_at")
    return contact | {"sent_at": _instant_of(raw.get("sent_at"), f"{field}.sent_at")}


def _shown(value: Any) -> str:
    return repr(value)[:60]


def _is_word(item: Any) -> bool:
    """Text without the separator of list columns."""
    return isinstance(item, str) and ";" not in item


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _instant_of(text: Any, field: str) -> datetime:
    """Aware instant of ISO text with an offset."""
    wrong = _Malformed(
        field, f"must be an instant with a UTC offset, e.g. 2026-11-22T10:00:00-05:00; got {_shown(text)}"
    )
    if not isinstance(text, str):
        raise wrong
    try:
        instant = datetime.fromisoformat(text.upper())  # 2026-11-22t10:00:00z
        if instant.tzinfo is None or not _EARLIEST <= instant <= _LATEST:
            raise wrong
        return instant
    except (ValueError, OverflowError) as error:
        raise wrong from error


def _utc_text(instant_us: int) -> str:
    instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us)
    return instant.isoformat().replace("+00:00", "Z")


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says one key twice: nobody knows which one is meant."""
    named = dict(pairs)
    if len(named) < len(pairs):
        raise ValueError("a key is given twice")
    return named


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
