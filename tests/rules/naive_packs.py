"""Any rule pack, read a second time: one case at a time, in plain Python, from the TOML as it stands in the file.

:mod:`tests.rules.naive_law` writes the law down country by country and knows no pack. This oracle is its other half: it
knows no country, only the vocabulary of the packs as ``docs/guardrails.md`` and the schema state it, so a pack that is
added tomorrow, or a kind of rule that no packaged law uses yet, has a second reading too. It names every rule that
forbids, as the engine does.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator, Sequence
from typing import Any

import holidays

from tests.rules.naive_clock import (
    AWAY,
    CHANNELS,
    LADDER,
    NOT_FOR_MONEY,
    ONE_DAY,
    PURPOSES,
    TONES,
    WEEKDAYS,
    Asked,
    Clock,
    Raw,
    Seen,
)


def failing(asked: Asked, books: Sequence[Sequence[Raw]]) -> dict[str, set[str]]:
    """Rules that forbid each channel; tones are told as ``channel/tone`` where a pack speaks of them.

    Parameters
    ----------
    asked : Asked
    books : sequence of chains
        Each is a pack with what it extends, the widest first.
    """
    found: dict[str, set[str]] = {channel: set() for channel in CHANNELS}
    books = [book for book in books if not _is_silent(book, asked.purpose)]
    if all(book[-1]["id"] == "FLOOR" or book[-1]["kind"] == "overlay" for book in books):
        for channel in CHANNELS:
            found[channel].add("no-law")
    every_zone = [zone for book in books for zone in zones_of(book)]
    clocks: dict[str, Clock] = {}
    for book in books:
        address, phones = asked.account.get("timezone"), asked.account.get("phone_timezones") or []
        maybe = [address] if address else zones_of(book) or every_zone
        if not maybe:
            for channel in CHANNELS:
                found[channel].add("unknown-zone")
        for zone in dict.fromkeys([*maybe, *(phones if maybe else [])]):
            clock = clocks.setdefault(zone, Clock(asked, zone))
            for rule, channels in _book_forbids(book, clock):
                for channel in channels:
                    found[channel].add(rule)
    return found


def forbidden_tones(asked: Asked, books: Sequence[Sequence[Raw]]) -> dict[str, set[str]]:
    """Rules that forbid each tone, by the days past due on the address's clock."""
    found: dict[str, set[str]] = {tone: set() for tone in TONES}
    late = Clock(asked, asked.account["timezone"]).days_past_due()
    for pack in (pack for book in books for pack in book if pack.get("tones")):
        fitting = {tone for rule in pack["tones"] if _within(late, rule) for tone in rule["tones"]}
        for tone in set(TONES) - fitting:
            found[tone].add(f"{pack['id'].lower()}-tone")
    return found


def needs_person(asked: Asked, books: Sequence[Sequence[Raw]]) -> bool:
    """Whether a person looks first; who did has agreed."""
    if "reviewed" in (asked.account.get("flags") or ()):
        return False
    late = Clock(asked, asked.account["timezone"]).days_past_due()
    for rule in (rule for book in books for pack in book for rule in pack.get("needs_human", ())):
        if asked.account.get("party") in rule.get("parties", ()):
            return True
        if any(flag in rule.get("flags", ()) for flag in asked.account.get("flags") or ()):
            return True
        if "from_days" in rule and (late is None or late >= rule["from_days"]):
            return True
    return False


def _is_silent(book: Sequence[Raw], purpose: str) -> bool:
    """Whether all that a book says is whom other purposes are for: then it is not there at all."""
    spoken = [rule["purpose"] for pack in book for rule in pack.get("speaks_of", ())]
    sections = {name for pack in book for name, part in pack.items() if isinstance(part, list) or "cite" in str(part)}
    return bool(spoken) and purpose not in spoken and sections <= {"speaks_of", "sources", "cases", "open_questions"}


def zones_of(book: Sequence[Raw]) -> list[str]:
    """Zones of the narrowest pack of a chain that names any."""
    for pack in reversed(book):
        if pack.get("time", {}).get("zones"):
            return list(pack["time"]["zones"])
    return []


def _within(late: int | None, rule: Raw) -> bool:
    if late is None:
        return rule.get("to_days") is None
    return (rule.get("from_days") is None or late >= rule["from_days"]) and (
        rule.get("to_days") is None or late <= rule["to_days"]
    )


