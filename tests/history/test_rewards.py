"""Rewards row by row: a naive oracle over raw cells, with rows in quarantine, and the net value."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app
from recommender import ActionSpace
from recommender.errors import InvalidInput
from recommender.history import build_feedback
from recommender.learning.objective import net_value

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
WINDOW = timedelta(days=14)
SPACE = ActionSpace({"channel": ["call", "sms"], "hour": range(8, 21)}, no_contact=True)
WORDS = ("not_connected", "bounced", "delivered", "replied", "right_party_contact", "promise_kept", "paid")
WORDS += ("opt_out", "complaint")
SUCCESS = {  # written out by hand, not taken from the code under test
    "replied": {"replied", "promise_to_pay", "promise_kept"},
    "right_party_contact": {"right_party_contact", "promise_to_pay", "promise_kept"},
    "paid": {"paid"},
    "bounced": {"bounced"},
    "opt_out": {"opt_out"},
}
PENALTIES = {"opt_out": 500, "complaint": 2000}


def cell(moment):
    return moment.isoformat()


def spoilt(row, sent, rng):
    """The row as it is exported, and the words and span of time that its reader must allow for."""
    kind = rng.choice(["soon", "blank", "future", "naive", "early", "word", "no_word", "encoding", "twice", "orphan"])
    word, at = row["outcome"], datetime.fromisoformat(row["occurred_at"])
    ever = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    match kind:
        case "soon" | "blank":
            return [row | {"occurred_at": "soon" if kind == "soon" else None}], [(word, *ever)]
        case "future":
            return [row | {"occurred_at": cell(AS_OF + timedelta(days=9))}], [(word, *ever)]
        case "early":
            return [row | {"occurred_at": cell(sent - timedelta(days=2))}], [(word, *ever)]
        case "naive":
            half_a_day = timedelta(hours=14)
            return [row | {"occurred_at": at.strftime("%Y-%m-%d %H:%M:%S")}], [(word, at - half_a_day, at + half_a_day)]
        case "word" | "no_word":
            return [row | {"outcome": "Resp. OK" if kind == "word" else " "}], [(None, at, at)]
        case "encoding":
            return [row | {"note": "atenciÃ³n"}], [(word, at, at)]
        case "twice":
            other = rng.choice([name for name in WORDS if name != word])
            later = at + timedelta(days=rng.randint(0, 3))
            copy = row | {"outcome": other, "occurred_at": cell(later)}
            return [row, copy], [(word, at, at), (other, later, later)]
        case _:
            return [row | {"contact_id": rng.choice([None, "nobody"])}], []


def random_tables(seed, faults=0.3):
    """Raw tables, and by decision: its instant, cost, clean outcomes and lost ones, and the number of orphans."""
    rng = random.Random(seed)
    tables = {"decisions": [], "contacts": [], "outcomes": [], "payments": []}
    truth, orphans, number = {}, 0, 0
    for i in range(90):
        decided = START + timedelta(hours=rng.randrange(24 * 80))
        alone = rng.random() < 0.2
        name, account = f"x{i}", f"a{i % 12}"
        row = {"decision_id": name, "account_id": account, "decided_at": cell(decided), "propensity": 0.5}
        tables["decisions"].append(row | {"channel": None if alone else "sms", "hour": None if alone else 9})
        truth[name] = {"account": account, "decided": decided, "cost": 0, "costly": False, "clean": [], "lost": []}
        for k in range(0 if alone else rng.choice([1, 1, 2])):
            sent, contact, broken = decided + timedelta(hours=1 + k), f"c{i}_{k}", rng.random() < faults / 3
            told = {"contact_id": contact, "account_id": account, "decision_id": name, "sent_at": cell(sent)}
            cost = rng.choice([3, 7])
            tables["contacts"].append(told | {"channel": "fax" if broken else "sms", "cost_minor": cost})
            truth[name]["cost"] += cost
            truth[name]["costly"] |= broken
            for _ in range(rng.choice([0, 1, 1, 2])):
                number += 1
                at, word = sent + timedelta(hours=rng.randrange(24 * 20)), rng.choice(WORDS)
                if at > AS_OF:
                    continue
                happened = {"contact_id": contact, "occurred_at": cell(at), "outcome": word}
                happened |= {"outcome_id": f"o{number}", "note": "ok"}
                if broken:  # the contact is in quarantine, and so is what it brought
                    tables["outcomes"].append(happened)
                    truth[name]["lost"].append((word, at, at))
                elif rng.random() < faults:
                    rows, lost = spoilt(happened, sent, rng)
                    tables["outcomes"] += rows
                    truth[name]["lost"] += lost
                    orphans += not lost
                else:
                    tables["outcomes"] += [happened] * rng.choice([1, 1, 2])  # an exact repeat loses nothing
                    truth[name]["clean"].append((word, at))
    for i in range(60):
        at = START + timedelta(hours=rng.randrange(24 * 90), minutes=i)
        tables["payments"].append(
            {"account_id": f"a{rng.randrange(12)}", "paid_at": cell(at), "amount_minor": rng.randint(1, 900)}
        )
    rng.shuffle(tables["outcomes"])
    frames = {table: pd.DataFrame(rows) for table, rows in tables.items()}
    frames["decisions"]["hour"] = frames["decisions"]["hour"].astype("Int64")
    return frames, tables["payments"], truth, orphans


def built(frames, **options):
    given = (frames.get(name) for name in ("accounts", "decisions", "contacts", "outcomes", "payments"))
    return build_feedback(*given, **({"actions": SPACE, "as_of": AS_OF} | options))


def rewards(log):
    return dict(zip(log.frame["decision_id"], log.frame["reward"], strict=True))


def in_window(decision, at):
    return decision["decided"] <= at < decision["decided"] + WINDOW


def doubtful(decision, words):
    closes = decision["decided"] + WINDOW
    return any(
        (word is None or word in words) and latest >= decision["decided"] and earliest < closes
        for word, earliest, latest in decision["lost"]
    )


def same(found, want):
    assert found.keys() == want.keys()
    wrong = {k: (found[k], want[k]) for k in want if not (found[k] == want[k] or math.isnan(found[k] + want[k]))}
    assert not {k: pair for k, pair in wrong.items() if not all(map(math.isnan, pair))}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reward", list(SUCCESS))
def test_outcomes_in_quarantine_leave_unknown_not_no_response(seed, reward):
    """A naive reading of every row: proven is 1, may have been is NaN and counted, everything else is 0."""
    frames, _, truth, orphans = random_tables(seed)
    if reward == "paid":
        frames["payments"] = None
    log = built(frames, reward=reward)
    want, unknown = {}, 0
    for name, decision in truth.items():
        proven = any(word in SUCCESS[reward] and in_window(decision, at) for word, at in decision["clean"])
        open_to_doubt = not proven and doubtful(decision, SUCCESS[reward])
        mature = decision["decided"] + WINDOW <= AS_OF
        want[name] = (math.nan if open_to_doubt else float(proven)) if mature else math.nan
        unknown += mature and open_to_doubt
    same(rewards(log), want)
    assert unknown > 0
    assert log.report.n_unknown_outcomes == log.report.to_dict()["unknown_for_quarantined_outcomes"] == unknown
    assert log.report.n_orphan_outcomes == log.report.to_dict()["orphan_outcomes"] == orphans
    assert any(f"{unknown:,} rewards are unknown: an outcome" in note for note in log.report.notes)
    assert any("name no contact" in note for note in log.report.notes) == bool(orphans)
    assert log.report.n_mature == sum(not math.isnan(value) for value in want.values())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("faults", [0.0, 0.3])
def test_net_value_row_by_row(seed, faults):
    """Money of the account in the window, minus the contacts' cost, minus penalties of their harm; alone is free."""
    frames, payments, truth, _ = random_tables(seed, faults)
    log = built(frames, reward="net_value", penalties=PENALTIES)
    want, harmed = {}, 0
    for name, decision in truth.items():
        value = -float(decision["cost"])
        for payment in payments:
            if payment["account_id"] == decision["account"]:
                value += payment["amount_minor"] * in_window(decision, datetime.fromisoformat(payment["paid_at"]))
        for word, at in decision["clean"]:
            if word in PENALTIES and in_window(decision, at):
                value -= PENALTIES[word]
                harmed += 1
        known = decision["decided"] + WINDOW <= AS_OF and not doubtful(decision, PENALTIES) and not decision["costly"]
        want[name] = value if known else math.nan
    same(rewards(log), want)
    assert harmed > 3
    assert log.feedback.reward_kind == "amount"
    alone = log.frame.loc[log.frame["channel"].isna() & log.frame["reward"].notna(), "decision_id"]
    gross = rewards(built(frames, reward="amount_gross"))
    assert len(alone) > 3
    assert all(want[name] == gross[name] for name in alone)
    assert (log.report.n_unknown_outcomes > 0) == (faults > 0)
    costly = sum(one["costly"] and one["decided"] + WINDOW <= AS_OF for one in truth.values())
    assert log.report.n_unknown_costs == log.report.to_dict()["unknown_for_quarantined_contacts"] == costly
    assert any("what it cost" in note for note in log.report.notes) == (costly > 0)
    if not faults:
        counts = {
            name: [sum(word == name and in_window(one, at) for word, at in one["clean"]) for one in truth.values()]
            for name in PENALTIES
        }
        amount = rewards(built(frames, reward="amount"))
        other = net_value([amount[name] for name in truth], harms=counts, penalties=PENALTIES)
        np.testing.assert_array_equal(other, [want[name] for name in truth])


