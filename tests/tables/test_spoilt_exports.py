"""A second, independent fault injector: CSV files spoilt as bytes and text, cell by cell, read through the verb.

It shares no code with ``recommender.simulation.plant_faults``: exports are written by the csv module, spoilt as a
clerk, a spreadsheet or another system would spoil them, and the quarantine is compared with the list kept meanwhile.
"""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from pipelines import ingest
from recommender.actions import ActionSpace
from recommender.store.files.log_files import feedback_from_file

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
SHARE = 0.03
N_ACCOUNTS, N_DECISIONS, N_PAYMENTS = 240, 1600, 900
SPACE = ActionSpace({"channel": ["call", "sms", "whatsapp"], "hour": range(8, 20)}, no_contact=False)
KEY = {"accounts": "account_id", "decisions": "decision_id", "contacts": "contact_id"}
INSTANT = {"accounts": "valid_from", "decisions": "decided_at", "contacts": "sent_at", "outcomes": "occurred_at"}
INSTANT["payments"] = "paid_at"


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def clean_tables(rng):
    """Rows of dicts, all of them right; every payment and outcome differs from every other."""
    start = datetime(2026, 1, 5, 14, tzinfo=UTC)
    tables = {"accounts": [], "decisions": [], "contacts": [], "outcomes": [], "payments": []}
    for i in range(N_ACCOUNTS):
        for version in range(2):
            tables["accounts"].append(
                {
                    "account_id": f"C-{i:04d}",
                    "debtor_id": f"D-{i // 2:04d}",
                    "valid_from": iso(start - timedelta(days=30 - 60 * version, minutes=i)),
                    "product": rng.choice(["tarjeta", "crédito", "préstamo año"]),
                    "balance_minor": str(rng.randint(1, 10**7)),
                    "currency": "COP",
                    "timezone": "America/Bogota",
                    "do_not_contact": "false",
                }
            )
    for i in range(N_DECISIONS):
        moment = start + timedelta(minutes=97 * i)
        account, channel = f"C-{rng.randrange(N_ACCOUNTS):04d}", rng.choice(SPACE.factors["channel"])
        chosen = {"decision_id": f"N{i:05d}", "account_id": account, "decided_at": iso(moment), "channel": channel}
        chosen |= {"hour": str(rng.randrange(8, 20)), "propensity": "0.0278", "policy_version": "versión-1"}
        tables["decisions"].append(chosen)
        sent = {"contact_id": f"K{i:05d}", "account_id": account, "decision_id": f"N{i:05d}"}
        sent |= {"sent_at": iso(moment + timedelta(minutes=5)), "channel": channel, "template_id": "atención-1"}
        tables["contacts"].append(sent | {"status": "sent", "cost_minor": "40"})
        if rng.random() < 0.6:
            answer = rng.choice(["delivered", "replied", "right_party_contact"])
            told = {"contact_id": f"K{i:05d}", "occurred_at": iso(moment + timedelta(hours=2)), "outcome": answer}
            tables["outcomes"].append(told)
    for i in range(N_PAYMENTS):
        paid = {"account_id": f"C-{rng.randrange(N_ACCOUNTS):04d}", "paid_at": iso(start + timedelta(minutes=170 * i))}
        tables["payments"].append(paid | {"amount_minor": str(1000 + i), "currency": "COP"})
    return tables


def spoiling(table, rng):
    """Kind of fault -> (column, function from the right cell to the wrong one), for the kinds the table can have."""
    instant = INSTANT[table]
    kinds = {
        "missing_instant": (instant, lambda _: ""),
        "future": (instant, lambda _: iso(AS_OF + timedelta(days=rng.randint(1, 900)))),
        "naive": (instant, lambda cell: cell.replace("T", " ").removesuffix("Z")),
        "excel_serial": (instant, lambda _: f"{46000 + rng.random() * 100:.6f}"),
        "words": (instant, lambda _: rng.choice(["ayer", "31/02/2026", "n/a"])),
    }
    if table in KEY:
        kinds["blank_id"] = (KEY[table], lambda _: "   ")
        kinds["same_id_other_content"] = (None, None)
    else:
        kinds["blank_id"] = ("contact_id" if table == "outcomes" else "account_id", lambda _: " ")
    text = {"accounts": "product", "decisions": "policy_version", "contacts": "template_id"}.get(table)
    if text:
        kinds["bytes_of_another_encoding"] = (text, lambda _: "caf\udce9 se\udcf1al")  # latin-1 bytes, UTF-8 file
        kinds["read_as_latin_1"] = (text, lambda _: "atención señal".encode().decode("latin-1"))
    level = {"decisions": "channel", "contacts": "channel", "outcomes": "outcome"}.get(table)
    if level:
        kinds["unknown_level"] = (level, lambda _: rng.choice(["paloma", "tam-tam", "fax"]))
    amount = {"accounts": "balance_minor", "contacts": "cost_minor", "payments": "amount_minor"}.get(table)
    if amount:
        kinds["negative"] = (amount, lambda cell: f"-{cell}")
        kinds["no_number"] = (amount, lambda _: rng.choice(["1.2.3", "mil", "5 o 6"]))
    if table in ("accounts", "payments"):
        kinds["other_currency"] = ("currency", lambda _: "USD")
        kinds["no_currency_code"] = ("currency", lambda _: "pesos")
    kinds["repeat"] = (None, None)
    return {kind: how for kind, how in kinds.items() if how[0] or kind in ("repeat", "same_id_other_content")}


