"""Two DAGs for Airflow 3: the contacts of the day, and the week's learning behind the gate.

Copy it into the folder of DAGs. Each task is one command of ``deploy/orchestration``, with the moment of its run: a
retry is the same command, so ``score`` goes on where it stood. In Airflow 2 import ``DAG`` from ``airflow`` and
``BashOperator`` from ``airflow.operators.bash``, and write ``data_interval_end`` for ``dag_run.run_after``.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

HOME = "/opt/recommender"
WAREHOUSE = "data/warehouse.duckdb"
HISTORY = f"--contacts {WAREHOUSE}#contacts --outcomes {WAREHOUSE}#outcomes --payments {WAREHOUSE}#payments"
AS_OF = "{{ dag_run.run_after.isoformat() }}"
CUT = "{{ (dag_run.run_after - macros.timedelta(days=56)).isoformat() }}"
DBT = "dbt build --project-dir deploy/orchestration/dbt --profiles-dir deploy/orchestration/dbt"
REFUSED = 3  # exit code of promote where the gate refuses: the task is skipped, not failed


def task(name: str, command: str, **options: object) -> BashOperator:
    """One command in the checkout, with its environment before all others."""
    return BashOperator(
        task_id=name,
        bash_command=command,
        cwd=HOME,
        env={"PATH": f"{HOME}/.venv/bin:/usr/local/bin:/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        append_env=True,
        **options,
    )


def dag(name: str, schedule: str) -> DAG:
    """One run at a time, none made up for; the clock of the debtors."""
    return DAG(
        dag_id=name,
        schedule=schedule,
        start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo("America/Bogota")),
        catchup=False,
        max_active_runs=1,
        default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
        tags=["recommender"],
    )


with dag("recommender_nightly", "0 6 * * 1-6"):
    task("tables", DBT) >> task(
        "score",
        f"strategy=$(python deploy/orchestration/champion.py) && "
        f'python -m pipelines score {WAREHOUSE}#accounts {HISTORY} --as-of "{AS_OF}" --strategy "$strategy" '
        '--decision-log sqlite:///models/decisions.db --out "data/plans/{{ dag_run.run_after.date() }}.parquet"',
    )

with dag("recommender_weekly", "0 2 * * 0"):
    (
        task("tables", DBT)
        >> task(
            "ingest",
            f"python -m pipelines ingest --accounts {WAREHOUSE}#accounts --decisions {WAREHOUSE}#decisions {HISTORY} "
            f'--reward right_party_contact --as-of "{AS_OF}" --out data/log.parquet',
        )
        >> task("doctor", "python -m pipelines doctor data/log.parquet --html data/doctor.html")
        >> task(
            "train",
            f'python -m pipelines train data/log.parquet --until "{CUT}" --out models/challenger --register',
        )
        >> task(
            "promote",
            f'python -m pipelines promote challenger --log data/log.parquet --since "{CUT}" '
            "--slice-by stage --by airflow",
            skip_on_exit_code=REFUSED,
        )
    )
