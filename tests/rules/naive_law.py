"""A second reading of the law, one case at a time in plain Python: the oracle of the vectorised rules.

It knows no rule pack: the rules are written down here again, country by country, with aware datetimes and loops.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import phonenumbers
from phonenumbers import timezone as number_zones

PHONE_LIKE = {"call", "ivr"}
EXEMPT = {"payment_confirmation", "fraud_alert", "requested_information"}
PERSONAL_STOPS = {"deceased", "do_not_contact", "cease_contact"}

ZONES = {
    "CO": ["America/Bogota"],
    "CL": ["America/Santiago", "America/Punta_Arenas", "America/Coyhaique", "Pacific/Easter"],
    "PE": ["America/Lima"],
    "EC": ["America/Guayaquil", "Pacific/Galapagos"],
    "MX": ["America/Mexico_City", "America/Cancun", "America/Hermosillo", "America/Tijuana", "America/Ciudad_Juarez"],
    "US": ["America/New_York", "America/Chicago", "America/Denver", "America/Phoenix", "America/Los_Angeles",
           "America/Anchorage", "America/Adak", "Pacific/Honolulu"],
    "US-MA": ["America/New_York"],
    "BR": ["America/Noronha", "America/Sao_Paulo", "America/Manaus", "America/Rio_Branco"],
    "BR-SP": ["America/Sao_Paulo"],
    "BR-AL": ["America/Maceio"],
    "AR": ["America/Argentina/Buenos_Aires"],
    "ES": ["Europe/Madrid", "Africa/Ceuta", "Atlantic/Canary"],
    "UK": ["Europe/London"],
}  # fmt: skip
PARENT = {"US-MA": "US", "BR-SP": "BR", "BR-AL": "BR"}


def permits(case: dict[str, Any], readings: frozenset[str] = frozenset()) -> bool:
    """Whether a well-formed case may go ahead."""
    account, channel, purpose = case["account"], case["channel"], case.get("purpose", "collection")
    if not _person_permits(account, channel, purpose) or case.get("contacts") is None:
        return False
    at = dt.datetime.fromisoformat(case["at"])
    for pack in case["packs"]:
        known = [account["timezone"]] if account.get("timezone") else list(ZONES[pack])
        if account.get("phone"):
            known += number_zones.time_zones_for_number(phonenumbers.parse(account["phone"], None))
        for zone in known:
            law: str | None = pack
            while law is not None:
                if not _law_permits(law, at, ZoneInfo(zone), case, readings):
                    return False
                law = PARENT.get(law)
    return True


def _person_permits(account: dict[str, Any], channel: str, purpose: str) -> bool:
    flags = account.get("flags")
    if flags is None or account.get("party") not in {"debtor", "codebtor", "guarantor"} or not account.get("country"):
        return False
    if channel not in (account.get("consented_channels") or []) or f"opt_out:{channel}" in flags:
        return False
    if purpose in EXEMPT:
        return not PERSONAL_STOPS & set(flags)
    balance = account.get("balance_minor")
    if purpose != "win_back" and (balance is None or balance <= 0):
        return False
    about = {"promise_open"} if purpose == "promise_follow_up" else set()
    return all(flag.startswith("opt_out:") or flag in about or flag == "reviewed" for flag in flags)  # no stop


def _law_permits(law: str, at: dt.datetime, zone: ZoneInfo, case: dict[str, Any], readings: frozenset[str]) -> bool:
    local = at.astimezone(zone)
    clock, today, weekday = local.time(), local.date(), local.weekday()
    channel, exempt = case["channel"], case.get("purpose", "collection") in EXEMPT
    contacts = _read(case["contacts"], at, zone)
    ours = [c for c in contacts if not c["inbound"]]
    same_debt = [c for c in contacts if c["account"] in (None, case["account"].get("account_id"))]
    monday = today - dt.timedelta(days=weekday)
    week = [c for c in ours if monday <= c["date"] < monday + dt.timedelta(days=7)]

    if law == "CO":
        if channel == "visit" or _holiday("CO", today):
            return False
        if exempt:
            return True
        if weekday == 6 or not (
            dt.time(7) <= clock < dt.time(19) if weekday < 5 else dt.time(8) <= clock < dt.time(15)
        ):
            return False
        floor = {rule: 2 if rule in readings else 0 for rule in ("co-day", "co-one-channel-week")}
        if any(c["date"] == today and c["rung"] >= floor["co-day"] for c in ours):
            return False
        return all(c["channel"] == channel for c in week if c["rung"] >= floor["co-one-channel-week"])
    if law == "CL":
        subdivision = case["account"].get("subdivision")
        if weekday == 6 or not dt.time(8) <= clock < dt.time(20) or _holiday("CL", today, subdivision):
            return False
        live = {"call", "ivr", "visit"}
        if channel in live:
            floor_live = 2 if "cl-live" in readings else 0
            return not [c for c in week if c["channel"] in {*live, None} and c["rung"] >= floor_live]
        messages = [c for c in ours if c["channel"] not in live]
        needed = 2 if "cl-message" in readings else 3
        return len([c for c in week if c in messages]) < 2 and all(
            abs((c["date"] - today).days) >= needed for c in messages
        )
    if law in ("PE", "EC"):
        if weekday > 4 or not dt.time(7) <= clock < dt.time(20) or _holiday(law, today):
            return False
        return law == "PE" or all(c["date"] != today for c in ours)
    if law == "MX":
        days = 7 if "mx-weekend" in readings else 5
        return weekday < days and dt.time(7) <= clock < dt.time(22) and not _holiday("MX", today)
    if law == "US":
        if not dt.time(8) < clock < dt.time(21):
            return False
        if channel not in PHONE_LIKE:
            return True
        calls = [c for c in same_debt if c["channel"] in {*PHONE_LIKE, None}]
        dialled = [c["date"] for c in calls if not c["inbound"] and c["outcome"] != "not_connected"]
        if _over(dialled, today, 7, 7):
            return False
        return not any(c["rung"] == 2 and c["sent"] <= at and 0 <= (today - c["date"]).days <= 6 for c in calls)
    if law == "US-MA":
        counted = [
            c["date"]
            for c in same_debt
            if not c["inbound"] and c["channel"] in {"call", "sms", "whatsapp", "ivr", None}
        ]
        return channel not in {"call", "sms", "whatsapp", "ivr"} or not _over(counted, today, 7, 2)
    if law == "BR" or law.startswith("BR-"):
        bound = {"BR": None, "BR-SP": PHONE_LIKE, "BR-AL": {*PHONE_LIKE, "sms", "whatsapp"}}[law]
        if bound is not None and channel not in bound:
            return True
        end = 20 if weekday < 5 else 14
        state = law.partition("-")[2] or None
        return weekday != 6 and dt.time(8) <= clock < dt.time(end) and not _holiday("BR", today, state)
    country = {"AR": "AR", "ES": "ES", "UK": "GB"}[law]
    subdivision = None if law == "AR" else case["account"].get("subdivision")
    return weekday < 5 and dt.time(9) <= clock < dt.time(20) and not _holiday(country, today, subdivision)


def _over(dates: list[dt.date], today: dt.date, length: int, most: int) -> bool:
    """Whether one more today makes more than ``most`` in some ``length`` days in a row."""
    for shift in range(length):
        last = today + dt.timedelta(days=shift)
        first = last - dt.timedelta(days=length - 1)
        if sum(first <= date <= last for date in dates) >= most:
            return True
    return False


def _read(contacts: list[dict[str, Any]], at: dt.datetime, zone: ZoneInfo) -> list[dict[str, Any]]:
    rungs = {"attempt": 0, "not_connected": 0, "wrong_party": 0, "delivered": 1, "live_contact": 2}
    read = []
    for contact in contacts:
        sent = dt.datetime.fromisoformat(contact["sent_at"])
        outcome = contact.get("outcome")
        ahead = contact.get("status") == "planned" and sent > at
        read.append(
            {
                "sent": sent,
                "date": sent.astimezone(zone).date(),
                "channel": contact.get("channel"),
                "account": contact.get("account_id"),
                "inbound": contact.get("initiated_by") == "debtor",
                "outcome": outcome,
                "rung": rungs.get(outcome, 0 if ahead else 2),
            }
        )
    return read


def _holiday(country: str, date: dt.date, subdivision: str | None = None) -> bool:
    return date in _holidays_of(country, subdivision, date.year)


@functools.cache
def _holidays_of(country: str, subdivision: str | None, year: int) -> frozenset[dt.date]:
    try:
        return frozenset(holidays.country_holidays(country, subdiv=subdivision, years=year))
    except NotImplementedError:  # a subdivision of some other country
        return frozenset(holidays.country_holidays(country, years=year))
