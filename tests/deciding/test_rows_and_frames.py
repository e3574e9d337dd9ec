"""JSON objects and a decider that is kept against a frame and a fresh one: the same decisions to the bit."""

import datetime as dt
import random
import string
import sys
import warnings
from copy import copy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.deciding import Accounts, Decider, decide, default_actions
from recommender.errors import InvalidInput
from recommender.local_time import UnknownTimezoneWarning
from recommender.rules import FLAGS, pack_ids
from recommender.strategy.cold_start import SeedStrategy
from recommender.strategy.seed_rules import seed_rule_scores

CONTACT_COLUMNS = ["account_id", "sent_at", "channel", "initiated_by", "outcome", "status", "hour", "tone", "reward"]
RULED = ("debtor_id", "country", "timezone", "due_date", "balance_minor", "consented_channels", "flags", "party",
         "packs", "contacts_known")  # fmt: skip
ZONES = ["America/Bogota", "America/New_York", "America/Sao_Paulo", "Europe/Madrid", "Asia/Kathmandu", None, "Nowhere"]
PLACES = [
    ("CO", None),
    ("MX", None),
    ("CL", "RM"),
    ("US", "US-MA"),
    ("BR", "BR-SP"),
    ("ES", "CT"),
    ("UK", None),
    (None, None),
]


def any_of(rng, *values):
    return rng.choice(values)


def an_account(rng, position, columns, ids):
    """Facts, flags and features of an account; some are missing, some unheard of."""
    country, part = rng.choice(PLACES)
    packs = [pack for pack in (part, country) if pack in pack_ids()] if rng.random() < 0.9 else ["CO", "MX"]
    row = {
        "account_id": rng.choice(ids) if rng.random() < 0.4 and position == 0 else f"A{position}",
        "debtor_id": any_of(rng, None, "D1", f"D{position}"),
        "country": country,
        "subdivision": part,
        "timezone": rng.choice(ZONES),
        "phone_timezones": any_of(rng, None, None, ["America/Bogota"]),
        "due_date": any_of(rng, None, dt.date(2026, 11, 20) - dt.timedelta(days=rng.randint(-20, 150))),
        "balance_minor": any_of(rng, 500_000, 500_000, 0, None),
        "consented_channels": any_of(rng, ["sms", "whatsapp", "email", "call", "ivr", "letter"], ["sms"], [], None),
        "flags": any_of(rng, [], [], [], None, ["disputed"], ["do_not_contact"], ["opt_out:sms"]),
        "party": any_of(rng, "debtor", "debtor", "debtor", "codebtor", None),
        "packs": packs,
        "contacts_known": True,
    }
    for name, categories in columns.items():
        if name in row or rng.random() < 0.15:
            continue
        if categories is None:
            row[name] = any_of(rng, None, rng.randint(0, 40), rng.random() * 100, 0.0, -3, 5.0)
        else:
            row[name] = any_of(rng, None, *categories[:5], "never seen", "", "5")
        if rng.random() < 0.003:
            row[name] = any_of(rng, True, "text", 2**60)
    row |= {flag: any_of(rng, False, None, True) for flag in FLAGS if rng.random() < 0.03}
    return row


def a_contact(rng, as_of, ids):
    return {
        "account_id": rng.choice([*ids, "stranger"]),
        "sent_at": as_of + dt.timedelta(hours=rng.choice([-2, -30, 20, -24 * rng.randint(1, 60)])),
        "channel": any_of(rng, "sms", "call", "whatsapp"),
        "initiated_by": any_of(rng, "creditor", "creditor", "debtor"),
        "outcome": any_of(rng, None, "attempt", "delivered", "live_contact", "not_connected"),
        "status": any_of(rng, "sent", "sent", "planned"),
        "hour": any_of(rng, None, 9, 17),
        "tone": any_of(rng, None, "friendly", "firm"),
        "reward": any_of(rng, None, 0.0, 1.0),
    }