def spoil(table, rows, rng):
    """Spoil SHARE of the rows with each kind; gives the rows and kind of fault -> set of row numbers."""
    rows = [dict(row) for row in rows]
    kinds = spoiling(table, rng)
    places = rng.sample(range(len(rows)), len(rows))
    count = max(2, round(SHARE * len(rows)))
    planted, extra = {}, []
    for kind, (column, wrong) in kinds.items():
        taken, places = places[:count], places[count:]
        planted[kind] = set(taken)
        for at in taken:
            if kind == "repeat":
                extra.append((kind, at, dict(rows[at])))
            elif kind == "same_id_other_content":
                other = {"accounts": "balance_minor", "decisions": "hour", "contacts": "cost_minor"}[table]
                changed = str((int(rows[at][other]) + 1 - 8) % 12 + 8) if other == "hour" else rows[at][other] + "1"
                extra.append((kind, at, dict(rows[at]) | {other: changed}))
            else:
                rows[at][column] = wrong(rows[at][column])
    rng.shuffle(extra)
    planted |= {kind: set() for kind in ("repeat",) if kind in planted}
    for kind, _, row in extra:
        planted[kind].add(len(rows))
        rows.append(row)
    return rows, planted


def write(path, rows):
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), delimiter=";")
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode("utf-8", "surrogateescape"))


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """Spoilt files, what was planted, and the verb's answer."""
    folder, rng = tmp_path_factory.mktemp("spoilt"), random.Random(20)
    clean = clean_tables(rng)
    planted, given, rows_of = {}, [], {}
    for table, rows in clean.items():
        rows_of[table], planted[table] = spoil(table, rows, rng)
        write(folder / f"{table}.csv", rows_of[table])
        given += [f"--{table}", str(folder / f"{table}.csv")]
    (folder / "actions.json").write_text(json.dumps(SPACE.to_dict()), encoding="utf-8")
    app = typer.Typer(pretty_exceptions_enable=False)
    ingest.register(app)
    app.command("other")(lambda: None)
    told = ["--actions", str(folder / "actions.json"), "--as-of", AS_OF.isoformat(), "--reward", "paid"]
    result = CliRunner().invoke(app, ["ingest", *given, *told, "--out", str(folder / "log.parquet")])
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    report = json.loads((folder / "log.parquet.quarantine" / "report.json").read_text(encoding="utf-8"))
    bad = pd.concat([pd.read_csv(path) for path in (folder / "log.parquet.quarantine").glob("*.quarantine.csv")])
    return folder, rows_of, planted, report, bad


RULES = {
    "missing_instant": {"missing"},
    "future": {"after_as_of"},
    "naive": {"naive_timestamp"},
    "excel_serial": {"naive_timestamp"},
    "words": {"unreadable_instant"},
    "blank_id": {"missing"},
    "bytes_of_another_encoding": {"wrong_encoding"},
    "read_as_latin_1": {"wrong_encoding"},
    "unknown_level": {"unknown_level"},
    "negative": {"negative_amount"},
    "no_number": {"not_a_number"},
    "other_currency": {"other_currency"},
    "no_currency_code": {"unknown_currency"},
    "repeat": {"duplicate_row"},
    "same_id_other_content": {"duplicate_id"},
}


@pytest.mark.parametrize("table", ["accounts", "decisions", "contacts", "outcomes", "payments"])
def test_every_kind_is_caught_under_its_own_name(spoilt, table):
    """Each spoilt row is in quarantine for what was done to it, with a reason and a mend."""
    _, _, planted, _, bad = spoilt
    rows = bad[bad["table"] == table].set_index("row")
    for kind, places in planted[table].items():
        assert len(places) >= 2
        missed = places - set(rows.index)
        assert not missed, (kind, sorted(missed)[:5])
        assert set(rows.loc[sorted(places), "rule"]) == RULES[kind], kind
    assert rows[["reason", "mend"]].notna().all(axis=None)


