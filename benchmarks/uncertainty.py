"""How often the intervals of a recommendation hold the true expected reward.

    .venv/bin/python benchmarks/uncertainty.py --rows 20000 --seeds 3

The truth is the expected reward given everything observable (the exact posterior over hidden personas, or the oracle
where nothing is hidden): what `lo` and `hi` of a recommendation are intervals of, at 95 %. Printed for the recommended
action of each fresh account, for random actions, and for random actions by the support flag: share of truths inside,
below `lo` and above `hi`, the median width over the truth, and the factor by which intervals would have to be wider to
hold 95 %.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from confounding import WORLDS, make_task
from decision_quality import TASKS, Task
from quick import add_quick

from recommender.learning.reward import RewardModel

_FEW = 5
NAMES = [*TASKS, *(f"confounding: {name}" for name in WORLDS if name != "unobserved")]


def task_of(name: str, rows: int, seed: int) -> Task:
    if name in TASKS:
        return TASKS[name](rows, seed)
    return make_task(WORLDS[name.partition(": ")[2]], rows, seed)[0]


def cover(truth: np.ndarray, low: np.ndarray, high: np.ndarray, middle: np.ndarray) -> dict[str, float]:
    side = np.where(truth > middle, np.maximum(high - middle, 1e-12), np.maximum(middle - low, 1e-12))
    return {
        "inside": float(((low <= truth) & (truth <= high)).mean()),
        "below": float((truth < low).mean()),
        "above": float((truth > high).mean()),
        "width": float(np.median((high - low) / np.maximum(truth, 1e-12))),
        "widen by": float(np.quantile(np.abs(truth - middle) / side, 0.95)),
    }


def measure(task: Task, seed: int, jobs: int) -> list[dict[str, object]]:
    model = RewardModel().fit(task.training, n_jobs=jobs, random_state=seed)
    truth = task.truth if task.ceiling is None else task.ceiling
    expected, tries = model.expected_reward(task.test), model.evidence(task.test)
    rows = np.arange(len(truth))
    chosen = {
        "recommended": expected.argmax(axis=1),
        "random": np.random.default_rng(seed).integers(0, truth.shape[1], len(truth)),
    }
    told: list[dict[str, object]] = []
    for kind, action in chosen.items():
        low, high = (end[:, 0] for end in model.expected_reward_interval(task.test, action[:, None]))
        parts = {kind: np.ones(len(truth), dtype=bool)}
        if kind == "random":
            supported = tries[rows, action] >= _FEW
            parts |= {"random, supported": supported, "random, unsupported": ~supported}
        for name, part in parts.items():
            if part.sum() >= 50:
                held = (truth[rows, action], low, high, expected[rows, action])
                told.append({"actions": name, **cover(*(values[part] for values in held))})
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=NAMES, default=["additive", "joint", "confounding: strong"])
    parser.add_argument("--jobs", type=int, default=1)
    add_quick(parser, rows=1_500, seeds=1, tasks=["additive"])
    told = parser.parse_args()
    columns = ["inside", "below", "above", "width", "widen by"]
    print(f"{told.rows:,} rows, {told.seeds} seeds, mean; nominal 95 %")
    print("| task | actions | inside | below lo | above hi | median width / truth | widen by |")
    print("|---|---|---|---|---|---|---|")
    for name in told.tasks:
        found: list[dict[str, object]] = []
        for seed in range(told.seeds):
            found += measure(task_of(name, told.rows, seed), seed, told.jobs)
        for kind, part in pd.DataFrame(found).groupby("actions", sort=False):
            mean = part[columns].mean()
            shares = " | ".join(f"{mean[c]:.1%}" for c in columns[:3])
            print(f"| {name} | {kind} | {shares} | {mean['width']:.2f} | {mean['widen by']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