def differences(strategy, seed, rounds):
    """Compare on random requests; how many were compared."""
    rng = random.Random(seed)
    decider = Decider(strategy)
    columns = {}
    if not isinstance(strategy, SeedStrategy):
        kinds = {
            one.name: one.categories if one.kind == "category" else None
            for one in strategy.reward_model_.encoder.columns
        }
        columns = {str(name): kinds[str(name)] for name in strategy.feature_names_in_}
    held = None if isinstance(strategy, SeedStrategy) else strategy.history_
    ids = ["A0"] if held is None else [str(one) for one in held.account_ids[:50]]
    compared = 0
    for _ in range(rounds):
        as_of = dt.datetime(
            2026, rng.randint(1, 12), rng.randint(1, 28), rng.randint(0, 23), rng.randint(0, 59), tzinfo=dt.UTC
        )
        as_of += dt.timedelta(microseconds=any_of(rng, 0, 123_456))
        rows = [an_account(rng, position, columns, ids) for position in range(any_of(rng, 1, 1, 2, 6))]
        common = {"days_past_due": 40, "stage": "extrajudicial"}
        for name in common:  # brought by all or by none
            if rng.random() < 0.5:
                rows = [{key: value for key, value in row.items() if key != name} for row in rows]
            else:
                rows = [
                    row
                    | {
                        name: row[name]
                        if isinstance(row.get(name), int | float) == (name == "days_past_due")
                        and row.get(name) is not None
                        else common[name]
                    }
                    for row in rows
                ]
        contacts = [a_contact(rng, as_of, [row["account_id"] for row in rows]) for _ in range(any_of(rng, 0, 0, 1, 5))]
        if rng.random() < 0.1:
            contacts = None
        asked = {
            "as_of": as_of,
            "packs": ["CO"],
            "top_k": any_of(rng, 1, 3, 50, 300),
            "explore": rng.random() < 0.8,
            "seed": rng.randint(0, 9),
        }
        frame = None if contacts is None else pd.DataFrame(contacts, columns=CONTACT_COLUMNS)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownTimezoneWarning)
            try:
                want = decide(pd.DataFrame(rows), strategy=strategy, contacts=frame, **asked)
            except InvalidInput:
                with pytest.raises(InvalidInput):
                    decider.decide(rows, contacts=contacts, **asked)
                continue
            found = decider.decide(rows, contacts=contacts, **asked)
        same(found, want)
        compared += 1
    return compared


def same(found, want):
    """Every column of the ranking, to the bit."""
    pd.testing.assert_frame_equal(found.ranked, want.ranked, check_dtype=False, check_exact=True)
    np.testing.assert_array_equal(found.actions_ranked, want.actions_ranked)
    np.testing.assert_array_equal(found.eligibility.mask, want.eligibility.mask)
    np.testing.assert_array_equal(found.eligibility.contact_at, want.eligibility.contact_at)
    assert found.template_ids == want.template_ids and found.decision_ids == want.decision_ids
    assert found.missing_features == want.missing_features and found.policy_version == want.policy_version
    assert found.eligibility.counts() == want.eligibility.counts()
    assert found.eligibility.provenance == want.eligibility.provenance


def several(strategy, n=23):
    """Accounts of several places with their features, and contacts."""
    rng = random.Random(5)
    kinds = {one.name: one for one in strategy.reward_model_.encoder.columns}
    names = [str(name) for name in strategy.feature_names_in_ if str(name) not in ("days_past_due", "stage")]
    columns = {name: kinds[name].categories if kinds[name].kind == "category" else None for name in names}
    as_of = dt.datetime(2026, 11, 20, 15, tzinfo=dt.UTC)
    rows = [
        an_account(rng, 1 + number, columns, ["A1"])
        | {"packs": ["CO"], "country": "CO", "timezone": "America/Bogota", "party": "debtor", "flags": []}
        for number in range(n)
    ]
    kept = {"account_id", *RULED, *(name for name, levels in columns.items() if levels is not None)}
    rows = [
        {name: value for name, value in row.items() if name in kept or (name in names and type(value) in (int, float))}
        for row in rows
    ]
    contacts = [a_contact(rng, as_of, [row["account_id"] for row in rows]) for _ in range(2 * n)]
    return rows, {"as_of": as_of, "packs": ["CO"], "contacts": contacts, "top_k": 5}


def test_how_many_accounts_are_scored_together_changes_no_bit(strategy, monkeypatch):
    rows, asked = several(strategy)
    whole = Decider(strategy).decide(rows, **asked)
    assert (whole.actions_ranked[:, 1] >= 0).any(), "somebody may be contacted"
    for size in (1, 7, len(rows)):
        monkeypatch.setattr(sys.modules["recommender.deciding.opinion"], "_CHUNK", size)
        cut = Decider(strategy).decide(rows, **asked)
        same(cut, whole)
        pd.testing.assert_frame_equal(cut.ranked, whole.ranked, check_exact=True)


