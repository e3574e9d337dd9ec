"""Managers' pages on a large portfolio: seconds of every page, the first time in a fresh process and again.

    python benchmarks/pages.py                                            # 100,000 accounts, 500,000 decisions
    python benchmarks/pages.py --quick                                    # to see that it runs
    python benchmarks/pages.py --accounts 1000000 --decisions 5000000     # the mark; needs about 20 GB of disk

A small demo site is made once and copied under new ids until the sizes are reached: the documents of the log are those
that the service writes, only the debtors are repeated. ``first`` is the first request ever, which computes what is kept
beside the portfolio; ``cold`` is a fresh process that finds it; ``grown`` a request after one more outcome came in.

The mark: every page within 1 s warm and 3 s cold at a million accounts and five million decisions on SQLite.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from quick import add_quick

ROOT = Path(__file__).parents[1]
WARM_SECONDS, COLD_SECONDS = 1.0, 3.0
PAGES = (
    "", "tomorrow", "results", "results?stage=preventive", "policy-value", "explorer", "drivers", "accounts",
    "accounts?sort=balance_minor&order=asc", "accounts?country=CO&page=7", "accounts?q=-3", "account?id={account}",
    "what-if?account={account}", "decision?account={account}", "best-hours?account={account}", "rule-costs",
    "approvals", "model-card", "audit", "glossary",
)  # fmt: skip
PASSWORD = "benchmark-of-pages"  # noqa: S105 - of a server that lives as long as the measurement
_COPIED = {
    "decisions": ("decision_id", "account_id", "debtor_id", "request_key"),
    "outcomes": ("outcome_id", "decision_id", "replaces"),
    "contact_events": ("event_id", "decision_id", "debtor_id"),
}


# -- the portfolio -----------------------------------------------------------------------------------------------------
def small_site(folder: Path, accounts: int, weeks: int) -> Path:
    """The demo site that is copied."""
    subprocess.run(
        [sys.executable, "-m", "pipelines", "demo-site", "--out", str(folder), "--contacts", "4000",
         "--accounts", str(accounts), "--weeks", str(weeks)],
        cwd=ROOT, check=True,
    )  # fmt: skip
    return folder


def enlarged(site: Path, out: Path, accounts: int, decisions: int) -> tuple[int, int]:
    """A site of at least this many accounts and about this many decisions; gives the numbers."""
    if not (out / "site.json").is_file():
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(site, out, ignore=shutil.ignore_patterns("kept", "plans"))
        own = pd.read_parquet(site / "accounts.parquet")
        copies = max(1, round(accounts / len(own)))
        _copied_files(site, out, copies)
        _copied_log(out / "decisions.db", copies, decisions)
        text = (site / "site.json").read_text(encoding="utf-8")
        (out / "site.json").write_text(text.replace(str(site), str(out)), encoding="utf-8")
    with sqlite3.connect(out / "decisions.db") as log:
        n = log.execute("select count(*) from decisions").fetchone()[0]
    return len(pd.read_parquet(out / "accounts.parquet", columns=["account_id"])), n


def _copied_files(site: Path, out: Path, copies: int) -> None:
    """Rows of the files under new ids, written a copy at a time: memory is that of one copy."""
    for name in ("accounts", "contacts"):
        frame = pd.read_parquet(site / f"{name}.parquet")
        ids = [one for one in ("account_id", "debtor_id", "contact_id", "decision_id") if one in frame]
        whole = pa.Table.from_pandas(frame.astype(dict.fromkeys(ids, "object")), preserve_index=False)
        with pq.ParquetWriter(out / f"{name}.parquet", whole.schema) as writer:
            writer.write_table(whole)
            for number in range(1, copies):
                named = {one: pc.binary_join_element_wise(whole[one], str(number), "-") for one in ids}
                piece = whole
                for one, column in named.items():
                    piece = piece.set_column(piece.schema.get_field_index(one), piece.schema.field(one), column)
                writer.write_table(piece)


def _copied_log(path: Path, copies: int, decisions: int) -> None:
    """Copy every row of the log under new ids, then drop the oldest decisions above the number wanted."""
    with sqlite3.connect(path) as log:
        log.execute("pragma journal_mode=off")
        log.execute("pragma synchronous=off")
        indexes = log.execute("select name, sql from sqlite_master where type='index' and sql is not null").fetchall()
        for name, _ in indexes:
            log.execute(f"drop index {name}")
        n = log.execute("select count(*) from decisions").fetchone()[0]
        keep = min(n, max(1, round(decisions / copies)))
        log.execute("create temp table kept as select decision_id from decisions order by decided_at desc, decision_id "
                    "limit ?", [keep])  # fmt: skip
        for table, ids in _COPIED.items():
            columns = [row[1] for row in log.execute(f"pragma table_info({table})")]
            wanted = ", ".join(f"{one} || '-' || ?1" if one in ids else one for one in columns)
            # Table and column names are this file's and the schema's.
            log.execute(f"delete from {table} where decision_id not in (select decision_id from kept)")  # noqa: S608
            log.execute(f"create temp table own_{table} as select * from {table}")  # noqa: S608
            for number in range(1, copies):  # a copy at a time: one statement for all would hold them once more
                copy = f"insert into {table} ({', '.join(columns)}) select {wanted} from own_{table}"  # noqa: S608
                log.execute(copy, [str(number)])
        for _, text in indexes:
            log.execute(text)
        log.execute("analyze")
        log.commit()


# -- the requests ------------------------------------------------------------------------------------------------------
def environment_of(site: Path) -> dict[str, str]:
    """Settings that serve a site, with one manager."""
    from api.pages.passwords import hash_password

    told: dict[str, str] = json.loads((site / "site.json").read_text(encoding="utf-8"))["environment"]
    return told | {"RECOMMENDER_MANAGERS": json.dumps({"ana": hash_password(PASSWORD)}),
                   "RECOMMENDER_RATE_LIMIT": "0/second", "RECOMMENDER_SESSION_HOURS": "10"}  # fmt: skip


def timed(pages: list[str], warm: int) -> dict[str, Any]:
    """CPU and wall seconds of each page here: the first request and the best of ``warm`` more; memory at the end."""
    from fastapi.testclient import TestClient

    from api.main import create_app

    rows = {}
    with TestClient(create_app()) as client:
        form = client.get("/es/login").text
        token = re.search(r'name="token" value="([^"]+)"', form)
        assert token is not None
        client.post("/es/login", data={"manager": "ana", "password": PASSWORD, "token": token[1]},
                    follow_redirects=False)  # fmt: skip
        account = account_of(client)
        for page in pages:
            seconds = []
            for _ in range(1 + warm):
                began, cpu = time.perf_counter(), time.process_time()
                answer = client.get(f"/es/{page.format(account=account)}")
                while answer.status_code == 503 and "retry-after" in answer.headers:  # read for the first time
                    time.sleep(1.0)
                    answer = client.get(f"/es/{page.format(account=account)}")
                seconds.append((time.process_time() - cpu, time.perf_counter() - began))
                if answer.status_code != 200:
                    raise SystemExit(f"/es/{page} answers {answer.status_code}: {answer.text[:300]}")
            rows[page] = {"cold": seconds[0], "warm": min(seconds[1:]) if warm else None}
    return {"pages": rows, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def account_of(client: Any) -> str:
    """An account that was not copied: the record of a decision vouches for its ids."""
    path = client.app.state.settings.portfolio_path / "accounts.parquet"
    return str(pd.read_parquet(path, columns=["account_id"])["account_id"].iloc[0])


def in_fresh_process(site: Path, pages: list[str], warm: int) -> dict[str, Any]:
    """:func:`timed` in a process of its own, without the time of its start."""
    done = subprocess.run(
        [sys.executable, __file__, "--request", json.dumps([pages, warm])],
        env=os.environ | environment_of(site), cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def one_more_outcome(site: Path) -> None:
    """The log grows by one outcome."""
    with sqlite3.connect(site / "decisions.db") as log:
        columns = [row[1] for row in log.execute("pragma table_info(outcomes)")]
        wanted = ", ".join(f"'benchmark-{time.time_ns()}'" if one == "outcome_id" else one for one in columns)
        log.execute(f"insert into outcomes select {wanted} from outcomes limit 1")  # noqa: S608


# -- the table ---------------------------------------------------------------------------------------------------------
def main() -> None:
    """Make the portfolio, ask, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=100_000)
    parser.add_argument("--decisions", type=int, default=500_000)
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "benchmark-pages", help="kept between runs")
    parser.add_argument("--each", action="store_true", help="a fresh process for each page, not one for all")
    parser.add_argument("--only", default="", help="pages whose path contains this")
    parser.add_argument("--warm", type=int, default=2)
    parser.add_argument("--request", help=argparse.SUPPRESS)
    add_quick(parser, accounts=1_200, decisions=4_000)
    given = parser.parse_args()
    if given.request:
        sys.path.insert(0, str(ROOT))
        print(json.dumps(timed(*json.loads(given.request))))
        return
    sys.path.insert(0, str(ROOT))
    given.folder = given.folder.resolve()
    small = given.folder / "small"
    if not (small / "site.json").is_file():
        small_site(small, 300, 4)
    began = time.monotonic()
    site = given.folder / f"{given.accounts}-{given.decisions}"
    n_accounts, n_decisions = enlarged(small, site, given.accounts, given.decisions)
    pages = [page for page in PAGES if given.only in page]
    print(f"{n_accounts:,} accounts, {n_decisions:,} decisions on SQLite, made in {time.monotonic() - began:.0f} s; "
          f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
    first = in_fresh_process(site, pages, 0)
    spent = {page: row["cold"][0] for page, row in first["pages"].items()}
    most = max(spent, key=lambda page: spent[page])
    print(f"the first time: {sum(spent.values()):.0f} CPU s in all, {spent[most]:.0f} s of them /{most}; "
          f"{first['peak_mib']:,.0f} MiB", flush=True)  # fmt: skip
    runs = [
        in_fresh_process(site, part, given.warm) for part in ([[page] for page in pages] if given.each else [pages])
    ]
    one_more_outcome(site)
    grown = in_fresh_process(site, pages, 0)
    print(
        "CPU seconds (wall seconds in brackets):\n\n"
        "| page | first ever | cold | warm | log grown |\n|---|---|---|---|---|"
    )
    over = []
    for page, row in {page: row for run in runs for page, row in run["pages"].items()}.items():
        shown = (first["pages"][page]["cold"], row["cold"], row["warm"], grown["pages"][page]["cold"])
        print(f"| /{page} | {' | '.join(f'{cpu:.2f} ({wall:.2f})' for cpu, wall in shown)} |", flush=True)
        if row["warm"][0] > WARM_SECONDS or row["cold"][0] > COLD_SECONDS:
            over.append(page)
    print(f"peak memory of the process: {max(run['peak_mib'] for run in runs):,.0f} MiB cold, {first['peak_mib']:,.0f} "
          f"MiB the first time; over the mark: {', '.join(f'/{one}' for one in over) or 'none'}")  # fmt: skip


if __name__ == "__main__":
    main()