def _named(channels: Any) -> tuple[str, ...]:
    return CHANNELS if channels in ("*", "all_channels") else tuple(channels)


def _book_forbids(book: Sequence[Raw], clock: Clock) -> Iterator[tuple[str, tuple[str, ...]]]:
    purpose = clock.asked.purpose
    freed = {
        part for pack in book for rule in pack.get("exempt", ()) if purpose in rule["purposes"] for part in rule["from"]
    }
    for pack in book:
        yield from _about_the_account(pack, clock)
        yield from _about_the_purpose(pack, clock)
        yield from _about_the_day(pack, clock)
        if "windows" not in freed:
            yield from _about_the_hour(pack, clock)
        if "caps" not in freed:
            yield from _caps(pack, clock)
        if "cooldowns" not in freed:
            yield from _silences(pack, clock)
        if "exclusive_channel" not in freed:
            yield from _one_channel(pack, clock)
        yield from _cheaper_first(pack, clock)
    narrowest = book[-1]
    if narrowest["kind"] != "overlay" and narrowest["id"] != "FLOOR" and "windows" not in freed:
        spoken = {c for pack in book for window in pack.get("windows", ()) for c in _named(window.get("channels", "*"))}
        yield f"{narrowest['id'].lower()}-no-window", tuple(c for c in CHANNELS if c not in spoken)


def _about_the_account(pack: Raw, clock: Clock) -> Iterator[tuple[str, tuple[str, ...]]]:
    account, prefix = clock.asked.account, pack["id"].lower()
    money = clock.asked.purpose not in NOT_FOR_MONEY
    owing = money and clock.asked.purpose != "win_back"
    follows_up = clock.asked.purpose == "promise_follow_up"
    flags = account.get("flags")
    if pack["id"] == "FLOOR":
        unknown = {
            "unknown-country": not account.get("country"),
            "unknown-party": account.get("party") is None,
            "unknown-flags": flags is None,
            "unknown-contacts": clock.asked.contacts is None,
            "unknown-balance": account.get("balance_minor") is None and owing,
        }
        for rule, holds in unknown.items():
            if holds:
                yield rule, CHANNELS
    flags = [*(flags or ()), *(["promise_open"] if _has_promise(clock.asked) else [])]
    if "consent" in pack:
        agreed = account.get("consented_channels") or []
        yield f"{prefix}-consent", tuple(c for c in _named(pack["consent"].get("channels", "*")) if c not in agreed)
    party = account.get("party")
    if "parties" in pack and party is not None and party not in pack["parties"]["allowed"]:
        yield f"{prefix}-party", CHANNELS
    if "opt_out" in pack:
        yield f"{prefix}-opt-out", tuple(c for c in CHANNELS if f"opt_out:{c}" in flags)
    balance = account.get("balance_minor")
    if "settled" in pack and owing and balance is not None and balance <= 0:
        yield f"{prefix}-settled", CHANNELS
    for stop in pack.get("stops", ()):
        if follows_up and stop["flag"] == "promise_open":
            continue
        if stop["flag"] in flags and (money or stop.get("effect", "money") == "everything"):
            yield f"{prefix}-stop-{stop['flag'].replace('_', '-')}", CHANNELS
    for ban in pack.get("forbidden", ()):
        yield ban["id"], tuple(ban["channels"])
    if "workplace" in pack and account.get("place") in AWAY:
        yield f"{prefix}-workplace", tuple(pack["workplace"].get("forbid", ()))


def _has_promise(asked: Asked) -> bool:
    """Whether the account's own columns tell a promise that is open: until its day is over wherever one may live."""
    told, state = asked.account.get("promise_on"), asked.account.get("promise_state")
    if state in ("kept", "broken"):
        return False
    if told is None:
        return state not in (None, "", "none")  # a word that nobody can read may mean one
    return dt.date.fromisoformat(told) >= asked.known_at.astimezone(dt.UTC).date() - ONE_DAY


