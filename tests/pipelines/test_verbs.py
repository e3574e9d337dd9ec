"""The verbs on files: the whole loop on a small portfolio, and errors that are one message."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.__main__ import build_app, main
from recommender import ContactStrategy

ROOT = Path(__file__).parents[2]
runner = CliRunner()


@pytest.fixture(scope="module")
def app():
    return build_app()


@pytest.fixture(scope="module")
def simulated_files(app, tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated")
    result = runner.invoke(app, ["simulate", "--out", str(folder), "--contacts", "1500", "--accounts", "80"])
    assert result.exit_code == 0, result.output
    return folder


def test_simulate_train_evaluate_score(app, simulated_files, tmp_path):
    """From a simulated log on disk to a legal plan on disk, in four commands."""
    log, model, plan = simulated_files / "log.parquet", tmp_path / "model", tmp_path / "plan.csv"
    assert (simulated_files / "log.parquet.roles.json").exists()
    past = str(pd.read_parquet(log, columns=["sent_at"])["sent_at"].quantile(0.6))
    trained = runner.invoke(app, ["train", str(log), "--out", str(model), "--until", past, "--jobs", "1"])
    assert trained.exit_code == 0, trained.output
    assert "next:" in trained.output
    report = tmp_path / "report.json"
    evaluated = runner.invoke(
        app,
        ["evaluate", str(log), "--strategy", str(model), "--since", past, "--json", str(report), "--html"]
        + [str(tmp_path / "report.html"), "--baseline", "logging", "--baseline", "seed_rules"],
    )
    assert evaluated.exit_code == 0, evaluated.output
    assert json.loads(report.read_text())["verdict"] in {"better", "worse", "not proven", "refused"}
    assert "<html" in (tmp_path / "report.html").read_text()
    scored = runner.invoke(
        app,
        ["score", str(simulated_files / "accounts.parquet"), "--strategy", str(model), "--out", str(plan)]
        + ["--as-of", "2026-11-23T08:00:00-05:00", "--no-contacts-yet"],
    )
    assert scored.exit_code == 0, scored.output
    frame = pd.read_csv(plan)
    assert frame.groupby("row")["rank"].min().eq(1).all()
    assert frame["row"].nunique() == 80
    sent = pd.to_datetime(frame["contact_at"].dropna(), utc=True).dt.tz_convert("America/Bogota")
    assert len(sent)
    assert (sent.dt.hour.between(7, 18)).all()


def test_score_without_a_model_uses_the_seed_rules(app, simulated_files, tmp_path):
    """Nothing learnt yet is no reason not to plan; the output says what answered."""
    plan = tmp_path / "plan.parquet"
    result = runner.invoke(
        app,
        ["score", str(simulated_files / "accounts.parquet"), "--strategy", str(tmp_path / "none"), "--out", str(plan)]
        + ["--as-of", "2026-11-23T08:00:00-05:00", "--no-contacts-yet"],
    )
    assert result.exit_code == 0, result.output
    assert "seed rules" in " ".join(result.output.split())
    assert pd.read_parquet(plan)["policy"].eq("seed_rules").all()


def test_an_unknown_contact_history_is_no_plan(app, simulated_files, tmp_path):
    """Without --contacts nobody knows who was contacted today: the verb says so instead of leaving all alone."""
    plan = tmp_path / "plan.parquet"
    arguments = ["score", str(simulated_files / "accounts.parquet"), "--strategy", str(tmp_path / "none")]
    result = runner.invoke(app, [*arguments, "--out", str(plan), "--as-of", "2026-11-23T08:00:00-05:00"])
    assert result.exit_code != 0
    assert "unknown-contacts leaves 100%" in str(result.exception)
    assert not plan.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["train", "no-such-file.parquet"], "no-such-file"),
        (["score", "no-such-file.parquet", "--as-of", "2026-11-23T08:00:00-05:00"], "no-such-file"),
        (["score", "pyproject.toml", "--as-of", "2026-11-23T08:00:00"], "offset"),
        (["train", "pyproject.toml", "--factor", "channel"], "'channel' is missing"),
    ],
)
def test_an_error_is_one_message_and_exit_code_2(arguments, told, monkeypatch, capfd):
    """No traceback: what is wrong and how to mend it, on standard error."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["pipelines", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert told in (said := capfd.readouterr().err)
    assert "Traceback" not in said


