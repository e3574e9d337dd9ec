"""Explanations: CPU time and exactness, side by side with shap's TreeExplainer on the same trees.

    .venv/bin/python benchmarks/explanation.py --rows 6000
    .venv/bin/python benchmarks/explanation.py --strategy path/to/strategy

The tree member is replaced by one ensemble of ``--trees`` x ``--leaves`` to measure at the size the marks name.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightgbm as lgb
import numpy as np
import shap
from quick import add_quick

from recommender import ContactStrategy, explain, simulation
from recommender.explanation import distil, factor_contrast
from recommender.explanation.served import ServedModel
from recommender.learning.trees.action_trees import ActionTrees
from recommender.learning.trees.tree_columns import factor_levels


def cpu_ms(call: Callable[[], Any], repeats: int) -> float:
    """Median CPU milliseconds of a call."""
    call()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return 1e3 * float(np.median(taken))


def with_large_trees(strategy: ContactStrategy, log: Any, trees: int, leaves: int) -> None:
    """Put one ensemble of the wanted size in the place of the tree members."""
    served = ServedModel(strategy)
    ensemble = served.parts["event"]
    X = served.encode(served.log_context(log))
    levels = np.stack([values for _, values, _ in factor_levels(log.actions)], axis=1)
    settings = {"objective": "binary", "num_leaves": leaves, "min_data_in_leaf": 5, "learning_rate": 0.01}
    data = lgb.Dataset(np.column_stack([X, levels[log.action]]), log.reward)
    booster = lgb.train({**settings, "verbosity": -1, "num_threads": 1}, data, num_boost_round=trees)
    ensemble.trees = {"trees": ActionTrees([booster], log.actions)}
    ensemble.with_time = False


def main() -> None:
    """Train or load, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=6_000)
    parser.add_argument("--strategy")
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--leaves", type=int, default=63)
    parser.add_argument("--portfolio", type=int, default=100_000)
    parser.add_argument("--sample", type=int, default=1_000)
    add_quick(parser, rows=1_500, trees=20, leaves=15, portfolio=2_000, sample=20)
    given = parser.parse_args()
    world = simulation.simulate(given.rows, seed=1, no_contact=True)
    log = world.feedback()
    if given.strategy:
        strategy = ContactStrategy.load(given.strategy)
    else:
        strategy = ContactStrategy(n_jobs=1, random_state=0).fit(log)
    with_large_trees(strategy, log, given.trees, given.leaves)
    ensemble = ServedModel(strategy).parts["event"]
    weights = {name: round(weight, 3) for name, weight in ensemble.weights.items() if weight}
    print(f"{len(strategy.actions_)} actions; weights {weights}; {ensemble.calibration}")
    one = world.contacts.tail(1)
    explanation = explain(strategy, one)
    a, b = (int(action) for action in explanation.action[0, :2])
    distinct = int(np.argmax((strategy.actions_.codes != strategy.actions_.codes[a]).sum(axis=1)))
    trees = ensemble.trees["trees"]
    levels = np.stack([values for _, values, _ in factor_levels(log.actions)], axis=1)
    peer = shap.TreeExplainer(trees.boosters[0])
    top = np.column_stack([np.repeat(explanation.X, 3, axis=0), levels[explanation.action[0]]])
    every = np.column_stack([np.repeat(explanation.X, len(levels), axis=0), levels])

    rows = [
        ("factor contrast, all factors differ (mark 1)", cpu_ms(
            lambda: factor_contrast(explanation.rewards[0], strategy.actions_, a, distinct), 200)),
        ("explain one account's top 3 (mark 60)", cpu_ms(lambda: explain(strategy, one), 9)),
        ("  its trees alone, 3 actions and the mean over all", cpu_ms(
            lambda: trees.shapley_values(explanation.X, explanation.action, ensemble.share), 15)),
        ("  shap.TreeExplainer, trees alone, 3 rows", cpu_ms(lambda: peer.shap_values(top), 9)),
        ("  shap.TreeExplainer, trees alone, every action", cpu_ms(lambda: peer.shap_values(every), 3)),
        ("contrast of two actions by concept", cpu_ms(lambda: explanation.contrast(a, b, row=0), 9)),
        ("reason sentences", cpu_ms(lambda: explanation.reasons(0, "es"), 9)),
        ("what would make b win, 300 reference accounts", cpu_ms(
            lambda: explanation.contrast(a, b, row=0).what_would_make_b_win(world.contacts.head(300)), 3)),
        ("summary tree of 2,000 accounts", cpu_ms(lambda: distil(strategy, world.contacts.head(2_000)), 1)),
    ]  # fmt: skip
    print(f"\n{'':54s} CPU ms   ({given.trees} trees x {given.leaves} leaves)")
    for name, taken in rows:
        print(f"{name:54s} {taken:9.2f}")

    accounts = world.contacts.sample(given.portfolio, replace=True, random_state=0)
    start = time.process_time()
    sampled = explain(strategy, accounts, top_k=1, sample=given.sample)
    table = sampled.global_frame().query("level == 'group'")
    relative = (table["standard_error"] / table["mean_abs_contribution"]).head(5)
    print(
        f"\nglobal view of {given.portfolio:,} accounts by {given.sample:,}: {time.process_time() - start:.1f} CPU s, "
    )
    print(f"relative standard error of the five largest concepts {relative.min():.1%} to {relative.max():.1%}")

    pairs = np.random.default_rng(0).integers(0, len(strategy.actions_), (1_000, 10))
    many = explain(strategy, world.contacts.tail(1_000), actions=pairs)
    part = many.parts["event"]
    margins = np.take_along_axis(many.margins["event"], pairs, axis=1)
    sums = part.baseline + part.contributions.sum(axis=2)
    print(f"largest |sum - served margin| of {margins.size:,} pairs {np.abs(sums - margins).max():.1e}")
    print(f"of which not explained by any member's split, at most {part.error.max():.1e}")
    values, _, start = trees.shapley_values(many.X[:200], pairs[:200])
    design = np.column_stack([np.repeat(many.X[:200], 10, axis=0), levels[pairs[:200].ravel()]])
    other = trees.boosters[0].predict(design, pred_contrib=True, num_threads=1)
    apart = np.abs(values.reshape(2_000, -1) - other[:, :-1]).max()
    print(f"largest difference to LightGBM's pred_contrib {apart:.1e}")


if __name__ == "__main__":
    main()
