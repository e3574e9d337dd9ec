"""The marks of a learner on every family of worlds: against plain LightGBM at two settings, its promise, its contrasts.

    .venv/bin/python benchmarks/families.py --rows 20000 --seeds 5 --families additive joint thresholds gates dials

One fit of this product a log, and one of LightGBM at its defaults and at 1,200 rounds of 31 leaves. Printed a log:
captured = (V(policy) - V(logger)) / (V(oracle) - V(logger)) of each on fresh accounts with known truth, the promise of
ours (mean prediction / mean truth - 1 on the best-scored action), and CPU seconds. Then a family: means with standard
errors over logs, how far ours is ahead of the better LightGBM (paired), and of P(A beats B) over the pairs of all logs
what ``contrasts.py`` prints: largest gap, share decided, share of those wrong, for lead / top / random pairs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
from contrasts import contrasted, figures
from decision_quality import TASKS
from other_worlds import WORLDS, scores_of
from quick import add_quick

from recommender.learning import RewardModel, TrainingSet
from recommender.simulation.captured import share_captured

FAMILIES = [*(name for name in TASKS if name not in {"5k", "money", "digits"}), *WORLDS]
_PEERS = ("trees-default", "trees-1200x31")


def world(name: str, rows: int, seed: int) -> tuple[TrainingSet, pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Log, fresh accounts, their truth, what may be known of it, and what a logger does."""
    if name in WORLDS:
        training, fresh, truth, logging = WORLDS[name](rows, seed)
        return training, fresh, truth, truth, logging
    task = TASKS[name](rows, seed)
    return task.training, task.test, task.truth, task.truth if task.ceiling is None else task.ceiling, task.logging


def measured(name: str, rows: int, seed: int, accounts: int) -> tuple[dict[str, float], dict[str, pd.DataFrame]]:
    """One log: figures by learner, and the pairs."""
    training, fresh, truth, known, logging = world(name, rows, seed)
    start = time.process_time()
    model = RewardModel().fit(training, n_jobs=1, random_state=seed)
    scores = model.expected_reward(fresh)
    best = np.take_along_axis(truth, scores.argmax(axis=1)[:, None], axis=1)
    found = {
        "ours": share_captured(scores, truth, logging),
        "ceiling": share_captured(known, truth, logging),
        "promise": scores.max(axis=1).mean() / best.mean() - 1,
        "cpu": time.process_time() - start,
    }
    found |= {peer: share_captured(scores_of(peer, training, fresh, seed), truth, logging) for peer in _PEERS}
    return found, contrasted(model, model.encoder.transform(fresh), known, seed, accounts)


def row_of(name: str, logs: pd.DataFrame, pairs: dict[str, pd.DataFrame]) -> str:
    """The row of a family."""
    error = logs.std() / np.sqrt(max(len(logs), 1))
    ahead = logs["ours"] - logs[list(_PEERS)].max(axis=1)
    cells = [f"{logs[c].mean():.3f} ± {error[c]:.3f}" for c in (*_PEERS, "ours")]
    cells.append(f"{ahead.mean():+.3f} ± {ahead.std() / np.sqrt(max(len(ahead), 1)):.3f}")
    cells.append(f"{logs['promise'].mean():+.0%} ± {error['promise']:.0%}")
    told = [figures(frame) for frame in pairs.values()]
    cells += [" / ".join(f"{100 * one[key]:.1f}" for one in told) for key in ("gap", "decided", "wrong")]
    return f"| {name} | {len(logs)} | " + " | ".join(cells) + f" | {logs['cpu'].mean():.0f} |"


def main() -> None:
    """Run the grid and print two tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=FAMILIES)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--accounts", type=int, default=1_000, help="fresh accounts whose pairs are judged")
    parser.add_argument("--keep", type=Path, help="folder for the pairs and figures of each log, as parquet")
    add_quick(parser, rows=1_500, families=["thresholds"], seeds=2, accounts=100)
    asked = parser.parse_args()
    told = []
    print("| family | seed | " + " | ".join(_PEERS) + " | ours | promise | CPU s |\n|---|---|---|---|---|---|---|")
    for name in asked.families:
        logs, pairs = [], {}
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            found, of_log = measured(name, asked.rows, seed, asked.accounts)
            logs.append(found)
            for kind, frame in of_log.items():
                pairs[kind] = pd.concat([pairs[kind], frame]) if kind in pairs else frame
                if asked.keep:
                    frame.assign(**found).to_parquet(asked.keep / f"{name}-{asked.rows}-{seed}-{kind}.parquet")
            cells = " | ".join(f"{found[c]:.3f}" for c in (*_PEERS, "ours"))
            print(f"| {name} | {seed} | {cells} | {found['promise']:+.0%} | {found['cpu']:.0f} |", flush=True)
        told.append(row_of(name, pd.DataFrame(logs), pairs))
    titles = [*_PEERS, "ours", "ahead of the better", "promise", "gap of P", "decided", "wrong of those", "CPU s"]
    print("\n| family | logs | " + " | ".join(titles) + " |\n" + "|---" * (len(titles) + 2) + "|")
    print("\n".join(told))


if __name__ == "__main__":
    main()
