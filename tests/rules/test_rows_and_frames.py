"""Accounts as JSON objects, one engine for all requests, against a frame of its own: the same answer to the bit."""

import datetime as dt
import random
from decimal import Decimal
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.columns import Columns
from recommender.messages import default_catalogue
from recommender.rules import CHANNELS, FLAGS, Guardrails, due_days, eligibility, judged, pack_ids
from tests.rules.strategies import random_case

SPACES = [
    ActionSpace(
        {"channel": ["call", "sms", "whatsapp", "email", "visit"], "hour": range(7, 21), "tone": ["friendly", "firm"]},
        no_contact=True,
    ),
    ActionSpace({"tone": ["neutral", "formal-legal"], "channel": [*CHANNELS, "fax"], "hour": [0, 9, 2, 23]}),
    ActionSpace({"channel": ["sms", "call"]}, no_contact=True),
]


def rows_of(rng: random.Random, at: dt.datetime, number: int) -> tuple[list[dict], list[dict]]:
    """Accounts with contacts, some of them of one debtor, some known by columns of their own."""
    rows, contacts = [], []
    for position in range(number):
        case = random_case(rng)
        shift = at - dt.datetime.fromisoformat(case["at"])
        held = case["account"]
        due = held.get("due_date")
        row = {
            name: held.get(name)
            for name in ("country", "subdivision", "timezone", "balance_minor", "consented_channels", "flags", "party")
        }
        row |= {
            "account_id": f"A{position}",
            "debtor_id": rng.choice([None, f"D{position}", "D1", "A1"]),
            "due_date": None if due is None else dt.date.fromisoformat(due) + dt.timedelta(days=shift.days),
            "phone_timezones": rng.choice([None, None, [], ["America/Chicago", "America/New_York"], ["nowhere"]]),
            "packs": case["packs"] if rng.random() < 0.97 else [],
            "language": rng.choice([None, "es", "es-CO", "en", "xx"]),
            "place": rng.choice([None, None, None, "work"]),
        }
        if rng.random() < 0.05:
            row["timezone"] = "Mars/Olympus"
        row |= {flag: rng.choice([False, False, True, None, 0, "false"]) for flag in FLAGS if rng.random() < 0.1}
        rows.append(row)
        for contact in case.get("contacts", []):
            owner = rng.choice([f"A{position}"] * 4 + ["A1", "stranger"])
            sent = dt.datetime.fromisoformat(contact["sent_at"]) + shift
            contacts.append(contact | {"account_id": owner, "sent_at": sent, "debtor_id": rng.choice([None, "D1"])})
    return rows, contacts


def moments(rng: random.Random) -> dt.datetime:
    """Any moment, often around changes of clocks."""
    if rng.random() < 0.4:
        month, day = rng.choice([(3, 8), (11, 1), (4, 5), (9, 6), (3, 29), (10, 25), (4, 4), (10, 4), (9, 5)])
        base = dt.datetime(2026, month, day, tzinfo=dt.UTC) - dt.timedelta(days=rng.random())
    else:
        base = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=365 * rng.random())
    return base.replace(microsecond=0) if rng.random() < 0.5 else base


