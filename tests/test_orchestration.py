"""The examples of deploy/orchestration: every command parses, the SQL makes the tables that were."""

import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import duckdb
import jinja2
import pytest
import typer.main
import yaml

from pipelines.__main__ import build_app
from recommender import LoggedFeedback
from recommender.history import build_feedback
from recommender.simulation import simulate_tables
from recommender.store.files import read_table
from recommender.store.registry import Registry

ROOT = Path(__file__).parents[1]
HERE = ROOT / "deploy" / "orchestration"
RUN_AFTER = datetime(2026, 11, 23, 11, tzinfo=UTC)
SHELL = {"WAREHOUSE": "data/w.duckdb", "AS_OF": "2026-11-23T06:00:00-05:00", "CUT": "2026-09-28T00:00:00-05:00",
         "strategy": "models/s"}  # fmt: skip


class StandIn:
    """What a DAG and its tasks are told, and what follows what."""

    tasks: list["StandIn"]

    def __init__(self, **told):
        self.told, self.before = told, []
        StandIn.tasks.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def __rshift__(self, later):
        later.before.append(self)
        return later


@pytest.fixture(scope="module")
def airflow_tasks():
    """The DAG file run against a tiny stand-in for Airflow: DAGs and tasks in the order they were made."""
    names = ("airflow", "airflow.sdk", "airflow.providers", "airflow.providers.standard",
             "airflow.providers.standard.operators", "airflow.providers.standard.operators.bash")  # fmt: skip
    StandIn.tasks = []
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setitem(sys.modules, name, ModuleType(name))
        sys.modules["airflow.sdk"].DAG = StandIn
        sys.modules[names[-1]].BashOperator = StandIn
        code = (HERE / "airflow_dag.py").read_text(encoding="utf-8")
        exec(compile(code, "airflow_dag.py", "exec"), {"__name__": "dag"})  # noqa: S102 - our own file
    return StandIn.tasks


def in_airflow(text):
    """A templated command as Airflow renders it."""
    given = {"dag_run": SimpleNamespace(run_after=RUN_AFTER), "macros": SimpleNamespace(timedelta=timedelta)}
    return jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(text).render(given)  # noqa: S701


def in_shell(text):
    """Variables by their values; what is not known stays, and is found."""
    text = re.sub(r"\$\{AS_OF%%T\*\}", SHELL["AS_OF"][:10], text)
    return re.sub(r"\$(\w+)", lambda found: SHELL.get(found[1], found[0]), text)


def lines_of_files():
    """Lines of the scripts, cron table and units, continued ones joined, comments left out."""
    for path in sorted(HERE.iterdir()):
        if path.suffix in {".sh", ".cron", ".service"}:
            joined = re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8"))
            yield from (in_shell(line) for line in joined.splitlines() if not line.startswith("#"))


def words_of(lines):
    """The words behind ``python -m pipelines`` of each line that has it."""
    told = [re.split(r"&&|;", line.split("-m pipelines ", 1)[1])[0] for line in lines if "-m pipelines " in line]
    return [shlex.split(line) for line in told]


@pytest.fixture(scope="module")
def commands(airflow_tasks):
    """Every command line of the examples, as words."""
    in_dags = [in_airflow(each.told["bash_command"]) for each in airflow_tasks if "bash_command" in each.told]
    found = words_of([*lines_of_files(), *(in_shell(line) for line in in_dags)])
    assert {"score", "ingest", "doctor", "train", "promote", "retain"} == {words[0] for words in found}
    assert len(found) == 5 + 1 + 5
    return found


@pytest.fixture(scope="module")
def app():
    """All verbs, as they parse."""
    return typer.main.get_command(build_app())


def parsed(app, words):
    """What the verb's own parser makes of the words; raises where it takes them not."""
    return app.commands[words[0]].make_context(words[0], list(words[1:])).params


def test_every_command_is_taken_by_its_verb(app, commands):
    """Names, types and what is required, by the parser that runs them; instants carry their offset."""
    for words in commands:
        given = parsed(app, words)
        assert not [word for word in words if "$" in word or "{" in word]
        for name in ("as_of", "until", "since"):
            if given.get(name) is not None:
                assert datetime.fromisoformat(given[name]).tzinfo is not None


def test_an_option_that_was_renamed_is_noticed(app, commands):
    """The check above can fail: each option under another name, and each verb without what it requires."""
    for words in commands:
        for at, word in enumerate(words):
            if word.startswith("--"):
                with pytest.raises(Exception, match="No such option"):
                    parsed(app, [*words[:at], f"{word}-of-old", *words[at + 1 :]])
        if words[0] != "doctor":  # takes a log or raw tables
            with pytest.raises(Exception, match="Missing parameter"):
                parsed(app, words[:1])