def one(**spoil):
    """One decision, its contact and one outcome, which is spoilt."""
    moment = cell(START + timedelta(days=1))
    outcome = {"contact_id": "c1", "occurred_at": moment, "outcome": "replied"} | spoil
    return {
        "decisions": pd.DataFrame(
            {
                "decision_id": ["x1", "x2"],
                "account_id": ["a1", "a2"],
                "decided_at": [cell(START)] * 2,
                "channel": ["sms", "sms"],
                "hour": [9, 9],
            }
        ),
        "contacts": pd.DataFrame(
            {
                "contact_id": ["c1", "c2"],
                "account_id": ["a1", "a2"],
                "decision_id": ["x1", "x2"],
                "sent_at": [cell(START + timedelta(hours=1))] * 2,
                "channel": ["sms", "sms"],
            }
        ),
        "outcomes": pd.DataFrame([outcome, {"contact_id": "c2", "occurred_at": moment, "outcome": "delivered"}]),
    }


@pytest.mark.parametrize(
    ("spoil", "reward", "unknown"),
    [
        ({"occurred_at": "soon", "outcome": "bounced"}, "replied", False),  # a bounce is never a reply
        ({"occurred_at": "soon", "outcome": "bounced"}, "bounced", True),
        ({"occurred_at": "soon"}, "replied", True),
        ({"occurred_at": "soon", "outcome": "promise_kept"}, "replied", True),  # a higher rung implies it
        ({"occurred_at": "soon", "outcome": "right_party_contact"}, "replied", False),
        ({"outcome": "???"}, "replied", True),
        ({"outcome": "???", "occurred_at": cell(START + timedelta(days=20))}, "replied", False),  # after the window
        ({"outcome": "???", "occurred_at": cell(START + WINDOW)}, "replied", False),  # the window excludes its end
        ({"occurred_at": cell(START)}, "replied", True),  # before its contact: the instant is told wrong
        ({"contact_id": "c9", "outcome": "???"}, "replied", False),  # whose it is nobody can tell
        ({"contact_id": None}, "replied", False),
    ],
)
def test_only_what_may_have_been_a_success_leaves_the_reward_unknown(spoil, reward, unknown):
    """One spoilt outcome, judged by hand; the other decision is never touched."""
    log = built(one(**spoil), reward=reward)
    assert math.isnan(rewards(log)["x1"]) == unknown
    assert rewards(log)["x2"] == 0.0
    assert len(log.quarantine) == 1
    assert log.report.n_unknown_outcomes == unknown
    assert log.report.n_orphan_outcomes == ("contact_id" in spoil)


