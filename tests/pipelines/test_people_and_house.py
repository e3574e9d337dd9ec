"""``score`` under its defaults: the packs of the house hold, people get a queue with reasons, accounts have names."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender.columns import Columns
from recommender.deciding import Segments, default_segments
from recommender.errors import InvalidInput
from recommender.rules import HOUSE_PACKS, house_packs
from recommender.store.decision_log import DecisionLog

ROW = {"country": "CO", "timezone": "America/Bogota", "currency": "COP", "consented_channels": "sms;email;call",
       "flags": "none", "party": "debtor", "language": "es", "balance_minor": 900,
       "due_date": "2026-11-01"}  # fmt: skip


def score(folder, rows, *more, as_of="2026-11-17T08:00:00-05:00"):
    """Run the verb; all of its rows."""
    accounts, plan = folder / "accounts.csv", folder / "plan.parquet"
    pd.DataFrame([ROW | {"account_id": name, "debtor_id": name} | row for name, row in rows.items()]).to_csv(
        accounts, index=False
    )
    asked = ["score", str(accounts), "--as-of", as_of, "--out", str(plan), "--strategy", str(folder / "none"),
             "--no-contacts-yet", "--no-explore", "--top-k", "300", *more]  # fmt: skip
    result = CliRunner().invoke(build_app(), asked)
    assert result.exit_code == 0, result.output
    return pd.read_parquet(plan), result.output


def test_the_house_holds_beside_the_law_until_it_is_switched_off(tmp_path):
    """No call before a cheaper attempt, no firm tone before the due date; the law alone allows both. It is said."""
    rows = {"late": {}, "lawless": {"country": "JP"}}
    strict, _ = score(tmp_path, rows)
    log = f"sqlite:///{tmp_path}/log.db"
    loose, told = score(tmp_path, rows, "--without", "TRADE", "--without", "HOUSE", "--decision-log", log)
    assert "call" not in set(strict["channel"].dropna())
    assert "call" in set(loose["channel"].dropna())
    assert "switched off by name: HOUSE, TRADE" in told
    assert json.loads((tmp_path / "plan.parquet.actions.json").read_text())["switched_off"] == ["HOUSE", "TRADE"]
    with DecisionLog(log) as kept:
        record = kept.get(str(loose["decision_id"].iloc[0])).decision
        lawless = kept.get(str(loose.loc[loose["account"] == "lawless", "decision_id"].iloc[0])).decision
    assert record.ranking[0]["switched_off"] == "HOUSE;TRADE"
    assert "CO" in record.provenance.rule_packs and not lawless.provenance.rule_packs
    both = strict.loc[strict["account"] == "late", "eligible"].iloc[0], loose["eligible"].iloc[0]
    assert all(after >= before for before, after in zip(*both, strict=True))
    for plan in (strict, loose):  # no pack of the house makes a law where none is known
        assert plan.loc[plan["account"] == "lawless", "channel"].isna().all()
    assert house_packs() == HOUSE_PACKS
    assert house_packs(["HOUSE"]) == ("TRADE",)
    with pytest.raises(InvalidInput, match="Only HOUSE and TRADE"):
        house_packs(["CO"])


def test_people_get_a_queue_with_reason_and_since(tmp_path):
    """A guarantor, a dispute and a debt of 91 days need a person under the defaults; a fresh one does not."""
    rows = {
        "fresh": {}, "guarantor": {"party": "guarantor"}, "disputed": {"flags": "disputed"},
        "old": {"due_date": "2026-08-10"}, "old-hardship": {"due_date": "2026-01-10", "flags": "hardship"},
    }  # fmt: skip
    plan, _ = score(tmp_path, rows)
    first = plan[plan["rank"] == 1].set_index("account")
    assert first["needs_human"].to_dict() == {name: name != "fresh" for name in rows}
    queue = pd.read_parquet(tmp_path / "plan.parquet.people.parquet").set_index("account")
    assert queue["human_reason"].to_dict() == {
        "guarantor": "floor-third-party", "disputed": "floor-hardship", "old": "floor-judicial",
        "old-hardship": "floor-hardship;floor-judicial",
    }  # fmt: skip
    assert queue["human_since"].dt.strftime("%Y-%m-%d").dropna().to_dict() == {"old": "2026-11-09"}
    assert queue["segment"].to_dict() == {
        "guarantor": "early", "disputed": "disputed", "old": "very-late", "old-hardship": "hardship",
    }  # fmt: skip


RULES = """
schema = 1
[[segments]]
id = "rich-and-late"
family = "capacity"
title = "Owes much"
when = [{ column = "balance_minor", at_least = 800 }, { column = "days_past_due", at_least = 10, below = 30 }]
[[segments]]
id = "abroad"
family = "situation"
title = "Abroad"
when = [{ column = "country", in = ["PE", "CL"] }]
"""


def test_segments_are_rules_of_ones_own(tmp_path):
    """The first rule that holds names the account; unknown values hold for none; the file is refused by key."""
    (tmp_path / "segments.toml").write_text(RULES, encoding="utf-8")
    rows = {"a": {}, "b": {"balance_minor": 799}, "c": {"country": "PE", "balance_minor": 1}}
    plan, _ = score(tmp_path, rows, "--segments", str(tmp_path / "segments.toml"))
    named = plan.drop_duplicates("account").set_index("account")["segment"].to_dict()
    assert named == {"a": "rich-and-late", "b": "other", "c": "abroad"}
    unknown = Columns.of([{"days_past_due": None, "balance_minor": 900}])
    assert Segments.from_toml(RULES).of(unknown) == default_segments().of(unknown) == ["other"]
    for wrong, says in (("at_least = 800", "at_leest"), ('family = "capacity"', "family"), ('id = "abroad"', "ids")):
        changed = {"at_least = 800": "at_leest = 800", 'id = "abroad"': 'id = "rich-and-late"'}.get(
            wrong, 'family = "x"'
        )
        with pytest.raises(InvalidInput, match=says):
            Segments.from_toml(RULES.replace(wrong, changed))
    assert default_segments().digest != Segments.from_toml(RULES).digest


@pytest.mark.parametrize(("days", "name"), [(0, "not-due"), (1, "early"), (30, "early"), (31, "late"), (90, "late"),
                                            (91, "very-late")])  # fmt: skip
def test_packaged_segments_follow_the_stages(days, name):
    """Where nothing but the age of a debt is known."""
    assert default_segments().of(Columns.of([{"days_past_due": days}])) == [name]