def test_no_right_row_is_lost_but_those_that_hang_on_a_wrong_one(spoilt):
    """Beyond the planted rows only cascades are set aside, and each hangs on a planted row indeed."""
    _, rows_of, planted, _, bad = spoilt
    known = {table: set().union(*kinds.values()) for table, kinds in planted.items()}
    others = bad[[row not in known[table] for table, row in zip(bad["table"], bad["row"], strict=True)]]
    assert set(others["rule"]) <= {"cascade", "unknown_contact", "unknown_decision"}
    # Ids were given by row, so a blanked id is known still.
    lost_contacts = {f"K{row:05d}" for row in bad.loc[bad["table"] == "contacts", "row"]}
    for row in others.loc[others["table"] == "outcomes", "row"]:
        assert rows_of["outcomes"][row]["contact_id"] in lost_contacts
    blanked = {f"N{row:05d}" for row in planted["decisions"]["blank_id"]}
    pointing = others.loc[others["rule"] == "unknown_decision", "row"]
    assert {rows_of["contacts"][row]["decision_id"] for row in pointing} <= blanked
    left = others[(others["rule"] == "cascade") & (others["table"] != "outcomes")]
    abroad = {rows_of["accounts"][row]["account_id"] for row in planted["accounts"]["other_currency"]}
    assert {rows_of[table][row]["account_id"] for table, row in zip(left["table"], left["row"], strict=True)} <= abroad


def test_counts_are_right_and_the_rest_is_used(spoilt):
    """Given = clean + quarantined in every table, and every clean decision is in the log."""
    folder, rows_of, _, report, bad = spoilt
    for line in report["tables"]:
        assert line["given"] == len(rows_of[line["table"]])
        assert line["given"] == line["clean"] + line["quarantined"]
        assert line["quarantined"] == (bad["table"] == line["table"]).sum()
    log = feedback_from_file(folder / "log.parquet")
    clean = next(line["clean"] for line in report["tables"] if line["table"] == "decisions")
    assert len(log) == clean == report["decisions"]


def test_nobody_counts_as_unpaid_whose_payment_lies_in_quarantine(spoilt):
    """A naive reading of the files: no decision with a quarantined payment in reach is taken for a failure."""
    folder, rows_of, planted, report, bad = spoilt
    frame = pd.read_parquet(folder / "log.parquet")
    lost = {}
    for kind, places in planted["payments"].items():
        for row in places if kind != "repeat" else ():
            cells = rows_of["payments"][row]
            try:
                written = cells["paid_at"]
                if kind == "excel_serial":
                    written = str(datetime(1899, 12, 30) + timedelta(days=float(written)))  # noqa: DTZ001
                moment = datetime.fromisoformat(written.replace(" ", "T"))
                moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
            except ValueError:
                moment = None
            lost.setdefault(cells["account_id"].strip(), []).append(None if kind == "future" else moment)
    lost.pop("", None)
    # An outcome whose word nobody can read may have been "paid" too; ids were given by row and tell whose it was.
    words = {}
    for row in bad.loc[bad["table"] == "outcomes", "row"]:
        cells = rows_of["outcomes"][row]
        if row in planted["outcomes"]["unknown_level"]:
            words[cells["contact_id"].replace("K", "N")] = cells["contact_id"]
    known = {cells["contact_id"] for cells in rows_of["contacts"]}
    orphans = [
        rows_of["outcomes"][row]["contact_id"] not in known for row in bad.loc[bad["table"] == "outcomes", "row"]
    ]
    assert report["orphan_outcomes"] == sum(orphans)
    doubtful = {name for name, contact in words.items() if contact in known}
    may = frame[frame["decision_id"].isin(doubtful) & (frame["decided_at"] + timedelta(days=14) <= AS_OF)]
    assert len(may) > 10
    assert not (may["reward"] == 0.0).any()
    # A contact whose decision was blanked may be any decision's of its account: these may add a few, and nothing else.
    named = {cells["decision_id"] for cells in rows_of["decisions"]}
    strays = {
        cells["account_id"]
        for cells in rows_of["contacts"]
        if cells["decision_id"] not in named and cells["contact_id"] in words.values()
    }
    others = frame[~frame["decision_id"].isin(doubtful) & frame["account_id"].isin(strays)]
    certain = may["reward"].isna().sum()
    assert 5 < certain <= report["unknown_for_quarantined_outcomes"] <= certain + others["reward"].isna().sum()
    assert others["reward"].isna().sum() < certain
    unknown = 0
    for row in frame.itertuples():
        closes = row.decided_at + timedelta(days=14)
        reach = [at is None or row.decided_at <= at < closes for at in lost.get(row.account_id, [])]
        if any(reach) and closes <= AS_OF:
            assert row.reward != 0.0
            unknown += pd.isna(row.reward)
    assert unknown > 20
    assert report["unknown_for_quarantined_payments"] >= unknown
