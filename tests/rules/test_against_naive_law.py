"""The vectorised rules against a second reading of the law, written in another style."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.rules import CHANNELS, check_cases, eligibility
from tests.rules.naive_law import permits
from tests.rules.strategies import random_case


def disagreements(seed: int, rounds: int, accounts: int) -> tuple[int, int, int]:
    """Checks made, checks allowed, and checks on which the portfolio mask and the naive reading differ."""
    rng = random.Random(seed)
    hours = list(range(6, 23, 2))
    space = ActionSpace({"hour": hours, "channel": CHANNELS}, no_contact=True)
    made = allowed = wrong = 0
    for _ in range(rounds):
        first = random_case(rng)
        at, packs, purpose = dt.datetime.fromisoformat(first["at"]), first["packs"], first["purpose"]
        cases = []
        while len(cases) < accounts:
            case = random_case(rng)
            if "contacts" in case:
                cases.append(case)
        table, contacts = portfolio(cases, at)
        found = eligibility(table, space, as_of=at, packs=packs, contacts=contacts, purpose=purpose)
        assert found.mask[:, -1].all()
        for row, case in enumerate(cases):
            for action in range(len(space) - 1):
                instant = found.contact_at[row, action // len(CHANNELS)]
                if np.isnat(instant):
                    assert not found.mask[row, action]
                    continue
                asked = case | {
                    "packs": packs,
                    "purpose": purpose,
                    "channel": CHANNELS[action % len(CHANNELS)],
                    "at": f"{instant}+00:00",
                    "contacts": moved(case, at),
                    "account": case["account"] | {"phone": None},
                }
                want = permits(asked)
                made, allowed = made + 1, allowed + want
                wrong += bool(found.mask[row, action]) != want
    return made, allowed, wrong


def moved(case: dict, at: dt.datetime) -> list[dict]:
    """A case's contacts, shifted to lie around another instant; the planned ones get an outcome."""
    shift = at - dt.datetime.fromisoformat(case["at"])
    return [
        contact | {"sent_at": (dt.datetime.fromisoformat(contact["sent_at"]) + shift).isoformat(),
                   "outcome": contact["outcome"] or "live_contact"}
        for contact in case["contacts"]
    ]  # fmt: skip


def portfolio(cases: list[dict], at: dt.datetime) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The cases as the tables of a portfolio."""
    accounts, contacts = [], []
    for position, case in enumerate(cases):
        accounts.append(case["account"] | {"account_id": f"A1-{position}", "debtor_id": f"D{position}"})
        for contact in moved(case, at):
            account = contact["account_id"] and f"{contact['account_id']}-{position}"
            contacts.append(contact | {"account_id": account, "debtor_id": f"D{position}"})
    frame = pd.DataFrame(contacts, columns=[
        "account_id", "debtor_id", "sent_at", "channel", "initiated_by", "outcome", "status"])  # fmt: skip
    return pd.DataFrame(accounts).drop(columns="phone"), frame


def test_a_portfolio_mask_is_what_the_naive_reading_says():
    """Every cell of random portfolios under random laws agrees."""
    made, allowed, wrong = disagreements(seed=1, rounds=12, accounts=12)
    assert made > 8_000
    assert allowed > 500
    assert wrong == 0


def test_single_checks_are_what_the_naive_reading_says():
    """Random cases, unknown facts and phones included, agree one by one."""
    rng = random.Random(2)
    cases = [random_case(rng) for _ in range(600)]
    verdicts = list(check_cases(cases))
    assert [verdict["id"] for verdict in verdicts] == [case["id"] for case in cases]
    assert [case for case, verdict in zip(cases, verdicts, strict=True) if verdict["allowed"] != permits(case)] == []
    for verdict in verdicts:
        assert verdict["allowed"] == (verdict["rules"] == [])


@pytest.mark.proof
def test_a_million_checks_without_a_violation_or_a_disagreement():
    """More than 1,000,000 generated (account, history, instant, action) checks agree with the naive reading."""
    made, allowed, wrong = disagreements(seed=3, rounds=280, accounts=60)
    print(f"{made:,} checks, {allowed:,} allowed, {wrong} disagreements")  # noqa: T201
    assert made > 1_000_000
    assert allowed > 100_000
    assert wrong == 0


@pytest.mark.proof
def test_a_hundred_thousand_single_checks_without_a_disagreement():
    """100,000 generated cases, one by one as ``check --cases`` judges them, against the naive reading."""
    rng = random.Random(14)
    wrong = allowed = 0
    for _ in range(25):
        cases = [random_case(rng) for _ in range(4_000)]
        for case, verdict in zip(cases, check_cases(cases), strict=True):
            allowed += verdict["allowed"]
            wrong += verdict["allowed"] != permits(case)
    print(f"100,000 checks, {allowed:,} allowed, {wrong} wrong")  # noqa: T201
    assert allowed > 1_000
    assert wrong == 0
