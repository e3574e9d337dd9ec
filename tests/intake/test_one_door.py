"""The property of the front door: a portfolio in any spelling gives the same decisions from every verb, or a refusal.

Quick here; ``make proofs`` draws many more (``FRONT_DOOR_PORTFOLIOS`` sets how many).
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.deciding import default_actions
from recommender.errors import InvalidInput
from recommender.intake import Stated
from recommender.planning import PlanFiles, PlanOrder, make_plan
from recommender.rules import check_cases
from recommender.strategy import SeedStrategy
from tests.intake.spellings import AS_OF, portfolio, spell

SEED = SeedStrategy(default_actions(range(8, 18)))
SPELLINGS = 30


def plan_of(files, folder, stated):
    """The plan, or what the refusal says."""
    out = folder / "plan.parquet"
    try:
        make_plan(PlanFiles(**files), out, SEED, PlanOrder(AS_OF, stated=stated))
    except InvalidInput as error:
        return error
    return pd.read_parquet(out)


def truth_on_disk(truth, folder):
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for name, frame in truth.items():
        files[name] = folder / f"{name}.csv"
        frame.to_csv(files[name], index=False)
    return files


def is_a_refusal(error):
    """It names a column, values with their rows, and a mend."""
    told = str(error)
    return bool(error.column) and bool(error.mend) and bool(re.search(r"row|accounts|header", told))


def forbidden(plan, truth):
    """Contacts of a plan that a check forbids under the true history."""
    owner = dict(truth["accounts"][["account_id", "debtor_id"]].itertuples(index=False))
    heard = truth["outcomes"].merge(truth["contacts"][["contact_id", "account_id", "channel"]], on="contact_id")
    cases = []
    for account, channel, at in plan.dropna(subset="channel")[["account", "channel", "contact_at"]].itertuples(
        index=False
    ):
        facts = truth["accounts"].loc[truth["accounts"]["account_id"] == account].iloc[0].to_dict()
        facts |= {"consented_channels": facts["consented_channels"].split(";"), "flags": [],
                  "balance_minor": int(facts["balance_minor"])}  # fmt: skip
        mine = truth["contacts"].loc[truth["contacts"]["account_id"].map(owner) == owner[account]]
        held = mine[["account_id", "sent_at", "channel", "status", "initiated_by"]].to_dict("records")
        # what was heard is an event of its own: told as the debtor's, so that it counts against no cap
        held += [
            {"account_id": h.account_id, "sent_at": h.occurred_at, "channel": h.channel, "outcome": h.outcome,
             "initiated_by": "debtor", "status": "sent"}
            for h in heard.itertuples(index=False) if owner[h.account_id] == owner[account]
        ]  # fmt: skip
        cases.append({"id": f"{account} {channel} {at}", "packs": ["CO"], "at": at.isoformat(), "channel": channel,
                      "purpose": "collection", "account": facts, "contacts": held})  # fmt: skip
    return [
        verdict for verdict in check_cases(json.loads(json.dumps(cases)), every_event=True) if not verdict["allowed"]
    ]


def tried(seed, folder, spellings):
    """Counts of identical plans and refusals of one portfolio; what is neither is raised."""
    rng = random.Random(seed)
    truth = portfolio(rng)
    right = plan_of(truth_on_disk(truth, folder / "truth"), folder / "truth", Stated())
    assert isinstance(right, pd.DataFrame), right
    assert forbidden(right, truth) == []
    counts = Counter(contacted=int(right["channel"].notna().sum()))
    for number in range(spellings):
        place = folder / str(number)
        written = spell(rng, truth, place)
        found = plan_of(written.files, place, written.stated)
        if isinstance(found, pd.DataFrame):
            try:
                pd.testing.assert_frame_equal(found, right)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, spelling {number}: {written}\n{error}") from error
            counts["identical"] += 1
        else:
            assert is_a_refusal(found), f"seed {seed}, spelling {number}: {found!r} names too little"
            counts["refused"] += 1
            counts[f"{found.column}: {str(found)[:160]}"] += 1
    return counts


@settings(max_examples=2, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_any_spelling_is_the_same_plan_or_a_refusal(tmp_path_factory, seed):
    """And no contact is planned that a check forbids under the true history."""
    tried(seed, tmp_path_factory.mktemp("door"), 6)


@pytest.mark.proof
def test_any_spelling_at_length(tmp_path_factory):
    """The same with 30 spellings each of many portfolios."""
    total = Counter()
    for seed in range(int(os.environ.get("FRONT_DOOR_PORTFOLIOS", "40"))):
        total += tried(seed, tmp_path_factory.mktemp("door"), SPELLINGS)
    print(total)  # noqa: T201
    assert total["identical"] > total["refused"]