def test_contacts_that_are_the_decisions_are_judged_alike():
    """Without a decisions table the contact's own reward is unknown."""
    tables = one(outcome="???")
    tables["decisions"] = None
    tables["contacts"]["hour"] = 9
    assert math.isnan(rewards(built(tables, reward="replied"))["c1"])
    assert rewards(built(tables, reward="replied"))["c2"] == 0.0


def test_outcome_of_a_contact_in_quarantine_counts_for_whom_it_may():
    """The decision that the contact names; where that is none of the table, any decision to contact the account."""
    tables = one()
    tables["contacts"].loc[0, "channel"] = "fax"
    assert math.isnan(rewards(built(tables, reward="replied"))["x1"])
    other = tables["decisions"].iloc[[0, 0]].assign(decision_id=["x3", "x4"], channel=["call", None], hour=[10, None])
    tables["decisions"] = pd.concat([tables["decisions"], other]).astype({"hour": "Int64"})
    named = rewards(built(tables, reward="replied"))
    assert {name for name, value in named.items() if math.isnan(value)} == {"x1"}
    tables["contacts"].loc[0, ["channel", "decision_id"]] = ["sms", "x9"]
    astray = rewards(built(tables, reward="replied"))
    assert {name for name, value in astray.items() if math.isnan(value)} == {"x1", "x3"}
    tables["contacts"].loc[0, "channel"] = "fax"
    tables["contacts"] = tables["contacts"].drop(columns="decision_id")
    linked = rewards(built(tables, reward="replied"))
    assert {name for name, value in linked.items() if math.isnan(value)} == {"x1", "x3"}


