"""How a plan for a portfolio grows with it: CPU and memory of `python -m pipelines score`, by number of accounts.

    python benchmarks/batch.py [--accounts 10000 100000 1000000] [--strategy models/strategy] [--seed-rules]

Each size is a process of its own, so that its peak memory is its own. One account in five belongs to a debtor with
several, scattered over the file (the hard case: everything is cut and sorted back on disk), and there are two past
contacts an account. The peer, at the smallest size, is the same decision function over the whole tables in memory.
Without --strategy a small one is trained on a simulated log first.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from quick import add_quick

from recommender import ContactStrategy
from recommender.deciding import after_planned, debtor_rounds, decide, default_actions, planned_contacts
from recommender.rules import HOUSE_PACKS
from recommender.simulation import simulate, simulate_portfolio
from recommender.strategy.cold_start import SeedStrategy

ROOT = Path(__file__).resolve().parents[1]
AS_OF = dt.datetime(2026, 11, 23, 13, tzinfo=dt.UTC)
BATCH = 100_000


def write_portfolio(folder: Path, n: int) -> tuple[Path, Path]:
    """Write accounts and contacts in batches: simulated accounts repeated under new ids, with other balances."""
    model = simulate_portfolio(3_000, seed=0, as_of=AS_OF)
    rng = np.random.default_rng(n)
    writers: dict[str, pq.ParquetWriter] = {}
    for start in range(0, n, BATCH):
        rows = np.arange(start, min(start + BATCH, n))
        accounts = model.iloc[rng.integers(0, len(model), len(rows))].reset_index(drop=True)
        accounts["account_id"] = [f"A{row:09d}" for row in rows]
        shared = rng.random(len(rows)) < 0.2
        debtor = np.where(shared, n + rng.integers(0, max(n // 15, 1), len(rows)), rows)
        accounts["debtor_id"] = [f"D{number:09d}" for number in debtor]
        accounts["balance_minor"] = rng.integers(10_000, 50_000_000, len(rows))
        m = 2 * len(rows)
        contacts = pd.DataFrame(
            {
                "contact_id": [f"C{number:010d}" for number in range(2 * start, 2 * start + m)],
                "account_id": [f"A{row:09d}" for row in rng.integers(0, n, m)],
                "sent_at": pd.Timestamp(AS_OF) - pd.to_timedelta(rng.integers(60, 60 * 86_400, m), unit="s"),
                "channel": rng.choice(["call", "sms", "whatsapp", "email"], m),
                "initiated_by": "creditor",
                "outcome": rng.choice(["attempt", "delivered", "not_connected"], m),
                "status": "sent",
            }
        )
        for name, frame in (("accounts", accounts), ("contacts", contacts)):
            frame = frame.assign(
                **{k: pd.to_datetime(frame[k], utc=True).dt.floor("us") for k in frame if k == "sent_at"}
            )
            table = pa.table({column: pa.array(frame[column].array) for column in frame})
            if name not in writers:
                writers[name] = pq.ParquetWriter(folder / f"{name}.parquet", table.schema)
            writers[name].write_table(table.cast(writers[name].schema))
    for writer in writers.values():
        writer.close()
    return folder / "accounts.parquet", folder / "contacts.parquet"


def measured(command: list[str]) -> tuple[float, float, float]:
    """CPU seconds, wall seconds and peak GiB of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return used.ru_utime + used.ru_stime, time.perf_counter() - started, used.ru_maxrss / unit


def in_memory(accounts: Path, contacts: Path, strategy: Path | None) -> tuple[float, int]:
    """CPU seconds and ranked actions of the same decisions over whole tables."""
    model = SeedStrategy(default_actions(range(7, 21))) if strategy is None else ContactStrategy.load(strategy)
    decide(
        pd.read_parquet(accounts).head(50), strategy=model, as_of=AS_OF, packs=["CO", *HOUSE_PACKS],
        contacts=pd.read_parquet(contacts).head(0),
    )  # fmt: skip
    before = time.process_time()
    frame, known = pd.read_parquet(accounts), pd.read_parquet(contacts)
    known["debtor_id"] = known["account_id"].map(frame.set_index("account_id")["debtor_id"])
    turn = debtor_rounds(frame)
    ranked = 0
    planned: dict[object, list[dict[str, object]]] = {}
    for number in range(int(turn.max()) + 1):
        part = frame.iloc[np.flatnonzero(turn == number)].reset_index(drop=True)
        ahead = [planned.get(debtor, []) for debtor in part["debtor_id"]]
        later = partial(after_planned, model.actions_, planned=ahead)
        decided = decide(part, strategy=model, as_of=AS_OF, packs=["CO", *HOUSE_PACKS], contacts=known, allowed=later)
        found = planned_contacts(decided)
        for contact in found:
            planned.setdefault(contact["debtor_id"], []).append(contact)
        known = pd.concat([known, pd.DataFrame(found)], ignore_index=True)
        ranked += len(decided.ranked)
    return time.process_time() - before, ranked


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--strategy", type=Path)
    parser.add_argument("--seed-rules", action="store_true", help="Without a model: what streaming and rules cost.")
    parser.add_argument("--chunk-rows", type=int, default=20_000)
    add_quick(parser, accounts=[2_000])
    options = parser.parse_args()
    print(
        f"{'accounts':>10}{'CPU s':>10}{'us/account':>12}{'wall s':>9}{'peak GiB':>10}{'plan rows':>12}{'plan MB':>9}"
    )
    with tempfile.TemporaryDirectory(prefix="batch-") as place:
        folder = Path(place)
        strategy = options.strategy
        if strategy is None and not options.seed_rules:
            strategy = (
                ContactStrategy(n_jobs=1).fit(simulate(6_000, seed=0, no_contact=True).feedback()).save(folder / "s")
            )
        for position, n in enumerate(sorted(options.accounts)):
            accounts, contacts = write_portfolio(folder, n)
            out = folder / "plan.parquet"
            asked = ["score", accounts, "--contacts", contacts, "--out", out, "--strategy", strategy or folder / "none"]
            options_told = ["--as-of", AS_OF.isoformat(), "--pack", "CO", "--chunk-rows", options.chunk_rows]
            command = [sys.executable, "-m", "pipelines", *map(str, asked), *map(str, options_told)]
            cpu, wall, peak = measured(command)
            rows, size = pq.read_metadata(out).num_rows, out.stat().st_size / 1e6
            assert int(pq.read_table(out, columns=["row"]).column(0).to_numpy().max()) < n
            line = f"{n:>10,}{cpu:>10.1f}{cpu / n * 1e6:>12.0f}{wall:>9.0f}{peak:>10.2f}{rows:>12,}{size:>9.1f}"
            print(line, flush=True)
            if position == 0:
                peer, same = in_memory(accounts, contacts, strategy)
                assert same == rows, (same, rows)
                print(f"{'in memory':>10}{peer:>10.1f}{peer / n * 1e6:>12.0f}   (start of the process not counted)")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"this process, which wrote the portfolios: {own:.2f} GiB")


if __name__ == "__main__":
    main()
