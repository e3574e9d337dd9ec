"""``score``: rule packs and texts of an agency's own, a debtor's wishes, and what ends with which exit code."""

from __future__ import annotations

import subprocess
import sys

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from pipelines.score import run
from recommender.errors import InvalidInput
from recommender.messages import CatalogueError, default_catalogue
from recommender.rules import PackError

AS_OF = "2026-11-25T07:30:00-05:00"
IDS = [f"A{number}" for number in range(10)]
ACCOUNTS = pd.DataFrame(
    {
        "account_id": IDS, "debtor_id": [f"D{number}" for number in range(10)], "country": "CO",
        "timezone": "America/Bogota", "balance_minor": 100_000, "currency": "COP", "due_date": "2026-10-20",
        "party": "debtor", "consented_channels": "sms;email", "flags": "none", "language": "es",
    }
)  # fmt: skip
OVERLAY = """
schema = 1
id = "OWN"
title = "Afternoons, and no texts"
kind = "overlay"
pack_version = "1"
valid_from = 2020-01-01
reviewed_on = 2026-11-01
legal_status = "house-policy"
[[windows]]
id = "own-afternoon"
days = ["mon", "tue", "wed", "thu", "fri"]
from = "14:00"
to = "16:00"
cite = "own"
[[forbidden]]
id = "own-no-sms"
channels = ["sms"]
cite = "own"
[[sources]]
id = "own"
law = "house policy"
article = "-"
grade = "-"
says = "Afternoons, and no texts."
"""
TEXT = """schema = 1
approved_by = "Legal, 2026-11-01"
language = "es"
[[templates]]
id = "mine"
channels = ["sms"]
stages = ["administrative", "extrajudicial"]
tone = "friendly"
kind = "overdue_notice"
variables = []
body = "Hola, tienes un pago pendiente."
"""


def plan_of(folder, accounts=ACCOUNTS, **options):
    """Rank 1 of each account."""
    folder.mkdir(parents=True, exist_ok=True)
    accounts.to_csv(folder / "a.csv", index=False)
    if "contacts" not in options:
        options["no_contacts_yet"] = True
    run(str(folder / "a.csv"), as_of=AS_OF, out=folder / "plan.parquet", strategy=None, **options)
    plan = pd.read_parquet(folder / "plan.parquet")
    return plan.loc[plan["rank"] == 1].set_index("account")


def test_a_rule_pack_of_its_own_tightens(tmp_path):
    """Its window and its channel bind every contact; one that cannot be read stops the run."""
    free = plan_of(tmp_path / "free")
    assert set(free["channel"]) == {"sms"}
    assert free["hour"].astype(float).max() < 14
    (tmp_path / "own.toml").write_text(OVERLAY, encoding="utf-8")
    bound = plan_of(tmp_path / "bound", overlay=[tmp_path / "own.toml"])
    assert set(bound["channel"]) == {"email"}
    assert bound["hour"].astype(float).between(14, 15).all()
    (tmp_path / "own.toml").write_text(OVERLAY.replace('"sms"', '"telegram"'), encoding="utf-8")
    with pytest.raises(PackError, match=r"forbidden\.0\.channels\.0"):
        plan_of(tmp_path / "wrong", overlay=[tmp_path / "own.toml"])


def test_a_catalogue_of_its_own_is_the_only_one(tmp_path):
    """What it has no approved text for is not planned; the packaged texts come from nowhere else."""
    (tmp_path / "mine.toml").write_text(TEXT, encoding="utf-8")
    own = plan_of(tmp_path / "own", templates=[tmp_path / "mine.toml"])
    assert set(own["template_id"]) == {"mine"}
    assert set(own["channel"]) == {"sms"}
    assert set(own["tone"]) == {"friendly"}
    packaged = {template.id for template in default_catalogue().templates}
    assert set(plan_of(tmp_path / "packaged")["template_id"]) <= packaged
    (tmp_path / "mine.toml").write_text(TEXT.replace("friendly", "rude"), encoding="utf-8")
    with pytest.raises(CatalogueError, match="tone: Input should be"):
        plan_of(tmp_path / "wrong", templates=[tmp_path / "mine.toml"])


def test_a_debtors_wishes_bind(tmp_path):
    """Each account its own; a wish that cannot be read is not ignored: nothing is planned."""
    wishes = ['{"channels": ["email"], "hours": ["14:00", "16:00"]}'] + [None] * 9
    plan = plan_of(tmp_path, ACCOUNTS.assign(preferences=wishes))
    assert plan.loc["A0", "channel"] == "email"
    assert 14 <= float(plan.loc["A0", "hour"]) < 16
    assert set(plan.loc[IDS[1:], "channel"]) == {"sms"}
    with pytest.raises(PackError, match=r"unknown words: hour\. Keys are hours"):
        plan_of(tmp_path / "wrong", ACCOUNTS.assign(preferences=[*wishes[:9], '{"hour": 3}']))