def test_rows_without_their_own_id_are_told_apart_by_what_they_say():
    """Empty outcome_ids are not one shared id: only an exact repeat is set aside, and nothing becomes unknown."""
    tables = one()
    tables["outcomes"] = pd.concat([tables["outcomes"], tables["outcomes"].iloc[[0]]], ignore_index=True)
    for ids in (["o1", None, None], [None, None, None], [" ", "", " "]):
        log = built(tables | {"outcomes": tables["outcomes"].assign(outcome_id=ids)}, reward="replied")
        assert rewards(log) == {"x1": 1.0, "x2": 0.0}
        assert log.quarantine["rule"].tolist() == ["duplicate_row"] * (ids[0] == ids[2])


@pytest.mark.parametrize(
    ("options", "names", "mend"),
    [
        ({"reward": "net_value"}, "penalties", "--penalty opt_out=500"),
        ({"reward": "net_value", "penalties": {"bounced": 5}}, "bounced", "opt_out or complaint"),
        ({"reward": "net_value", "penalties": {"opt_out": -5}}, "opt_out", "positive"),
        ({"reward": "net_value", "penalties": {"opt_out": float("nan")}}, "opt_out", "positive"),
        ({"reward": "net_value", "penalties": {"opt_out": "500"}}, "opt_out", "positive"),
        ({"reward": "amount", "penalties": PENALTIES}, "penalties", "net_value"),
        ({"reward": "net_value", "penalties": PENALTIES, "outcomes": None}, "outcomes", "amount"),
        ({"reward": "net_value", "penalties": PENALTIES, "payments": None}, "payments", "Pass it"),
        ({"reward": "net_worth"}, "net_worth", "net_value"),
    ],
)
def test_penalties_that_make_no_sense_are_refused(options, names, mend):
    """The message names the option and the mend names what to write."""
    frames, *_ = random_tables(0, 0.0)
    frames |= {name: options.pop(name) for name in ("outcomes", "payments") if name in options}
    with pytest.raises(InvalidInput, match=names) as error:
        built(frames, **options)
    assert mend in error.value.mend


def test_a_penalty_of_nothing_needs_no_outcomes():
    """A weight of 0 says that the harm does not count: the net value is the amount."""
    frames, *_ = random_tables(1)
    found = rewards(built(frames, reward="net_value", penalties={"opt_out": 0}))
    same(found, rewards(built(frames, reward="amount")))


def test_ingest_takes_penalties(tmp_path):
    """--reward net_value --penalty gives the log of build_feedback; a wrong option is named with its mend."""
    frames, *_ = random_tables(2)
    given = []
    for name, frame in frames.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        given += [f"--{name}", str(tmp_path / f"{name}.csv")]
    out = tmp_path / "log.parquet"
    command = ["ingest", *given, "--as-of", AS_OF.isoformat(), "--out", str(out), "--factor", "channel=call,sms"]
    command += ["--factor", "hour=8..20", "--reward", "net_value"]

    def run(*more):
        return CliRunner().invoke(build_app(), [*command, *more])

    result = run("--penalty", "opt_out=500", "--penalty", "complaint=2000")
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    written = pd.read_parquet(out)
    want = built(frames, reward="net_value", penalties=PENALTIES)
    same(dict(zip(written["decision_id"], written["reward"], strict=True)), rewards(want))
    for wrong in (["opt_out"], ["opt_out=much"], ["opt_out=1", "--penalty", "opt_out=2"], ["bounced=3"]):
        failed = run("--penalty", *wrong)
        assert failed.exit_code != 0
        assert "penalt" in f"{failed.output} {failed.exception}"
