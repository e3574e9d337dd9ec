"""What every member and device of the stack earns: each left out in turn, on the same logs and the same fits.

    .venv/bin/python benchmarks/ablation.py --rows 20000 --seeds 3

Members are fitted once a log; leaving one out weighs, shrinks and calibrates the others again on the rows that they
never saw. Devices: weights of the order, shrinking towards the scorecard, choice by value, calibration (which changes
promises, not the order of an even level). Printed: captured of (oracle - logger) on fresh accounts, all in; then the
paired difference without each, mean and standard error over logs (worlds x seeds), its worst world, and CPU seconds of
the member's fits. A negative difference is what it earns.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import ExitStack
from unittest.mock import patch

import numpy as np
import pandas as pd
from decision_quality import TASKS, Task
from other_worlds import WORLDS
from quick import add_quick

from recommender.learning import ensemble, stacking, weighing
from recommender.learning.fit_rows import FitRows
from recommender.learning.member_fits import MemberFits
from recommender.learning.member_jobs import held_out_scores
from recommender.learning.reward import RewardModel

_PANEL = 20_000  # rows on which every action is scored
_FAMILIES = {
    "all firm": ("firm", "firmer", "firm factors"),
    "all flat": ("constant", "scorecard"),
    "all trees": ("trees", "grown"),
    "profiles and classes": ("profiles", "classes"),
}
_DEVICES = {
    "weights of the order": ("order_weights", lambda *told: (told[-1], 0.0)),
    "towards the scorecard": ("share_earned", lambda *_: (1.0, 1.0)),
    "choice by value": ("_by_value", lambda *_: None),
}


def task_of(world: str, rows: int, seed: int) -> Task:
    """Worlds of decision_quality.py and of other_worlds.py."""
    if world in TASKS:
        return TASKS[world](rows, seed)
    return Task(*WORLDS[world](rows, seed), None)


def fitted(task: Task, seed: int) -> tuple[RewardModel, FitRows, MemberFits]:
    """Model of binary rewards, and what its event part was weighed on."""
    kept: list[tuple[FitRows, MemberFits]] = []

    def kept_first(rows: FitRows, fits: MemberFits, *others: object) -> weighing.StackChoice:
        kept.append((rows, fits))
        return weighing.weigh_members(rows, fits, *others)  # type: ignore[arg-type]

    with patch.object(ensemble, "weigh_members", kept_first):
        model = RewardModel().fit(task.training, n_jobs=1, random_state=seed)
    return model, *kept[0]


def served_scores(model: RewardModel, rows: FitRows, fits: MemberFits, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """Every member's scores of fresh accounts, as it is served where it counts."""
    part, X = model.parts["event"], model.encoder.transform(test)
    trees = fits.served_trees(rows, dict.fromkeys(fits.tree_plans, 1.0), 1)
    scores = {name: one.raw_scores(part.tree_columns(X)) for name, one in trees.items()}
    scores |= {name: one.scores(part.designs["linear"].transform(X)) for name, one in fits.facets.items()}
    return scores | {name: one.scores(part.designs[d].transform(X)) for name, (d, one) in fits.regressions.items()}


def captured(task: Task, scores: np.ndarray) -> float:
    """Share of (oracle - logger) that the best-scored action earns."""
    base, oracle = (task.truth * task.logging).sum(axis=1).mean(), task.truth.max(axis=1).mean()
    return float((task.truth[np.arange(len(scores)), scores.argmax(axis=1)].mean() - base) / (oracle - base))


def ablated(task: Task, seed: int) -> Iterator[tuple[str, float]]:
    """What is left out, and what is captured without it; the first is everything in."""
    model, rows, fits = fitted(task, seed)
    names = list(fits.by_fold[0])
    share = model.parts["event"].share
    at = np.sort(np.random.default_rng(seed).permutation(len(rows.task))[:_PANEL])
    logged, scores = held_out_scores(rows, fits.by_fold, fits.folds, at, fits.design_of, 1)
    served = served_scores(model, rows, fits, task.test)

    def without(*gone: str) -> float:
        kept = [j for j, name in enumerate(names) if name not in gone]
        choice = weighing.choose_stack(
            rows, [names[j] for j in kept], logged[:, kept], at, [scores[j] for j in kept], share
        )
        return captured(task, sum(weight * served[name] for name, weight in choice.weights.items()))

    yield "nothing", without()
    for name in names:
        yield name, without(name)
    for family, members in _FAMILIES.items():
        yield family, without(*members)
    for device, (function, off) in _DEVICES.items():
        with ExitStack() as stack:
            stack.enter_context(patch.object(weighing, function, off))
            yield device, without()
    equal = np.full(len(names), 1.0 / len(names))
    yield "weights (plain mean)", captured(task, sum(w * served[name] for w, name in zip(equal, names, strict=True)))
    best = int(np.argmin(stacking.member_losses(logged, rows.task.target, "binomial")))
    yield "all but the best by log-loss", captured(task, served[names[best]])


def main() -> None:
    """Run the grid and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument(
        "--worlds",
        nargs="+",
        default=["additive", "weak overlap, hidden", "5k", "drift", "joint", "small additive", "waves", *WORLDS],
    )
    add_quick(parser, rows=1_500, seeds=1, worlds=["tables"])
    asked = parser.parse_args()
    found: list[dict[str, object]] = []
    for world in asked.worlds:
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            start = time.process_time()
            of_log = dict(ablated(task_of(world, asked.rows, seed), seed))
            base = of_log.pop("nothing")
            found += [{"world": world, "seed": seed, "without": k, "difference": v - base} for k, v in of_log.items()]
            told = " ".join(f"{name} {value - base:+.3f}," for name, value in of_log.items())
            print(f"{world} {seed}: all in {base:.3f}; without {told} {time.process_time() - start:.0f} s", flush=True)
    table = pd.DataFrame(found)
    print("\n| without | difference | standard error | worst world | there |\n|---|---|---|---|---|")
    for name, rows in table.groupby("without", sort=False):
        worlds = rows.groupby("world")["difference"].mean()
        error = rows["difference"].std() / np.sqrt(len(rows)) if len(rows) > 1 else np.nan
        print(f"| {name} | {rows['difference'].mean():+.4f} | {error:.4f} | {worlds.idxmin()} | {worlds.min():+.3f} |")


if __name__ == "__main__":
    main()
