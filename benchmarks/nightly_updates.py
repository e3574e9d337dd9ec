"""Nights between two fits: what updates cost and lose against a fit on everything, on simulated truth.

    .venv/bin/python benchmarks/nightly_updates.py --rows 20000 --nights 30 --night-rows 600 --seeds 2
    .venv/bin/python benchmarks/nightly_updates.py --tasks drift --quick

The first ``--rows`` contacts teach a base; each night adds ``--night-rows``. Judged on fresh accounts with known truth
as in ``decision_quality.py``: share of the Bayes ceiling of the base left alone, of the updated model, and of a model
fitted on all rows after the last night; CPU seconds of that fit and of an update (mean a night, rows read included).
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from decision_quality import TASKS, Task
from quick import add_quick

from recommender.learning.reward import RewardModel


def share_of_ceiling(task: Task, scores: np.ndarray) -> float:
    """What the best action by these scores earns beyond the log, as a share of the ceiling's gain."""
    rows = np.arange(len(task.truth))
    logged = (task.logging * task.truth).sum(axis=1).mean()
    best = task.truth.max(axis=1) if task.ceiling is None else task.truth[rows, task.ceiling.argmax(axis=1)]
    return float((task.truth[rows, scores.argmax(axis=1)].mean() - logged) / (best.mean() - logged))


def run(name: str, base: int, nights: int, night: int, seed: int) -> tuple[float, float, float, float, float]:
    """Shares of the base, the updated and the refitted model; CPU of the refit and of an update."""
    task = TASKS[name](base + nights * night, seed)
    order = np.arange(len(task.training))
    model = RewardModel().fit(task.training.take(order[:base]), random_state=seed)
    alone = share_of_ceiling(task, model.expected_reward(task.test))
    start = time.process_time()
    for one in range(nights):
        model, _ = model.continued(task.training.take(order[base + one * night :][:night]))
    update = (time.process_time() - start) / nights
    start = time.process_time()
    whole = RewardModel().fit(task.training, random_state=seed)
    refit = time.process_time() - start
    shares = (share_of_ceiling(task, one.expected_reward(task.test)) for one in (model, whole))
    return (alone, *shares, refit, update)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--nights", type=int, default=30)
    parser.add_argument("--night-rows", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=["additive", "drift"])
    add_quick(parser, rows=1500, nights=3, night_rows=100, seeds=1, tasks=["additive"])
    args = parser.parse_args()
    print("| task | base alone | updated | fitted on all | CPU s of a fit | of an update | 1 / |")
    print("|---|---|---|---|---|---|---|")
    for name in args.tasks:
        seen = np.array([run(name, args.rows, args.nights, args.night_rows, s) for s in range(args.seeds)])
        mean, spread = seen.mean(axis=0), seen.std(axis=0)
        shares = " | ".join(f"{m:.3f} ± {s:.3f}" for m, s in zip(mean[:3], spread[:3], strict=True))
        print(f"| {name} | {shares} | {mean[3]:.1f} | {mean[4]:.2f} | {mean[3] / mean[4]:.0f} |", flush=True)


if __name__ == "__main__":
    main()