def test_judged_is_what_was_not_learnt(commands):
    """The gate looks at decisions from the cut on, training at those before it, in every example."""
    cuts = [words[words.index(f"--{name}") + 1] for words in commands for name in ("until", "since")
            if f"--{name}" in words]  # fmt: skip
    assert len(cuts) == 4
    assert len({cut[:10] for cut in cuts}) == 1


def test_the_dags_run_one_after_the_other(airflow_tasks):
    """Tasks depend on the one before, nothing is caught up, the gate's refusal is no failure."""
    dags = [each for each in airflow_tasks if "dag_id" in each.told]
    assert [each.told["dag_id"] for each in dags] == ["recommender_nightly", "recommender_weekly"]
    assert all(each.told["catchup"] is False and each.told["max_active_runs"] == 1 for each in dags)
    promote = airflow_tasks[-1]
    order = []
    at = promote
    while at is not None:
        order.append(at.told["task_id"])
        at = at.before[0] if at.before else None
    assert order == ["promote", "train", "doctor", "ingest", "tables"]
    assert promote.told["skip_on_exit_code"] == 3


def test_what_starts_them_is_there(tmp_path):
    """Scripts that cron, units and DAGs name exist, can be started, and are good shell; timers have their service."""
    named = set()
    for path in [*HERE.glob("*.service"), *HERE.glob("*.cron"), *HERE.glob("*.sh"), HERE / "airflow_dag.py"]:
        named |= set(re.findall(r"deploy/orchestration/[\w./-]*\w", path.read_text(encoding="utf-8")))
    assert {f"deploy/orchestration/{name}" for name in ("nightly.sh", "weekly.sh", "champion.py", "dbt")} <= named
    assert not [name for name in named if not (ROOT / name).exists()]
    for script in HERE.glob("*.sh"):
        assert script.stat().st_mode & 0o100
        subprocess.run(["sh", "-n", script], check=True)
    timers = sorted(HERE.glob("*.timer"))
    assert len(timers) == 2
    for timer in timers:
        assert timer.with_suffix(".service").exists()
        assert "OnCalendar=" in timer.read_text(encoding="utf-8")
    weekly = (HERE / "recommender-weekly.service").read_text(encoding="utf-8")
    assert "SuccessExitStatus=3" in weekly


def test_the_scripts_hand_over_the_day(tmp_path):
    """Run by a shell with a stand-in for python: one moment a day, and no score where there is no champion."""
    told = tmp_path / "told"
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\n[ "$2" = pipelines ] && echo "$@" >> {told} || echo "${{CHAMPION?none}}"\n')
    fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "TZ": "America/Bogota"}
    subprocess.run([HERE / "nightly.sh"], check=True, env=environment | {"CHAMPION": "models/fetched/c-v3"}, cwd=ROOT)
    subprocess.run([HERE / "weekly.sh"], check=True, env=environment | {"AS_OF": SHELL["AS_OF"]}, cwd=ROOT)
    score, ingest, doctor, train, promote = told.read_text(encoding="utf-8").splitlines()
    assert re.search(r"--as-of \d{4}-\d\d-\d\dT06:00:00-05:00 --strategy models/fetched/c-v3 ", score)
    assert "--as-of 2026-11-23T06:00:00-05:00" in ingest
    assert doctor.startswith("-m pipelines doctor data/log.parquet")
    assert "--until 2026-09-28T00:00:00-05:00" in train
    assert "--since 2026-09-28T00:00:00-05:00" in promote
    told.unlink()
    failed = subprocess.run([HERE / "nightly.sh"], check=False, env=environment, cwd=ROOT, capture_output=True)
    assert failed.returncode != 0
    assert not told.exists()