@pytest.mark.parametrize("is_model", [True, False])
def test_the_frame_says_of_each_rank_what_the_arrays_say(strategy, is_model):
    rows, asked = several(strategy)
    decided = Decider(strategy if is_model else SeedStrategy(default_actions(range(7, 21)))).decide(rows, **asked)
    frame = decided.ranked.astype(object).where(decided.ranked.notna(), None).to_dict("records")
    places = [(i, k) for i in range(len(rows)) for k in range(5) if decided.actions_ranked[i, k] >= 0]
    assert [(one["row"], one["rank"] - 1) for one in frame] == places
    for (row, rank), one in zip(places, frame, strict=True):
        action = int(decided.actions_ranked[row, rank])
        assert one["decision_id"] == decided.decision_ids[row] and one["account"] == rows[row]["account_id"]
        codes = decided.actions.codes[action].tolist()
        for code, (name, levels) in zip(codes, decided.actions.factors.items(), strict=True):
            assert one[name] == (None if code < 0 else levels[code])
        assert one["contact_at"] == decided.contact_at(row, action)
        assert one["template_id"] == decided.template_ids[row][rank]
        assert one["policy"] == decided.policy and one["deterministic"] == decided.deterministic
        for name in ("expected_reward", "lo", "hi", "propensity", "evidence", "support", *decided.values):
            values = decided.values[name] if name in decided.values else getattr(decided, name)
            assert one[name] == (None if values[row, rank] != values[row, rank] else values[row, rank])


@pytest.mark.parametrize("seed", range(3))
def test_a_model_decides_alike_with_and_without_frames(strategy, seed):
    """Random accounts, places, laws, histories, missing and unseen values: equal to the bit."""
    assert differences(strategy, seed, 15) > 15 // 2


def test_the_seed_rules_decide_alike_with_and_without_frames():
    """The same before anything is learnt."""
    assert differences(SeedStrategy(default_actions(range(7, 21))), 11, 20) > 20 // 2


def test_a_log_without_account_ids_still_draws_by_account(strategy, simulated_log):
    """No account role was learnt: the dispatched action hangs on the account id, not on its place in the request."""
    nameless = copy(strategy)
    nameless.names_ = {**strategy.names_, "account": None}
    nameless.__dict__["version_"] = strategy.version_
    accounts = simulated_log.context.head(40).assign(account_id=[f"A{i}" for i in range(40)])
    asked = {"top_k": 1, "as_of": dt.datetime(2026, 11, 20, 15, tzinfo=dt.UTC), "seed": 3}
    forward = nameless.recommend(accounts, **asked).set_index("account")
    backward = nameless.recommend(accounts[::-1].reset_index(drop=True), **asked).set_index("account")
    factors = list(strategy.actions_.factors)
    pd.testing.assert_frame_equal(forward[factors], backward.loc[forward.index, factors])
    assert len(forward[factors].drop_duplicates()) > 1


def test_what_one_account_tells_of_its_debt_takes_nothing_from_the_others():
    """One tells the days, one the due date, one the stage: each is read as it is alone."""
    as_of = dt.datetime(2026, 5, 5, 15, tzinfo=dt.UTC)
    rows = [
        {"account_id": "A", "due_date": "2026-01-01", "timezone": "America/Bogota"},
        {"account_id": "B", "days_past_due": 3},
        {"account_id": "C", "due_date": "2026-04-30", "stage": "judicial"},
        {"account_id": "D", "due_date": None, "days_past_due": 100},
    ]

    def told(table):
        situated = Accounts.of(table).situated(as_of)
        return list(zip(*map(situated.values, ("days_past_due", "stage", "due_date")), strict=True))

    alone = [told([row])[0] for row in rows]
    assert [one[:2] for one in alone] == [(124, "judicial"), (3, "administrative"), (5, "judicial"), (100, "judicial")]
    assert told(rows) == told(pd.DataFrame(rows).convert_dtypes()) == alone