def _about_the_purpose(pack: Raw, clock: Clock) -> Iterator[tuple[str, tuple[str, ...]]]:
    account, purpose = clock.asked.account, clock.asked.purpose
    for rule in pack.get("speaks_of", ()):
        if rule["purpose"] != purpose:
            continue
        told, state = account.get(rule["about"]), account.get("promise_state")
        flags = [*(account.get("flags") or ()), *(["promise_open"] if _has_promise(clock.asked) else [])]
        of_promise = rule["about"] == "promise_on"
        is_over = of_promise and state not in (None, "open") and not (state == "broken" and told is not None)
        if is_over:
            yield rule["id"], CHANNELS
        elif told is None:
            if rule.get("or_flag") not in flags:
                yield f"{rule['id']}-unknown", CHANNELS
        else:
            day = dt.date.fromisoformat(told)
            since = (clock.today - day).days
            if since < rule.get("from_days", since) or since > rule.get("to_days", since):
                yield rule["id"], CHANNELS
            first = day + min(rule.get("from_days", 0), 0) * ONE_DAY
            if rule.get("once") and any(
                (contact.purpose == purpose or contact.purpose not in (None, *PURPOSES))
                and contact.account in (None, account.get("account_id"))
                and not contact.by_debtor
                and contact.outcome not in ("not_connected", "bounced", "wrong_party")
                and contact.date >= first
                for contact in clock.past
            ):
                yield f"{rule['id']}-said", CHANNELS
        late, balance = clock.days_past_due(), account.get("balance_minor")
        if rule.get("not_overdue") and (late is None or late > 0) and (balance is None or balance > 0):
            yield f"{rule['id']}-overdue", CHANNELS
        if "least_late_share" in rule:
            habit = account.get("late_due_share")
            if habit is None:
                yield f"{rule['id']}-habit-unknown", CHANNELS
            elif habit < rule["least_late_share"]:
                yield f"{rule['id']}-habit", CHANNELS


def _about_the_day(pack: Raw, clock: Clock) -> Iterator[tuple[str, tuple[str, ...]]]:
    prefix, today = pack["id"].lower(), clock.today
    if today < pack["valid_from"] or ("valid_to" in pack and today > pack["valid_to"]):
        yield f"{prefix}-not-in-force", CHANNELS
    policy, calendar = pack.get("holiday_policy"), pack.get("time", {}).get("holidays")
    if policy is None or policy["mode"] != "forbid" or calendar is None:
        return
    account = clock.asked.account
    country = account.get("country") if calendar["country"] == "account" else calendar["country"]
    country = "GB" if country == "UK" else country
    part = calendar.get("subdivision") or None
    if part == "account":
        part = (account.get("subdivision") or "").removeprefix(f"{country}-") or None
    dates = _holidays(country or "", part, tuple(calendar.get("categories", ("public",))), today.year)
    channels = _named(policy.get("channels", "*"))
    if dates is None:
        yield f"{prefix}-holiday-unknown", channels
    elif (today in dates or today in calendar.get("extra", ())) and today not in calendar.get("remove", ()):
        yield f"{prefix}-holiday", channels


@functools.cache
def _holidays(country: str, part: str | None, categories: tuple[str, ...], year: int) -> frozenset[dt.date] | None:
    known = holidays.list_supported_countries(include_aliases=False)
    if country not in known:
        return None
    part = part if part in known[country] else None
    dates = holidays.country_holidays(country, subdiv=part, years=year, categories=categories)
    return frozenset(dates) if dates.start_year <= year <= dates.end_year else None


def _about_the_hour(pack: Raw, clock: Clock) -> Iterator[tuple[str, tuple[str, ...]]]:
    windows = pack.get("windows", ())
    if not windows:
        return
    day, now = WEEKDAYS[clock.local.weekday()], clock.local.time()
    late = clock.days_past_due()
    stage = "overdue" if late is None or late > 0 else "due" if late == 0 else "pre_due"
    shut = []
    for channel in CHANNELS:
        about = [window for window in windows if channel in _named(window.get("channels", "*"))]
        if about and not any(_open(window, day, now, stage, clock.asked.readings) for window in about):
            shut.append(channel)
    yield f"{pack['id'].lower()}-window", tuple(shut)


def _open(window: Raw, day: str, now: dt.time, stage: str, readings: frozenset[str]) -> bool:
    if window.get("alternative") and window["id"] not in readings:
        return False
    opening = dt.time.fromisoformat(window["from"])
    begun = now > opening if window.get("closed", "left") == "none" else now >= opening
    over = window["to"] != "24:00" and now >= dt.time.fromisoformat(window["to"])
    return day in window["days"] and begun and not over and stage in window.get("stages", ("pre_due", "due", "overdue"))


