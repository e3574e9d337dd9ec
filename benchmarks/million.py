"""The whole chain on a million contacts: simulate, ingest, train, score, each a process of its own, measured.

    python benchmarks/million.py            # a million contacts; needs about 2 GB of disk
    python benchmarks/million.py --quick    # twenty thousand, to see that it runs
    python benchmarks/million.py --contacts 5000000 --verbs simulate ingest    # memory of a very long log

The mark: ingest, train and score together within ten minutes of wall time and 6 GiB on two cores. Prints wall time, CPU
time and peak memory of every verb, with what each said of its result.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
TABLES = ("accounts", "decisions", "contacts", "outcomes", "payments")
VERBS = ("simulate", "ingest", "train", "score")
MARK_MINUTES, MARK_GIB = 10.0, 6.0


@dataclass
class Run:
    """One verb: its cost, and the last line it printed."""

    verb: str
    wall: float
    cpu: float
    peak_gib: float
    said: str


def measured(verb: str, arguments: list[str], *, threads: int) -> Run:
    """Run a verb to its end; stops with its message where it fails."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "COLUMNS": "200"}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines", verb, *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    told, _ = process.communicate()
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        sys.exit(f"{verb} failed:\n{told}")
    # The largest child so far: verbs run one after the other, so a smaller one hides behind a larger one before it.
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return Run(verb, wall, cpu, after.ru_maxrss / 2**20, lines[-1] if lines else "")


def in_own_process(verb: str, arguments: list[str], *, threads: int) -> Run:
    """:func:`measured` in a fresh process, so that the peak is that of this verb alone."""
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]); from benchmarks.million import measured; "
        "run = measured(sys.argv[2], json.loads(sys.argv[3]), threads=int(sys.argv[4])); print(json.dumps(vars(run)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), verb, json.dumps(arguments), str(threads)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr.strip() or done.stdout)
    return Run(**json.loads(done.stdout.splitlines()[-1]))


def arguments_of(verb: str, folder: Path, *, contacts: int, accounts: int, threads: int) -> list[str]:
    """Command line of each verb on the files of the verbs before it."""
    tables = folder / "tables"
    if verb == "simulate":
        return ["--out", str(folder), "--contacts", str(contacts), "--accounts", str(accounts), "--tables"]
    # A day after the last contact, or now: what the simulator wrote ends where it ends.
    last = pd.read_parquet(tables / "contacts.parquet", columns=["sent_at"])["sent_at"].max()
    as_of = (last + pd.Timedelta(days=1)).isoformat()
    if verb == "ingest":
        actions, log = str(tables / "actions.json"), str(folder / "raw.parquet")
        return [*_options(tables, TABLES), "--actions", actions, "--as-of", as_of, "--out", log]
    if verb == "train":
        return [str(folder / "raw.parquet"), "--out", str(folder / "model"), "--jobs", str(threads)]
    told = ["--strategy", str(folder / "model"), "--party", "debtor", "--as-of", as_of]
    return [
        str(tables / "accounts.parquet"),
        *_options(tables, TABLES[2:]),
        *told,
        "--out",
        str(folder / "plan.parquet"),
    ]


def _options(folder: Path, tables: tuple[str, ...]) -> list[str]:
    return [part for name in tables for part in (f"--{name}", str(folder / f"{name}.parquet"))]


def main() -> None:
    """Run the verbs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=200_000, help="Of the simulated portfolio.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="Keep the files here; default: a temporary folder.")
    parser.add_argument("--verbs", nargs="+", choices=VERBS, default=list(VERBS))
    parser.add_argument("--quick", action="store_true", help="Twenty thousand contacts.")
    asked = parser.parse_args()
    contacts, accounts = (20_000, 4_000) if asked.quick else (asked.contacts, asked.accounts)
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        runs = []
        for verb in asked.verbs:
            arguments = arguments_of(verb, folder, contacts=contacts, accounts=accounts, threads=asked.threads)
            runs.append(in_own_process(verb, arguments, threads=asked.threads))
            print(f"{verb}: {runs[-1].said}", file=sys.stderr, flush=True)
    print(f"{contacts:,} contacts, {asked.threads} threads, {os.cpu_count()} cores")
    print(f"{'verb':<12}{'wall s':>10}{'CPU s':>10}{'peak GiB':>10}")
    for run in runs:
        print(f"{run.verb:<12}{run.wall:>10.1f}{run.cpu:>10.1f}{run.peak_gib:>10.2f}")
    chain = [run for run in runs if run.verb != "simulate"]
    if chain:
        wall, cpu = sum(run.wall for run in chain), sum(run.cpu for run in chain)
        peak = max(run.peak_gib for run in chain)
        print(f"{'chain':<12}{wall:>10.1f}{cpu:>10.1f}{peak:>10.2f}   (without simulate)")
        within = wall <= 60 * MARK_MINUTES and peak <= MARK_GIB
        print(f"mark: {MARK_MINUTES:g} minutes and {MARK_GIB:g} GiB: {'met' if within else 'missed'}")


if __name__ == "__main__":
    main()