def test_the_seed_rules_heed_a_stage_where_no_days_are_known():
    """A stage that is told acts as the days that stand for it, beside accounts that tell their days too."""
    decider = Decider(SeedStrategy(default_actions(range(7, 21))))
    common = {
        "packs": ["CO"],
        "country": "CO",
        "timezone": "America/Bogota",
        "consented_channels": ["sms", "email", "call"],
        "flags": [],
        "party": "debtor",
        "balance_minor": 500,
    }
    rows = [{"account_id": "A", "stage": "judicial"}, {"account_id": "B", "days_past_due": 3, "stage": "judicial"}]
    rows = [common | row for row in [*rows, {"account_id": "C", "days_past_due": 200}]]
    asked = {"as_of": dt.datetime(2026, 5, 5, 15, tzinfo=dt.UTC), "packs": ["CO"], "contacts": [], "top_k": 300}
    together = decider.decide(rows, **asked, explore=False)
    tables = seed_rule_scores(pd.DataFrame(rows), decider.actions)
    assert (tables[0] == tables[2]).all() and (tables[0] != tables[1]).any()
    for row, account in enumerate(rows):
        alone = decider.decide([account], **asked, explore=False)
        np.testing.assert_array_equal(together.actions_ranked[row], alone.actions_ranked[0])
        held = together.actions_ranked[row][together.actions_ranked[row] >= 0]
        assert len(held) > 1
        assert (np.diff(tables[row, held]) <= 0).all()


@pytest.mark.parametrize("hour", [0, 4, 12, 23])
def test_the_seed_rules_alone_see_the_stage_that_a_decision_sees(hour):
    """Due dates about the edges of the stages on calendars that differ; in a notebook and in a decision."""
    as_of = dt.datetime(2026, 5, 5, hour, tzinfo=dt.UTC)
    places = [{"timezone": "America/Bogota"}, {"country": "CO"}, {"timezone": "Pacific/Kiritimati"}, {}]
    dues = [str((as_of - dt.timedelta(days=days)).date()) for days in (0, 1, 30, 31, 90, 91)]
    rows = [place | {"account_id": f"A{n}", "due_date": due} for place in places for n, due in enumerate(dues)]
    space = default_actions(range(7, 21))
    seen = Accounts.of(rows).situated(as_of).values("stage")
    assert len({tuple(seen[first : first + 6]) for first in range(0, len(rows), 6)}) > 1
    alone = seed_rule_scores(pd.DataFrame(rows), space, as_of=as_of)
    np.testing.assert_array_equal(alone, seed_rule_scores(pd.DataFrame({"stage": seen}), space))


@pytest.mark.proof
@pytest.mark.parametrize("seed", range(100, 108))
def test_a_model_decides_alike_at_length(strategy, seed):
    """Hundreds of requests."""
    assert differences(strategy, seed, 150) > 150 // 2


@given(
    st.dictionaries(
        st.sampled_from(["months_on_book", "product", "income_minor", "segment"]),
        st.none()
        | st.booleans()
        | st.integers(-(2**60), 2**60)
        | st.floats(allow_nan=True)
        | st.text(string.printable, max_size=6),
    )
)
@settings(max_examples=25)
def test_whatever_a_feature_holds_the_answer_is_that_of_the_frame(strategy, features):
    """Any JSON scalar in any column: equal, or refused alike."""
    row = {
        "account_id": "A",
        "due_date": dt.date(2026, 11, 1),
        "country": "CO",
        "packs": ["CO"],
        "timezone": None,
        **features,
    }
    asked = {"as_of": dt.datetime(2026, 11, 23, 13, tzinfo=dt.UTC), "packs": ["CO"], "contacts": None}
    try:
        want = decide(pd.DataFrame([row]), strategy=strategy, **asked)
    except InvalidInput:
        with pytest.raises(InvalidInput):
            Decider(strategy).decide([row], **asked)
        return
    same(Decider(strategy).decide([row], **asked), want)


def test_texts_of_many_are_those_of_each_alone():
    """A text that hands over to another channel goes to those who agreed to it, and to no neighbour in the batch."""
    facts = {
        "country": "CO", "timezone": "America/Bogota", "language": "es", "party": "debtor", "flags": "",
        "due_date": "2026-11-01", "balance_minor": 400_000,
    }  # fmt: skip
    consents = ("email", "email;whatsapp", "email;sms")
    rows = [facts | {"account_id": f"A{n}", "consented_channels": consents[n % 3]} for n in range(39)]
    decider = Decider(SeedStrategy(default_actions((10, 15))))
    asked = {"as_of": dt.datetime(2026, 11, 20, 13, tzinfo=dt.UTC), "packs": ["CO"], "contacts": [], "top_k": 40}
    whole = decider.decide(rows, **asked)
    said = {}
    for n, row in enumerate(rows):
        alone = decider.decide([row], **asked)
        assert whole.template_ids[n] == alone.template_ids[0]
        for action, text in zip(alone.actions_ranked[0].tolist(), alone.template_ids[0], strict=True):
            said.setdefault(action, set()).add(text)
    assert any(len(texts - {None}) > 1 for texts in said.values()), "what was agreed to makes a difference"
