"""The property of the front door: a portfolio in any spelling gives the same decisions from every verb, or a refusal.

``make proofs`` draws many more: ``FRONT_DOOR_CHECKS`` says how many contacts, ``FRONT_DOOR_FIRST`` where to begin.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import shutil
from collections import Counter, defaultdict
from datetime import datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from pipelines.ingest import prepare_from_sources
from recommender import LoggedFeedback
from recommender.deciding import default_actions
from recommender.errors import InvalidInput
from recommender.intake import Stated, id_keys
from recommender.monitoring import diagnose
from recommender.planning import (
    Appointments,
    CapacityOrder,
    PlanFiles,
    PlanInputs,
    PlanOrder,
    make_plan,
    plan_day,
)
from recommender.rules import check_cases
from recommender.store.files import read_table
from recommender.strategy import SeedStrategy
from tests.intake.law_of_events import closed_by
from tests.intake.spellings import AS_OF, CHANNELS, portfolio, spell

SEED = SeedStrategy(default_actions(range(8, 18)))
SPELLINGS = 30
#: Parts of the long proofs (each prints its line), and accounts of eight small portfolios that share their files.
PARTS, TOGETHER = 5, 52


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
    facts_of = {row["account_id"]: row for row in truth["accounts"].to_dict("records")}
    sent_to, heard_of = defaultdict(list), defaultdict(list)
    for row in truth["contacts"][["account_id", "sent_at", "channel", "status", "initiated_by"]].to_dict("records"):
        sent_to[owner[row["account_id"]]].append(row)
    for row in heard.itertuples(index=False):
        heard_of[owner[row.account_id]].append(row)
    cases = []
    for account, channel, at in plan.dropna(subset="channel")[["account", "channel", "contact_at"]].itertuples(
        index=False
    ):
        facts = facts_of[account] | {}
        facts |= {"consented_channels": facts["consented_channels"].split(";"), "flags": [],
                  "balance_minor": int(facts["balance_minor"])}  # fmt: skip
        # what was heard is an event of its own: told as the debtor's, so that it counts against no cap
        held = sent_to[owner[account]] + [
            {"account_id": h.account_id, "sent_at": h.occurred_at, "channel": h.channel, "outcome": h.outcome,
             "initiated_by": "debtor", "status": "sent"}
            for h in heard_of[owner[account]]
        ]  # fmt: skip
        cases.append({"id": f"{account} {channel} {at}", "packs": ["CO"], "at": at.isoformat(), "channel": channel,
                      "purpose": "collection", "account": facts, "contacts": held})  # fmt: skip
    return [
        verdict for verdict in check_cases(json.loads(json.dumps(cases)), every_event=True) if not verdict["allowed"]
    ]


def tried(seed, folder, spellings, accounts=None):
    """Counts of identical plans and refusals of one portfolio; what is neither is raised."""
    rng = random.Random(seed)
    truth = portfolio(rng, accounts)
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


CAPACITY = CapacityOrder.model_validate(
    {
        "timezone": "America/Bogota",
        "queue": [
            {"name": "agents", "channels": ["call"], "minutes_per_contact": 20, "agents": {"9": 1, "14": 1}},
            {"name": "texts", "channels": ["sms", "whatsapp", "email"], "quota": 5},
        ],
    }
)


def day_of(files, folder, stated):
    """Contacts of a plan under limited capacity, or what the refusal says."""
    given = dict.fromkeys(("contacts", "outcomes", "payments")) | files
    try:
        inputs = PlanInputs.prepare(folder / "inputs", as_of=AS_OF, chunk_rows=20, stated=stated, **given)
        made, _ = plan_day(inputs, SEED, PlanOrder(AS_OF), CAPACITY, folder, Appointments.none())
    except InvalidInput as error:
        return error
    return made.contacts


def day_planned(seed, folder, spellings, accounts=None):
    """``plan`` of a portfolio in any spelling: the same contacts at the same values, or a refusal."""
    rng = random.Random(seed)
    truth = portfolio(rng, accounts)
    right = day_of(truth_on_disk(truth, folder / "truth"), folder / "truth", Stated())
    assert isinstance(right, pd.DataFrame), right
    assert forbidden(right.rename(columns={"account_id": "account"}), truth) == []
    counts = Counter(contacted=len(right))
    for number in range(spellings):
        written = spell(rng, truth, folder / str(number))
        found = day_of(written.files, folder / str(number), written.stated)
        if isinstance(found, pd.DataFrame):
            try:
                pd.testing.assert_frame_equal(found, right)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}, spelling {number}: {written}\n{error}") from error
            counts["identical"] += 1
        else:
            assert is_a_refusal(found), f"seed {seed}, spelling {number}: {found!r} names too little"
            counts["refused"] += 1
    return counts


def log_of(files, stated):
    """The log that ``ingest`` makes, its quarantine, and what ``doctor`` says of it."""
    log, _ = prepare_from_sources(
        {name: str(path) for name, path in files.items()},
        Console(file=io.StringIO()),
        factor=["channel=call,sms,whatsapp,email", "tone=friendly,neutral,firm"],
        as_of=AS_OF,
        naive_timezone=stated.timezone,
        stated=stated,
    )
    frame = log.frame().sort_values("decision_id", ignore_index=True)
    lost = log.quarantine.loc[log.quarantine["rule"] != "duplicate_row"]
    return frame[sorted(frame)], lost, diagnose(LoggedFeedback.from_prepared(log), report=log.report, subject="x")


def ingested(seed, folder, spellings, accounts=None):
    """The same of ``ingest`` and ``doctor``: one log, one verdict, or a refusal, or rows told to be lost."""
    rng = random.Random(seed)
    truth = portfolio(rng, accounts)
    right, lost, verdict = log_of(truth_on_disk(truth, folder / "truth"), Stated())
    assert not len(lost)
    counts = Counter()
    for number in range(spellings):
        written = spell(rng, truth, folder / str(number))
        try:
            found, lost, told = log_of(written.files, written.stated)
        except InvalidInput as error:
            counts["refused" if error.column else "refused, and no column named"] += 1
            continue
        if len(lost):
            assert lost[["column", "reason", "mend"]].notna().all(axis=None)
            assert any(finding.code == "quarantine" for finding in told.findings) or len(lost) < len(right)
            counts["quarantine"] += 1
            continue
        try:
            pd.testing.assert_frame_equal(found, right)
            assert (told.learn, told.evaluate) == (verdict.learn, verdict.evaluate)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, spelling {number}: {written}\n{error}") from error
        counts["identical"] += 1
    assert not counts["refused, and no column named"]
    return counts


def checked(seed, folder, spellings, accounts=None):
    """``check`` of an account and a history in any spelling: the verdict of the true facts, or exit code 2."""
    rng = random.Random(seed)
    truth = portfolio(rng, accounts)
    right = [_verdicts(truth, written=None, folder=folder)]
    counts = Counter()
    for number in range(spellings):
        written = spell(rng, truth, folder / str(number))
        found = _verdicts(truth, written=written, folder=folder / str(number))
        if found is None:
            counts["refused"] += 1
        else:
            assert found == right[0], f"seed {seed}, spelling {number}: {written}"
            counts["identical"] += 1
    return counts


def _verdicts(truth, written, folder):
    """Verdict of the first account, as the verb prints it; None where it cannot read."""
    account = truth["accounts"].iloc[0].to_dict()
    history = folder / "history.csv"
    if written is None:
        folder.mkdir(parents=True, exist_ok=True)
        truth["contacts"].to_csv(history, index=False)
    else:
        history = written.files["contacts"]
        try:
            given = read_table(written.files["accounts"], table="accounts")
        except InvalidInput:  # another encoding: refused before anything is asked
            return None
        account = {k: v for k, v in given.astype(object).iloc[0].to_dict().items() if v is not None and v == v}
    (folder / "account.json").write_text(json.dumps(account, default=str), encoding="utf-8")
    found = []
    for channel in ("sms",):
        asked = ["check", "--pack", "CO", "--channel", channel, "--at", "2026-11-25T10:00:00-05:00", "--account",
                 str(folder / "account.json"), "--history", str(history)]  # fmt: skip
        answer = CliRunner().invoke(build_app(), asked)
        if answer.exit_code not in (0, 3):
            assert answer.exit_code == 2 or isinstance(answer.exception, InvalidInput), answer
            return None
        found.append(answer.output)
    return found


@settings(max_examples=2, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_any_spelling_is_the_same_log_or_a_refusal(tmp_path_factory, seed):
    """From ``ingest``, and the same verdict from ``doctor``."""
    assert ingested(seed, tmp_path_factory.mktemp("ingest"), 4)["identical"]


@settings(max_examples=2, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_any_spelling_is_the_same_verdict_or_a_refusal(tmp_path_factory, seed):
    """From ``check``."""
    checked(seed, tmp_path_factory.mktemp("check"), 5)


@settings(max_examples=2, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_any_spelling_is_the_same_plan_or_a_refusal(tmp_path_factory, seed):
    """And no contact is planned that a check forbids under the true history."""
    tried(seed, tmp_path_factory.mktemp("door"), 6)


@settings(max_examples=2, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_any_spelling_is_the_same_day_or_a_refusal(tmp_path_factory, seed):
    """From ``plan`` under limited capacity."""
    day_planned(seed, tmp_path_factory.mktemp("day"), 4)


@pytest.mark.proof
@pytest.mark.parametrize("part", range(PARTS))
def test_any_spelling_at_length(part, tmp_path_factory):
    """Forty portfolios, each in thirty spellings: eight, told apart by their ids, share a file and its spelling."""
    total = Counter()
    seed = int(os.environ.get("FRONT_DOOR_FIRST", "0")) + part
    total += tried(seed, tmp_path_factory.mktemp("door"), SPELLINGS, TOGETHER)
    for verb, of in (("ingest", ingested), ("check", checked), ("plan", day_planned)):
        found = of(seed, tmp_path_factory.mktemp(verb), SPELLINGS // 6, TOGETHER)
        total.update({f"{verb} {what}": count for what, count in found.items()})
    print(seed, dict(total), flush=True)  # noqa: T201
    assert total["identical"] > total["refused"]


def against_events(plan, truth):
    """Contacts of a plan that what was heard forbids, as the naive law of events reads it."""
    owner = dict(truth["accounts"][["account_id", "debtor_id"]].itertuples(index=False))
    told = truth["outcomes"].merge(truth["contacts"][["contact_id", "account_id", "channel"]], on="contact_id")
    heard, paid = defaultdict(list), defaultdict(list)
    for row in told.itertuples(index=False):
        when = datetime.fromisoformat(row.occurred_at)
        heard[owner[row.account_id]].append((when, row.account_id, row.channel, row.outcome))
    for row in truth["payments"].itertuples(index=False):
        paid[row.account_id].append((datetime.fromisoformat(row.paid_at), float(row.amount_minor)))
    facts = {row.account_id: row for row in truth["accounts"].itertuples(index=False)}
    wrong = []
    for account, channel, at in plan.dropna(subset="channel")[["account", "channel", "contact_at"]].itertuples(
        index=False
    ):
        of = facts[account]
        due = datetime.fromisoformat(f"{of.due_date}T00:00:00-05:00")
        why = closed_by(account, channel, at, heard[of.debtor_id], float(of.balance_minor), paid[account], due)
        if channel not in of.consented_channels.split(";") or why is not None:
            wrong.append((account, channel, at, why))
    return wrong


def generated_checks(wanted, folder_of, seed, accounts=250):
    """Contacts of plans from random spellings, each checked under the true history: how many, and those forbidden.

    Two judges: the product's own check of a single contact, and the naive law of events.
    """
    counts = Counter()
    while counts["checked"] < wanted:
        seed += 1
        rng, folder = random.Random(seed), folder_of("checks")
        truth = portfolio(rng, accounts)
        written = spell(rng, truth, folder / "spelt")
        plan = plan_of(written.files, folder / "spelt", written.stated)
        shutil.rmtree(folder)
        if not isinstance(plan, pd.DataFrame):
            assert is_a_refusal(plan), f"seed {seed}: {plan!r} names too little"
            counts["refused"] += 1
            continue
        as_true = dict(zip(id_keys(truth["accounts"]["account_id"]), truth["accounts"]["account_id"], strict=True))
        plan = plan.assign(account=[as_true[key] for key in id_keys(plan["account"])])
        wrong = forbidden(plan, truth) or against_events(plan, truth)
        assert not wrong, f"seed {seed}: {written} plans {wrong[:3]}"
        counts["checked"] += int(plan["channel"].notna().sum())
        counts["plans"] += 1
    return counts


def test_generated_checks(tmp_path_factory):
    """A few hundred of them; the naive law of events does forbid what was not planned."""
    assert generated_checks(200, tmp_path_factory.mktemp, 1_000_000, 120)["plans"]
    truth = portfolio(random.Random(1), 120)
    pairs = [(account, channel) for account in truth["accounts"]["account_id"] for channel in CHANNELS]
    every = pd.DataFrame(pairs, columns=["account", "channel"]).assign(contact_at=pd.Timestamp(AS_OF))
    closed = {why for *_, why in against_events(every, truth)}
    assert closed >= {"opted out", "not theirs", "complaint", "dispute", "promised"}


@pytest.mark.proof
@pytest.mark.parametrize("part", range(2 * PARTS))
def test_generated_checks_at_length(part, tmp_path_factory):
    """A hundred thousand in ten parts, 0 wrong."""
    wanted = int(os.environ.get("FRONT_DOOR_CHECKS", "100000")) // (2 * PARTS)
    first = int(os.environ.get("FRONT_DOOR_FIRST", "1000000")) + 10_000 * part
    print(part, dict(generated_checks(wanted, tmp_path_factory.mktemp, first)), flush=True)  # noqa: T201