def test_an_error_ends_the_process_with_code_2():
    """The same as it is called from a shell."""
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "train", "no-such-file.parquet"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "no-such-file" in done.stderr and "Traceback" not in done.stderr


def test_an_app_has_each_verb_once_however_often_it_is_built(app):
    """One built before leaves nothing in the next; the app of one verb has no other."""
    names = [one.name for one in build_app().registered_commands]
    assert len(names) == len(set(names)) == len(app.registered_commands) > len(build_app("score").registered_commands)


def test_every_verb_has_help_that_teaches(app):
    """Each verb explains itself."""
    listed = runner.invoke(app, ["--help"]).output
    for verb in ("simulate", "train", "evaluate", "score", "demo", "check", "ingest", "doctor", "promote"):
        assert verb in listed
        told = runner.invoke(app, [verb, "--help"])
        assert told.exit_code == 0
        assert len(told.output) > 300


def test_a_plan_contacts_a_debtor_once_a_day_whatever_the_number_of_accounts(app, simulated_files, tmp_path):
    """Accounts of one debtor, wherever they stand in the file, share the caps; an earlier contact of any counts."""
    accounts = pd.read_parquet(simulated_files / "accounts.parquet").head(30)
    shared = pd.concat([accounts, accounts.assign(account_id=accounts["account_id"] + "-b")], ignore_index=True)
    shared.to_parquet(tmp_path / "accounts.parquet")
    history = pd.DataFrame(
        {
            "account_id": shared["account_id"].iloc[:5],
            "sent_at": pd.Timestamp("2026-11-23T12:30:00Z"),
            "channel": "sms",
            "initiated_by": "creditor",
            "outcome": "attempt",
            "status": "sent",
        }
    )
    history.to_parquet(tmp_path / "contacts.parquet")
    plan = tmp_path / "plan.parquet"
    arguments = ["score", str(tmp_path / "accounts.parquet"), "--strategy", str(tmp_path / "none"), "--out", str(plan)]
    result = runner.invoke(
        app, [*arguments, "--contacts", str(tmp_path / "contacts.parquet"), "--as-of", "2026-11-23T08:00:00-05:00"]
    )
    assert result.exit_code == 0, result.output
    ranked = pd.read_parquet(plan)
    first = ranked.loc[ranked["rank"] == 1].dropna(subset=["channel"])
    assert len(first) > 10
    debtor = shared["debtor_id"].take(first["row"].to_numpy()).to_numpy()
    day = first["contact_at"].dt.tz_convert("America/Bogota").dt.date
    assert not pd.DataFrame({"debtor": debtor, "day": day.to_numpy()}).duplicated().any()
    contacted = set(shared["debtor_id"].iloc[:5])
    today = first.loc[(day == pd.Timestamp("2026-11-23").date()).to_numpy()]
    assert not contacted & set(shared["debtor_id"].take(today["row"].to_numpy()))
    assert ranked["row"].is_monotonic_increasing


def test_a_log_that_is_not_unicode_is_learnt_from_when_its_encoding_is_stated(app, simulated_files, tmp_path):
    """The error names the option, and the option is there."""
    frame = pd.read_parquet(simulated_files / "log.parquet", columns=["account_id", "channel", "hour", "reward"])
    log = tmp_path / "log.csv"
    frame.assign(channel=frame["channel"].astype(str).replace("call", "Teléfono")).to_csv(
        log, index=False, encoding="cp1252"
    )
    asked = ["train", str(log), "--out", str(tmp_path / "model"), "--factor", "channel", "--account", "account_id"]
    refused = runner.invoke(app, [*asked, "--context", "hour"])
    assert refused.exit_code and "--encoding cp1252" in str(refused.exception)
    told = runner.invoke(app, [*asked, "--context", "hour", "--encoding", "cp1252"])
    assert told.exit_code == 0, told.output
    assert "Teléfono" in ContactStrategy.load(tmp_path / "model").actions_.factors["channel"]
