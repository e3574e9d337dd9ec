"""Properties that hold for every case: monotone, zone-safe, independent of order and server."""

from __future__ import annotations

import datetime as dt
import random
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recommender import ActionSpace
from recommender.rules import check_case, check_cases, eligibility
from tests.rules.naive_law import ZONES, permits
from tests.rules.strategies import random_case, random_contact
from tests.rules.test_against_naive_law import portfolio

cases = st.integers(0, 2**32).map(lambda seed: random_case(random.Random(seed)))
quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def allowed(case: dict, **kwargs: object) -> bool:
    """Just the verdict."""
    return bool(check_case(case, **kwargs)["allowed"])


@quick
@given(cases, st.integers(0, 2**32))
def test_more_history_never_allows_more(case, seed):
    """Case 27: a further past or queued contact never turns a denial into a permission."""
    at = dt.datetime.fromisoformat(case["at"])
    longer = case | {"contacts": [*case.get("contacts", []), random_contact(random.Random(seed), at)]}
    if "contacts" in case and allowed(longer):
        assert allowed(case)


@quick
@given(cases, st.sampled_from(["HOUSE", "TRADE", "CO", "US", "EC"]))
def test_a_further_pack_never_allows_more(case, pack):
    """Case 27: composition is intersection."""
    if allowed(case | {"packs": [*case["packs"], pack]}):
        assert allowed(case)


@quick
@given(cases)
def test_an_unknown_zone_allows_only_what_every_candidate_allows(case):
    """Case 6: without an address the contact must be legal in every zone of the pack."""
    case = case | {"packs": case["packs"][:1], "account": case["account"] | {"timezone": None, "phone": None}}
    each = [allowed(case | {"account": case["account"] | {"timezone": zone}}) for zone in ZONES[case["packs"][0]]]
    assert not allowed(case) or all(each)
    if case["packs"][0] in {"CO", "CL", "PE", "EC", "ES", "UK", "US-MA", "BR-SP", "BR-AL"}:
        assert allowed(case) == all(each)


@quick
@given(cases)
def test_looser_readings_only_add(case):
    """Case 12: allowed when attempts count is within allowed when live contacts count."""
    readings = ["co-day", "co-one-channel-week", "cl-live", "cl-message", "mx-weekend"]
    loose = allowed(case, readings=readings)
    assert loose == permits(case, frozenset(readings))
    assert loose or not allowed(case)


@quick
@given(cases, st.randoms(use_true_random=False))
def test_the_order_of_contacts_does_not_matter(case, shuffle):
    """Case 26: a batch is a set."""
    if case.get("contacts"):
        mixed = list(case["contacts"])
        shuffle.shuffle(mixed)
        assert check_case(case) == check_case(case | {"contacts": mixed})


@settings(quick, max_examples=60)
@given(cases, st.lists(st.integers(0, 60 * 86_400 * 10**6), min_size=8, max_size=8))
def test_the_next_instant_is_legal_and_nothing_before_it_is(case, steps):
    """``next_allowed_at`` passes the check itself; one microsecond earlier does not, nor any instant between."""
    if "contacts" not in case:
        return
    verdict = check_case(case)
    at = dt.datetime.fromisoformat(case["at"])
    end = at + dt.timedelta(days=60)
    if verdict["next_allowed_at"] is not None:
        found = dt.datetime.fromisoformat(verdict["next_allowed_at"])
        assert at <= found <= end
        assert verdict["allowed"] == (found == at)
        assert permits(case | {"at": found.isoformat()})
        if found > at:
            assert not permits(case | {"at": (found - dt.timedelta(microseconds=1)).isoformat()})
        end = found
    for step in steps:
        between = at + dt.timedelta(microseconds=step)
        if between < end:
            assert not permits(case | {"at": between.isoformat()})


def test_bulk_verdicts_equal_single_ones():
    """A case is judged on its own facts, whoever stands beside it in the file."""
    rng = random.Random(5)
    many = [random_case(rng) for _ in range(60)]
    assert list(check_cases(many)) == [check_case(case) for case in many]


def test_the_zone_of_the_server_does_not_matter(monkeypatch):
    """The same verdicts whatever the process believes to be its local time."""
    rng = random.Random(6)
    many = [random_case(rng) for _ in range(40)]
    answers = []
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        answers.append(list(check_cases(many)))
    monkeypatch.delenv("TZ")
    time.tzset()
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize("seed", range(3))
def test_row_order_does_not_matter(seed):
    """Shuffled accounts and contacts give the shuffled mask."""
    rng = random.Random(seed)
    some = [case for case in (random_case(rng) for _ in range(30)) if "contacts" in case]
    at = dt.datetime(2026, 11, 17, 14, tzinfo=dt.UTC)
    accounts, contacts = portfolio(some, at)
    space = ActionSpace({"channel": ["call", "sms", "email"], "hour": range(8, 20, 3)}, no_contact=True)
    order = np.random.default_rng(seed).permutation(len(accounts))
    mask = eligibility(accounts, space, as_of=at, packs=["CO"], contacts=contacts).mask
    shuffled = eligibility(
        accounts.iloc[order], space, as_of=at, packs=["CO"], contacts=contacts.sample(frac=1, random_state=seed)
    ).mask
    assert (shuffled == mask[order]).all()
    assert pd.DataFrame(mask).any(axis=None)
