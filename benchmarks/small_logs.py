"""Never below the best simple rule: many small logs, our learner against rules that a spreadsheet could follow.

    .venv/bin/python benchmarks/small_logs.py --rows 3000 --seeds 20

The rules: one action for everybody (rates shrunken to the mean), the best level of each factor by segment, and the
written advice of the trade where it applies. "chosen rule" is the one of them that a careful analyst would take: the
best self-normalised inverse-propensity value over five folds (on hidden propensities the rule of one action).
Captured against the oracle, paired by seed; a line a log as it is done, then means with the standard error of the
paired difference.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
import small_worlds
from decision_quality import LEARNERS, Task, _small, measure
from quick import add_quick

RULES = ("constant", "segment", "seed-rules")
WORLDS = {
    "additive": lambda n, s: small_worlds.additive(n, s, m=1_500),
    "additive, weak overlap, hidden": lambda n, s: small_worlds.additive(n, s, overlap="weak", known=False, m=1_500),
    "waves": lambda n, s: small_worlds.waves(n, s, m=1_500),
    "waves, rare": lambda n, s: small_worlds.waves(n, s, m=1_500, level=-5.5),
}


def chosen_rule(task: Task, seed: int) -> str:
    """Name of the rule with the best cross-validated value on the log."""
    T = task.training
    if T.propensity is None:
        return "constant"
    fold = np.random.default_rng(seed).permutation(len(T)) % 5
    values = dict.fromkeys(RULES, 0.0)
    for k in range(5):
        out = np.flatnonzero(fold == k)
        inside = replace(task, training=T.take(np.flatnonzero(fold != k)), test=T.context.iloc[out])
        for name in RULES:
            scores = LEARNERS[name](inside, seed, 1)
            if scores is None:
                values[name] = -np.inf
                continue
            # spread over a rule's ten best actions: one action alone is hardly ever the logged one
            best = np.argpartition(-scores, 10, axis=1)[:, :10]
            weight = (best == T.action[out, None]).any(axis=1) / T.propensity[out]
            values[name] += float(weight @ T.reward[out] / max(weight.sum(), 1e-12))
    return max(values, key=lambda name: values[name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--worlds", nargs="+", choices=list(WORLDS), default=list(WORLDS))
    add_quick(parser, rows=800, seeds=1, worlds=list(WORLDS)[:1])
    arguments = parser.parse_args()
    found = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        for name in arguments.worlds:
            task = _small(WORLDS[name](arguments.rows, seed))
            row: dict[str, object] = {"world": name, "seed": seed, "rewards": int(task.training.reward.sum())}
            for learner in ("ours", *RULES):
                scores = LEARNERS[learner](task, seed, 1)
                if scores is not None:
                    row[learner] = round(measure(task, scores, absolute=False)["captured"], 3)
            row["chosen rule"] = row[chosen_rule(task, seed)]
            found.append(row)
            print(row, flush=True)
    table = pd.DataFrame(found)
    columns = [c for c in ("ours", "chosen rule", *RULES) if c in table]
    print("\n| world | logs | " + " | ".join(columns) + " | ours - chosen rule |")
    print("|---" * (len(columns) + 3) + "|")
    for name, part in table.groupby("world", sort=False):
        gain = part["ours"] - part["chosen rule"]
        error = gain.std() / np.sqrt(len(gain)) if len(gain) > 1 else float("nan")
        cells = " | ".join(f"{part[c].mean():.3f}" for c in columns)
        print(f"| {name} | {len(part)} | {cells} | {gain.mean():+.3f} ± {error:.3f} |")


if __name__ == "__main__":
    main()