def _caps(pack: Raw, clock: Clock) -> Iterator[tuple[str, tuple[str, ...]]]:
    for cap in pack.get("caps", ()):
        loose = cap.get("alt", {}) if cap["id"] in clock.asked.readings else {}
        least = LADDER.index(loose.get("counts") or cap.get("counts", "attempt"))
        gap = loose.get("min_gap_days", cap.get("min_gap_days", 0))
        scope = cap["scope"]
        groups = [(c,) for c in CHANNELS] if scope == "each_channel" else [_named(scope)]
        for group in groups:
            counted = [
                contact
                for contact in clock.of_unit(pack)
                if not contact.by_debtor
                and (contact.channel is None or contact.channel in group)
                and contact.rung >= least
                and contact.outcome not in cap.get("exclude", ())
                and (cap.get("place", "any") == "any" or contact.away)
            ]
            concerned = cap.get("place", "any") == "any" or clock.asked.account.get("place") in AWAY
            if concerned and _full(cap, counted, pack, clock):
                yield cap["id"], group
            if cap.get("min_gap_days", 0) and any(abs((c.date - clock.today).days) < gap for c in counted):
                yield f"{cap['id']}-gap", group


def _full(cap: Raw, counted: list[Seen], pack: Raw, clock: Clock) -> bool:
    """Whether one contact more would be too many in some span that holds it."""
    per = cap["per"]
    if per["kind"] == "rolling_hours":
        reach = dt.timedelta(hours=per["hours"])
        return sum(abs(contact.sent - clock.asked.at) < reach for contact in counted) >= cap["max"]
    dates = [contact.date for contact in counted]
    return any(sum(first <= date <= last for date in dates) >= cap["max"] for first, last in _spans(per, pack, clock))


def _spans(per: Raw, pack: Raw, clock: Clock) -> list[tuple[dt.date, dt.date]]:
    today, week = clock.today, pack.get("time", {}).get("week", {})
    if per["kind"] == "calendar_day":
        return [(today, today)]
    if per["kind"] == "week" and week.get("kind", "calendar") == "calendar":
        first = today
        while WEEKDAYS[first.weekday()] != week.get("starts", "mon"):
            first -= ONE_DAY
        return [(first, first + 6 * ONE_DAY)]
    length = per.get("days", 7)
    return [(today + (k - length + 1) * ONE_DAY, today + k * ONE_DAY) for k in range(length)]


def _silences(pack: Raw, clock: Clock) -> Iterator[tuple[str, tuple[str, ...]]]:
    for rule in pack.get("cooldowns", ()):
        # Counted from the date of the talk, its own date is the first of so many silent dates.
        silent = rule["days"] - 1 if rule.get("first_day", "contact_date") == "contact_date" else rule["days"]
        for contact in clock.of_unit(pack):
            talked = contact.rung >= LADDER.index(rule["after"]) or contact.pending
            ours = rule.get("initiated_by", "either") == "either" or not contact.by_debtor
            by = contact.channel is None or contact.channel in rule["by"]
            recent = contact.sent <= clock.asked.at and (clock.today - contact.date).days <= silent
            if talked and ours and by and recent:
                yield rule["id"], tuple(rule["blocks"])


def _one_channel(pack: Raw, clock: Clock) -> Iterator[tuple[str, tuple[str, ...]]]:
    for rule in pack.get("exclusive_channel", ()):
        loose = rule.get("alt", {}) if rule["id"] in clock.asked.readings else {}
        least = LADDER.index(loose.get("trigger") or rule.get("trigger", "attempt"))
        for first, last in _spans(rule["per"], pack, clock):
            used = {
                contact.channel
                for contact in clock.of_unit(pack)
                if first <= contact.date <= last and contact.rung >= least and not contact.by_debtor
            }
            yield rule["id"], tuple(channel for channel in CHANNELS if used - {channel})


def _cheaper_first(pack: Raw, clock: Clock) -> Iterator[tuple[str, tuple[str, ...]]]:
    flags = clock.asked.account.get("flags") or []
    agreed = [c for c in clock.asked.account.get("consented_channels") or [] if f"opt_out:{c}" not in flags]
    for rule in pack.get("escalation", ()):
        tried = sum(
            contact.channel in rule["after"]
            and not contact.by_debtor
            and not contact.planned
            and 1 <= (clock.today - contact.date).days <= rule["within_days"]
            for contact in clock.of_unit(pack)
        )
        if tried < rule["attempts"] and set(agreed) & set(rule["after"]):
            yield rule["id"], tuple(rule["channels"])