def command(*words):
    return CliRunner().invoke(build_app(), list(map(str, words)))


def test_nothing_to_do_is_not_a_failure_to_understand(tmp_path):
    """Everybody disputed: exit code 0 and a plan that names the rule. One unknown fact for most: 2 and no plan."""
    options = ("--as-of", AS_OF, "--strategy", "none", "--no-contacts-yet", "--out", tmp_path / "p.parquet")
    ACCOUNTS.assign(flags="disputed").to_csv(tmp_path / "a.csv", index=False)
    answer = command("score", tmp_path / "a.csv", *options)
    assert answer.exit_code == 0, answer.output
    plan = pd.read_parquet(tmp_path / "p.parquet")
    assert plan["channel"].isna().all()
    assert plan["reason"].str.startswith("floor-stop-disputed").all()
    (tmp_path / "p.parquet").unlink()
    ACCOUNTS.assign(party=["debtor"] * 3 + [""] * 7).to_csv(tmp_path / "b.csv", index=False)
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "score", str(tmp_path / "b.csv"), *map(str, options)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "unknown-party leaves 70% of 10 accounts alone" in done.stderr
    assert "--party debtor" in done.stderr
    assert not (tmp_path / "p.parquet").exists()


CAPACITY = """timezone = "America/Bogota"
[[queue]]
name = "texts"
channels = ["sms", "email"]
quota = 20
"""


@pytest.mark.parametrize(
    ("change", "rule"),
    [({"party": ""}, "unknown-party"), ({"country": "", "timezone": ""}, "unknown-country"),
     ({"consented_channels": "", "flags": ""}, "unknown-flags")],
)  # fmt: skip
def test_one_unknown_fact_stops_score_and_plan_alike(tmp_path, change, rule):
    """The same sentence from both, and neither writes."""
    accounts = tmp_path / "a.csv"
    ACCOUNTS.assign(**change).to_csv(accounts, index=False)
    (tmp_path / "capacity.toml").write_text(CAPACITY, encoding="utf-8")
    said = []
    for verb, more in (("score", ()), ("plan", ("--capacity", tmp_path / "capacity.toml"))):
        out = tmp_path / verb
        answer = command(
            verb, accounts, "--as-of", AS_OF, "--strategy", "none", "--no-contacts-yet", "--out", out, *more
        )
        assert isinstance(answer.exception, InvalidInput), (verb, answer.output)
        assert answer.exception.column == rule
        assert not out.exists()
        said.append(str(answer.exception))
    assert said[0] == said[1]


def day_planned(folder, out, as_of, *more):
    """Contacts of ``plan``."""
    folder.mkdir(parents=True, exist_ok=True)
    ACCOUNTS.to_csv(folder / "a.csv", index=False)
    (folder / "capacity.toml").write_text(CAPACITY, encoding="utf-8")
    answer = command(
        "plan", folder / "a.csv", "--as-of", as_of, "--strategy", "none", "--no-contacts-yet",
        "--capacity", folder / "capacity.toml", "--out", folder / out, *more,
    )  # fmt: skip
    assert answer.exit_code == 0, (answer.output, answer.exception)
    return pd.read_parquet(folder / out / "plan.parquet")


def test_a_second_plan_of_the_day_knows_the_first(tmp_path):
    """Through the decision log: whoever has a text today gets none today, though the caller states no contacts."""
    log = ("--decision-log", f"sqlite:///{tmp_path}/log.db", "--without", "HOUSE", "--without", "TRADE")
    plans = [day_planned(tmp_path, f"plan{hour}", f"2026-11-25T0{hour}:30:00-05:00", *log) for hour in (6, 7)]
    assert [len(plan) for plan in plans] == [10, 10]
    both = pd.concat(plans)
    both = both.assign(local_day=both["contact_at"].dt.tz_convert("America/Bogota").dt.date)
    assert not both.duplicated(["account_id", "local_day"]).any()


def test_plan_takes_packs_and_texts_of_its_own(tmp_path):
    """The same options, the same effect as in ``score``."""
    (tmp_path / "own.toml").write_text(OVERLAY, encoding="utf-8")
    (tmp_path / "mine.toml").write_text(TEXT, encoding="utf-8")
    bound = day_planned(tmp_path, "bound", AS_OF, "--overlay", tmp_path / "own.toml")
    assert set(bound["channel"]) == {"email"}
    assert set(bound["hour"].astype(int)) <= {14, 15}
    own = day_planned(tmp_path, "own", AS_OF, "--templates", tmp_path / "mine.toml")
    assert set(own["template_id"]) == {"mine"}