def disagreements(seed: int, rounds: int) -> int:
    """Accounts judged; raises at the first difference."""
    rng = random.Random(seed)
    engines = {}
    n_accounts = 0
    for _ in range(rounds):
        space, purpose = rng.choice(SPACES), rng.choice(["collection", "collection", "payment_confirmation"])
        catalogue = rng.choice([None, default_catalogue()])
        key = (space, purpose, catalogue is None)
        if key not in engines:
            engines[key] = Guardrails(space, purpose, catalogue)
        at = moments(rng)
        rows, contacts = rows_of(rng, at, rng.choice([1, 1, 2, 5]))
        known = rng.random() < 0.9
        table = pd.DataFrame(rows)
        history = pd.DataFrame(
            contacts, columns=["account_id", "sent_at", "channel", "initiated_by", "outcome", "status", "debtor_id"]
        )
        want = eligibility(
            table, space, as_of=at, contacts=history if known else None, purpose=purpose, catalogue=catalogue
        )
        found = judged(engines[key].case(rows, as_of=at, contacts=contacts if known else None))
        np.testing.assert_array_equal(found.mask, want.mask)
        np.testing.assert_array_equal(found.contact_at, want.contact_at)
        np.testing.assert_array_equal(found.needs_human, want.needs_human)
        assert found.counts() == want.counts()
        assert found.provenance == want.provenance
        row = rng.randrange(len(rows))
        if not found.mask[row, : space.n_contact_actions].any() and rng.random() < 0.3:
            codes = space.codes[: space.n_contact_actions, space.factor_names.index("channel")]
            firsts = [int(np.flatnonzero(codes == code)[0]) for code in np.unique(codes)]
            nexts = [want.next_allowed_at(row, action) for action in firsts]
            assert found.next_contact_at(row) == min((one for one in nexts if one), default=None)
        n_accounts += len(rows)
    return n_accounts


@pytest.mark.parametrize("seed", range(4))
def test_single_rows_are_judged_as_tables_are(seed):
    """Random places, laws, moments, dirty facts and histories: mask, instants, counts, provenance, next instant."""
    assert disagreements(seed, 10) >= 10


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(100, 110))
def test_single_rows_are_judged_as_tables_are_at_length(seed):
    """The same over thousands of accounts."""
    assert disagreements(seed, 400) >= 400


def test_every_pack_can_be_judged_row_by_row():
    """Every packaged law judges a single JSON object."""
    engine = Guardrails(SPACES[0], "collection", default_catalogue())
    at = dt.datetime(2026, 11, 23, 13, tzinfo=dt.UTC)
    for pack in pack_ids():
        assert judged(engine.case([{"account_id": "A"}], as_of=at, packs=[pack], contacts=[])).mask[0, -1]


def test_wishes_and_strange_values_are_judged_in_rows_as_in_frames():
    """Wishes of a debtor and values of a strange kind: what a frame of them says, or the same refusal."""
    engine = Guardrails(SPACES[0])
    at = dt.datetime(2026, 11, 23, 13, tzinfo=dt.UTC)
    plain = {
        "account_id": "A", "country": "CO", "timezone": "America/Bogota", "due_date": "2026-11-01", "party": "debtor",
        "balance_minor": 5, "consented_channels": ["sms", "call"], "flags": [], "packs": ["CO"],
    }  # fmt: skip
    for odd in (
        {}, {"preferences": '{"channels": ["sms"]}'}, {"balance_minor": "7"}, {"timezone": 5},
        {"due_date": "2026-11-02"},
    ):  # fmt: skip
        row = plain | odd
        found = judged(engine.case([row], as_of=at, contacts=[]))
        nobody = pd.DataFrame({"account_id": [], "sent_at": pd.to_datetime([], utc=True), "channel": []})
        want = eligibility(pd.DataFrame([row]), SPACES[0], as_of=at, contacts=nobody)
        np.testing.assert_array_equal(found.mask, want.mask)
        assert found.counts() == want.counts()
        assert found.mask[0, :-1].any() == (odd.get("timezone") != 5)


def test_equal_values_that_say_different_things_are_read_apart():
    """23:00-05:00 is 04:00Z of the next day, and 1.0 is another id than 1: in a long table as alone."""
    evening = dt.datetime(2026, 1, 1, 23, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    due = [evening, evening.astimezone(dt.UTC), None] * 5
    alone = [due_days(Columns.of([{"due_date": one}])).item() for one in due]
    np.testing.assert_array_equal(due_days(Columns.of([{"due_date": one} for one in due])), alone)
    assert alone[1] == alone[0] + 1
    ids = [Decimal("1.0"), Decimal(1), "1"] * 5
    for mixed in (ids, *([*pair] * 5 for pair in combinations((1, 1.0, True, "1", Decimal("1.0")), 2))):
        read = Columns.of([{"account_id": one} for one in mixed]).read("account_id", str, object)
        assert read.tolist() == list(map(str, mixed))
