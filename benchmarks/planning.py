"""Planning under limited capacity: value, proven gap, CPU and memory beside greedy and HiGHS.

    python benchmarks/planning.py [--accounts 5000 100000 1000000] [--stream 10000000] [--quick]

Values are drawn: 260 actions (5 channels x 12 hours x 4 tones and 20 more), 60 capacity slots, 15 % of pairs denied.
Greedy goes through the accounts by the value of their best action and gives each the best that is still open. HiGHS
solves the linear relaxation with every action that can matter, up to 5,000 accounts, and so is a bound too. Each size
is a process of its own. Drawing the values is not counted.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numba
import numpy as np
import scipy.sparse as sp

from recommender.planning.capacity_exact import solve_rows
from recommender.planning.capacity_plan import solve_capacity, uses_of
from recommender.planning.capacity_prices import collect
from recommender.planning.capacity_problem import ArrayValues, CapacityRows, FileValues, PlanProblem
from recommender.planning.certificate import certify, verify

CHANNELS, HOURS, TONES, MORE = 5, 12, 4, 20
SLOTS = CHANNELS * HOURS
ACTIONS = SLOTS * TONES + MORE
SHARES = {"loose": 2.0, "medium": 0.6, "tight": 0.05}
COSTS = np.array([2.0, 0.1, 0.2, 0.02, 0.3], dtype=np.float32)


def draw_values(n: int, seed: int) -> np.ndarray:
    """Values of n accounts: their worth times factors of channel, hour and tone, less the cost."""
    rng = np.random.default_rng(seed)
    worth = rng.gamma(2.0, 1.0, (n, 1)).astype(np.float32)
    channel, hour, tone = (rng.normal(0, s, (n, k)).astype(np.float32) for s, k in ((0.5, 5), (0.4, 12), (0.3, 4)))
    values = np.empty((n, ACTIONS), dtype=np.float32)
    grid = channel[:, :, None, None] + hour[:, None, :, None] + tone[:, None, None, :]
    values[:, : SLOTS * TONES] = worth * np.exp(grid.reshape(n, -1)) - COSTS.repeat(HOURS * TONES)
    values[:, SLOTS * TONES :] = worth * np.exp(rng.normal(0, 0.5, (n, MORE))) - 1.0
    values[rng.random((n, ACTIONS), dtype=np.float32) < 0.15] = -np.inf
    return values


def capacity(n: int, share: float) -> CapacityRows:
    """Calls take 6 of an hour's minutes, a message 1 of its quota."""
    use = np.zeros((1, ACTIONS, SLOTS))
    slot = np.append(np.arange(SLOTS * TONES) // TONES, np.arange(MORE))
    use[0, np.arange(ACTIONS), slot] = np.where((slot < HOURS) & (np.arange(ACTIONS) < SLOTS * TONES), 6.0, 1.0)
    limit = share * n / SLOTS * np.random.default_rng(1).uniform(0.5, 1.5, SLOTS)
    limit[:HOURS] *= 3
    names = tuple(f"channel {s // HOURS} {s % HOURS:02d}h" for s in range(SLOTS))
    return CapacityRows(names, use, np.floor(limit))


@numba.njit(cache=True)
def greedy(order, values, use, limit):
    """Best first: each account the best action that still fits."""
    left, total = limit.copy(), 0.0
    for i in order:
        top, to = 0.0, -1
        for a in range(values.shape[1]):
            if values[i, a] > top and (use[a] <= left).all():
                top, to = values[i, a], a
        if to >= 0:
            left -= use[to]
            total += top
    return total


def linear_bound(problem: PlanProblem) -> float:
    """Value of the linear relaxation by HiGHS."""
    candidates = collect(problem, np.zeros(SLOTS), 1 << 14)
    at, rank = np.nonzero(np.isfinite(candidates.value))
    code = candidates.action[at, rank].astype(np.int64)
    rows = sp.vstack(
        [sp.csr_matrix(problem.rows.use[0][code].T), sp.csr_matrix((np.ones(len(at)), (at, np.arange(len(at)))))]
    )
    worth = candidates.value[at, rank].astype(np.float64)
    answer = solve_rows(worth, rows.tocsr(), np.append(problem.rows.limit, np.ones(len(candidates.account))))
    return float(worth @ answer)


def one_size(n: int, streamed: bool) -> None:
    """Print one line a tightness."""
    solve_capacity(PlanProblem(ArrayValues(draw_values(300, 0)), capacity(300, 0.5), np.arange(300),
                               np.zeros(300, dtype=np.int64), np.full(ACTIONS, -1)))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        parts = [(first, min(50_000, n - first)) for first in range(0, n, 50_000)]
        if streamed:
            path = Path(folder) / "values.f32"
            with path.open("wb") as file:
                for first, size in parts:
                    draw_values(size, first).tofile(file)
            source = FileValues(path, ACTIONS)
        else:
            values = np.empty((n, ACTIONS), dtype=np.float32)
            for first, size in parts:
                values[first : first + size] = draw_values(size, first)
            source = ArrayValues(values)
        for name, share in SHARES.items():
            if streamed and name == "medium":
                continue
            problem = PlanProblem(
                source, capacity(n, share), np.arange(n), np.zeros(n, dtype=np.int64), np.full(ACTIONS, -1)
            )
            began = time.process_time()
            plan = solve_capacity(problem)
            cpu = time.process_time() - began
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            certificate = certify(problem, plan)
            began = time.process_time()
            faults = verify(problem, certificate, plan.account, plan.action, plan.value)
            checked = time.process_time() - began
            assert not faults, faults
            assert (uses_of(problem, plan.account, plan.action) <= problem.rows.limit + 1e-6).all()
            beside = ""
            if not streamed:
                began = time.process_time()
                order = np.argsort(-source.values.max(axis=1), kind="stable")
                first = greedy(order, source.values, problem.rows.use[0], problem.rows.limit)
                beside = f"{100 * first / plan.bound:9.3f} % ({time.process_time() - began:6.1f} s)"
            if not streamed and n <= 5_000:
                began = time.process_time()
                best = linear_bound(problem)
                beside += f"{100 * best / plan.bound:12.4f} % ({time.process_time() - began:6.1f} s)"
            print(
                f"{n:>10,} {name:>7} {len(plan.account):>10,} {100 * plan.total / plan.bound:12.4f} % ({cpu:6.1f} s)"
                f" {100 * plan.gap:9.4f} % {peak:6.2f} {checked:8.1f} s {beside}",
                flush=True,
            )


def main() -> None:
    """Run each size in a process of its own."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--accounts", type=int, nargs="*", default=[5_000, 100_000, 1_000_000])
    parser.add_argument("--stream", type=int, nargs="*", default=[])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--streamed", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        one_size(given.one, given.streamed)
        return
    print("value as a part of the proven bound (CPU seconds); peak of the process in GiB, values included")
    print(
        f"{'accounts':>10} {'limits':>7} {'contacts':>10} {'plan':>14} {'':9} {'proven gap':>11} {'GiB':>6}"
        f" {'verify':>10} {'greedy':>11} {'':9} {'HiGHS, relaxed':>14}",
        flush=True,
    )
    for n in [2_000] if given.quick else given.accounts:
        subprocess.run([sys.executable, __file__, "--one", str(n)], check=True)
    for n in given.stream:
        subprocess.run([sys.executable, __file__, "--one", str(n), "--streamed"], check=True)


if __name__ == "__main__":
    main()