def test_the_champion_is_asked_of_the_registry(tmp_path, monkeypatch, capsys, empty_mlflow_db):
    """Its folder is printed; before there is one, what to do about it and code 2."""
    scope = {"__name__": "champion"}
    exec(compile((HERE / "champion.py").read_text(encoding="utf-8"), "champion.py", "exec"), scope)  # noqa: S102
    database = tmp_path / "mlflow.db"
    shutil.copy(empty_mlflow_db, database)
    monkeypatch.setenv("REGISTRY_URI", f"sqlite:///{database}")
    monkeypatch.setenv("REGISTRY_ARTIFACTS", str(tmp_path / "artifacts"))
    monkeypatch.setenv("FETCHED", str(tmp_path / "fetched"))
    assert scope["main"]() == 2
    assert "weekly.sh" in capsys.readouterr().err
    saved = tmp_path / "saved"
    saved.mkdir()
    (saved / "strategy.json").write_text("{}")
    registry = Registry(f"sqlite:///{database}", tmp_path / "artifacts", "contact-strategy")
    registry.log_training(run_name="first", params={}, metrics={}, model_card="# first", data_digest="12" * 32,
                          strategy_dir=saved, register=True)  # fmt: skip
    registry.promote("challenger", requested_by="ana", decided_at=RUN_AFTER, decision="accepted", reasons=[])
    assert scope["main"]() == 0
    assert (Path(capsys.readouterr().out.strip()) / "strategy.json").read_text() == "{}"


@pytest.fixture(scope="module")
def raw():
    """Raw tables of a small portfolio."""
    return simulate_tables(400, seed=2)


#: The collector's own columns, as the reverse of what the models do.
CRM = {
    "credit_states": """select account_id as credit_no, debtor_id as customer_no, country, timezone, language,
        debtor_type as customer_kind, product, valid_from at time zone 'America/Bogota' as changed_at,
        balance_minor / 100.0 as balance, currency, due_date as due_on, channels_reachable as channels_with_data,
        channels_consented as channels_allowed, '' as stops, 'debtor' as contact_of from accounts""",
    "assignments": """select decision_id as assignment_no, account_id as credit_no,
        decided_at at time zone 'America/Bogota' as assigned_at, channel, hour as hour_of_contact, tone,
        propensity as probability, policy_version as policy from decisions""",
    "contact_log": """select contact_id as contact_no, account_id as credit_no, decision_id as assignment_no,
        sent_at at time zone 'America/Bogota' as sent_at, channel, tone, message_kind as text_kind,
        template_id as text_no, initiated_by as begun_by, status as state, cost_minor / 100.0 as cost from contacts""",
    "contact_events": """select contact_id as contact_no, occurred_at at time zone 'America/Bogota' as happened_at,
        upper(outcome) as result from outcomes""",
    "receipts": """select account_id as credit_no, paid_at at time zone 'America/Bogota' as received_at,
        amount_minor / 100.0 as amount, currency from payments""",
}


def test_the_models_make_the_five_tables(raw, tmp_path):
    """The SQL for dbt, run by DuckDB on a collector's tables: the log of its tables is the log of those before."""
    declared = yaml.safe_load((HERE / "dbt/models/sources.yml").read_text(encoding="utf-8"))["sources"][0]
    assert {table["name"] for table in declared["tables"]} == set(CRM)
    project = yaml.safe_load((HERE / "dbt/dbt_project.yml").read_text(encoding="utf-8"))
    assert list(yaml.safe_load((HERE / "dbt/profiles.yml").read_text(encoding="utf-8"))) == [project["profile"]]
    warehouse = tmp_path / "warehouse.duckdb"
    dbt = {"source": lambda name, table: f"{name}.{table}", "var": project["vars"].__getitem__}
    names = ("accounts", "decisions", "contacts", "outcomes", "payments")
    with duckdb.connect(str(warehouse)) as book:
        book.execute("create schema crm")
        for name, frame in raw.to_dict().items():
            book.register(name, frame.drop(columns="eligible", errors="ignore"))
        for name, query in CRM.items():
            book.execute(f"create table crm.{name} as {query}")
        for name in names:
            book.unregister(name)
            model = (HERE / f"dbt/models/{name}.sql").read_text(encoding="utf-8")
            query = jinja2.Environment(undefined=jinja2.StrictUndefined).from_string(model).render(dbt)  # noqa: S701
            book.execute(f"create table {name} as {query}")
    tables = {name: read_table(f"{warehouse}#{name}", table=name) for name in names}
    columns = {name: [column for column in raw.to_dict()[name].columns if column in tables[name]] for name in names}
    settings = {"actions": raw.actions, "as_of": raw.as_of}
    made = build_feedback(**{name: tables[name][columns[name]] for name in names}, **settings)
    before = build_feedback(**{name: raw.to_dict()[name][columns[name]] for name in names}, **settings)
    assert len(made.quarantine) == len(before.quarantine) == 0
    assert made.feedback.digest == before.feedback.digest
    assert len(LoggedFeedback.from_tables(**tables, **settings)) == len(raw.decisions)
    assert set(tables["accounts"]["flags"]) == {"none"}
