"""Random cases: instants crowd where rules change, histories are short and dirty."""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from recommender.rules import CHANNELS, FLAGS, PARTIES, PURPOSES
from tests.rules.naive_law import ZONES

COUNTRY = {"US-MA": "US", "BR-SP": "BR", "BR-AL": "BR", "UK": "GB"}
PHONES = {"CO": "+573001234567", "US": "+12125551234", "EC": "+593991234567", "MX": "+525512345678"}
EDGES = [7, 8, 9, 14, 15, 19, 20, 21, 22, 0]
OUTCOMES = ["attempt", "delivered", "live_contact", "wrong_party", "not_connected", None]
SUBDIVISIONS = {"CL": ["AP", "RM"], "ES": ["CT", "MD"], "UK": ["SCT", "ENG"]}


def random_case(rng: random.Random) -> dict[str, Any]:
    """One well-formed case."""
    packs = rng.sample(sorted(ZONES), k=1 if rng.random() < 0.85 else 2)
    zone = rng.choice(ZONES[packs[0]])
    at = _instant(rng)
    clean = rng.random() < 0.7
    account: dict[str, Any] = {
        "account_id": "A1",
        "debtor_id": "D1",
        "country": COUNTRY.get(packs[0], packs[0]),
        "subdivision": rng.choice([None, *SUBDIVISIONS.get(packs[0], [])]) if len(packs) == 1 else None,
        "timezone": zone if rng.random() < 0.8 else None,
        "phone": PHONES.get(packs[0]) if rng.random() < 0.2 else None,
        "due_date": (at.date() + dt.timedelta(days=rng.randint(-60, 5))).isoformat(),
        "balance_minor": 100_000 if clean else rng.choice([100, 0, -5, None, 7.5]),
        "consented_channels": list(CHANNELS) if clean else rng.sample(CHANNELS, k=rng.randint(0, 7)),
        "flags": [] if clean or rng.random() < 0.5 else rng.sample([*FLAGS, *(f"opt_out:{c}" for c in CHANNELS)], k=1),
        "party": "debtor" if clean else rng.choice([*PARTIES, None]),
    }
    if rng.random() < 0.03:
        account.pop(rng.choice(["flags", "party", "consented_channels", "balance_minor", "country"]))
    contacts = [random_contact(rng, at) for _ in range(rng.choice([0, 0, 1, 1, 2, 3, 8]))]
    if rng.random() < 0.15:  # many calls about one debt, as the seven-in-seven rule sees them
        contacts += [
            {"sent_at": _text(at - dt.timedelta(days=day, hours=1)), "channel": "call", "account_id": "A1",
             "initiated_by": "creditor", "outcome": "attempt", "status": "sent"}
            for day in range(rng.randint(5, 8))
        ]  # fmt: skip
    case = {
        "id": rng.randint(0, 10**6),
        "packs": packs,
        "at": _text(at, rng),
        "channel": rng.choice(CHANNELS),
        "purpose": "collection" if rng.random() < 0.7 else rng.choice(PURPOSES),
        "account": account,
        "contacts": contacts,
    }
    if rng.random() < 0.01:
        case.pop("contacts")
    return case


def random_contact(rng: random.Random, at: dt.datetime) -> dict[str, Any]:
    """A past or planned contact near an instant; some facts are missing."""
    contact: dict[str, Any] = {
        "sent_at": _text(at + dt.timedelta(hours=rng.choice([-rng.randint(0, 24 * 10), rng.randint(0, 24 * 7), -3]))),
        "channel": rng.choice(CHANNELS) if rng.random() < 0.97 else None,
        "account_id": rng.choice(["A1", "A1", "A2", None]),
        "initiated_by": rng.choice(["creditor", "creditor", "debtor", None]),
        "outcome": rng.choice(OUTCOMES),
        "status": rng.choice(["sent", "sent", "planned", None]),
    }
    return contact


def _instant(rng: random.Random) -> dt.datetime:
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=rng.randrange(365))
    if rng.random() < 0.15:  # around changes of the clock and holidays
        day = rng.choice(
            [dt.datetime(2026, *date, tzinfo=dt.UTC) for date in
             ((3, 8), (11, 1), (4, 4), (4, 5), (9, 6), (3, 29), (10, 25), (8, 15), (11, 16), (7, 9), (12, 25))]
        )  # fmt: skip
    if rng.random() < 0.4:  # on an edge of some zone's window, give or take nothing or the smallest step
        moment = day + dt.timedelta(hours=rng.choice(EDGES) + rng.choice([0, 3, 4, 5, 6, 7, 8, 10, -1]))
        return moment + rng.choice([dt.timedelta(0), dt.timedelta(microseconds=1), -dt.timedelta(microseconds=1)])
    return day + dt.timedelta(seconds=rng.randint(11 * 3600, 25 * 3600))


def _text(at: dt.datetime, rng: random.Random | None = None) -> str:
    offset = 0 if rng is None else rng.choice([0, -5, 5.5, -3])
    return at.astimezone(dt.timezone(dt.timedelta(hours=offset))).isoformat()
