"""Does tuning earn anything? Default against tuned settings, by the study's own table and by the truth.

    .venv/bin/python benchmarks/tuning.py --tasks "small joint" digits --rows 4000 --trials 10

The study sees the log only. Its last word (newest fifth, doubly robust, paired) is printed beside what both policies
earn on fresh accounts whose truth is known: captured = (V(policy) - V(logging)) / (V(oracle) - V(logging)).
"""

from __future__ import annotations

import argparse
import os
import time

import numpy as np
import optuna
import pandas as pd
from decision_quality import TASKS, measure
from quick import add_quick

from recommender.learning.reward import RewardModel
from recommender.learning.trees.tree_search import tree_settings
from recommender.proof.tuning import tune


def cpu_seconds() -> float:
    return time.process_time() + sum(os.times()[2:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=["small joint", "digits"])
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    add_quick(parser, tasks=["digits"], rows=1_500, trials=2)
    told = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rows = []
    for name in told.tasks:
        for seed in range(told.seeds):
            task = TASKS[name](told.rows, seed)
            start = cpu_seconds()
            result = tune(task.training, n_trials=told.trials, n_jobs=told.jobs, random_state=seed)
            spent = cpu_seconds() - start
            captured = {}
            for kind, found in (("default", None), ("tuned", result.best)):
                if kind == "tuned" and found is None:
                    captured[kind] = captured["default"]
                    continue
                settings = None if found is None else tree_settings(found, len(task.training))
                model = RewardModel().fit(task.training, n_jobs=told.jobs, random_state=seed, tree_settings=settings)
                captured[kind] = measure(task, model.expected_reward(task.test), absolute=False)["captured"]
            gain = result.table.loc["gain of tuned"] if "gain of tuned" in result.table.index else None
            rows.append(
                {
                    "task": name,
                    "seed": seed,
                    "trials (pruned)": f"{result.n_finished} ({result.n_pruned})",
                    "objective": f"{result.objective:+.4f}",
                    "gain of value on the newest": ""
                    if gain is None
                    else f"{gain['value']:+.4f} [{gain['value_low']:+.4f}, {gain['value_high']:+.4f}]",
                    "gain of loss": "" if gain is None else f"{gain['loss']:+.4f}",
                    "used": "defaults" if result.settings is None else "tuned",
                    "captured by default": f"{captured['default']:.3f}",
                    "by best trial": f"{captured['tuned']:.3f}",
                    "used one": f"{captured['default' if result.settings is None else 'tuned']:.3f}",
                    "CPU s": f"{spent:.0f}",
                }
            )
            table = pd.DataFrame(rows[-1:])
            if len(rows) == 1:
                print("| " + " | ".join(table.columns) + " |\n" + "|---" * len(table.columns) + "|")
            print("| " + " | ".join(np.asarray(table.iloc[0], dtype=str)) + " |", flush=True)


if __name__ == "__main__":
    main()
