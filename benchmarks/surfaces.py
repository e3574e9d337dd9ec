"""Worlds that are not additive, side by side: this product and plain LightGBM on the same logs.

    .venv/bin/python benchmarks/surfaces.py --rows 50000 --laws thresholds mixed --seeds 2 --members

captured = (V(policy) - V(logger)) / (V(oracle) - V(logger)) of the best-scored action on fresh accounts with known
truth; ``promise`` is mean prediction / mean truth - 1 on it. LightGBM sees context and action, at its default settings
and at 1,200 rounds of 31 leaves. CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import time

import lightgbm as lgb
import numpy as np
import pandas as pd
from quick import add_quick
from scipy.special import expit

from recommender import ContactStrategy
from recommender.actions import ActionSpace
from recommender.learning import ActionTrees, ContextEncoder, factor_levels
from recommender.simulation import SurfaceLog, simulate_surfaces

LONG = {
    "rounds": 1_200,
    "num_leaves": 31,
    "learning_rate": 0.03,
    "min_data_in_leaf": 50,
    "lambda_l2": 10.0,
    "feature_fraction": 0.9,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
}


def trees(
    context: pd.DataFrame,
    categorical: tuple[str, ...],
    actions: ActionSpace,
    action: np.ndarray,
    reward: np.ndarray,
    fresh: pd.DataFrame,
    **settings: object,
) -> np.ndarray:
    """LightGBM over encoded context and action: probabilities of every action of fresh accounts."""
    encoder = ContextEncoder.fit(context, categorical)
    described = factor_levels(actions)
    levels = np.stack([values for _, values, _ in described], axis=1)
    X = np.column_stack([encoder.transform(context), levels[action]])
    n_columns = X.shape[1] - len(described)
    coded = encoder.categorical_positions + [n_columns + i for i, (_, _, code) in enumerate(described) if code]
    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, **settings}
    rounds = int(str(parameters.pop("rounds", 100)))
    booster = lgb.train(parameters, lgb.Dataset(X, reward, categorical_feature=coded), num_boost_round=rounds)
    grown = ActionTrees([booster], actions)  # scored by the kernel: exact, and twenty times faster than rows
    return np.asarray(expit(grown.raw_scores(encoder.transform(fresh))))


def ours(log: SurfaceLog, *, members: bool, propensities: bool) -> tuple[dict[str, np.ndarray], object]:
    """The product as it stands, on request each member of its stack alone, and what its report says."""
    strategy = ContactStrategy(n_jobs=1, random_state=0).fit(log.feedback(propensities=propensities))
    found = {"ours": strategy.expected_reward(log.accounts)}
    model = strategy.reward_model_
    part = model.parts["event"]
    report = {name: round(weight, 2) for name, weight in part.weights.items()} | {
        "chosen": part.report.chosen,
        "gains": {name: tuple(round(x, 4) for x in gain) for name, gain in part.report.gains.items()},
    }
    if members:
        X = model.encoder.transform(log.accounts[log.context])
        alone = {name: m.scores(part.designs[design].transform(X)) for name, (design, m) in part.glms.items()}
        alone |= {name: m.scores(part.designs["linear"].transform(X)) for name, m in part.facets.items()}
        alone |= {name: m.raw_scores(part.tree_columns(X)) for name, m in part.trees.items()}
        found |= {f"ours: {name}": expit(eta) for name, eta in alone.items()}
    return found, report


def constant(log: SurfaceLog) -> np.ndarray:
    """Mean reward of each action, shrunken."""
    action = log.actions.index_of(log.contacts)
    tried = np.bincount(action, minlength=len(log.actions))
    won = np.bincount(action, log.contacts["reward"], minlength=len(log.actions))
    return np.tile((won + 20 * log.contacts["reward"].mean()) / (tried + 20), (len(log.accounts), 1))


def main() -> None:
    """Run the grid and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--laws", nargs="+", default=["thresholds", "products", "rhythms", "gates", "mixed"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--learners", nargs="+", default=["constant", "trees-default", "trees-1200x31", "ours"])
    parser.add_argument("--members", action="store_true", help="also each member of our stack alone")
    parser.add_argument("--hidden", action="store_true", help="without logged propensities")
    add_quick(parser, rows=1_500, laws=["mixed"], seeds=1)
    asked = parser.parse_args()
    rows = []
    for law in asked.laws:
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            log = simulate_surfaces(asked.rows, law=law, seed=seed)
            for learner in asked.learners:
                start, report = time.process_time(), None
                if learner == "ours":
                    found, report = ours(log, members=asked.members, propensities=not asked.hidden)
                elif learner == "constant":
                    found = {learner: constant(log)}
                else:
                    found = {
                        learner: trees(
                            log.contacts[log.context],
                            tuple(log.categorical),
                            log.actions,
                            log.actions.index_of(log.contacts),
                            log.contacts["reward"],
                            log.accounts[log.context],
                            **(LONG if learner == "trees-1200x31" else {}),
                        )
                    }
                spent = time.process_time() - start
                for name, scores in found.items():
                    best = scores.argmax(axis=1)
                    promise = scores.max(axis=1).mean() / log.truth[np.arange(len(best)), best].mean() - 1
                    rows.append((law, name, seed, log.captured(scores), promise, spent))
                    print(law, seed, f"{name:18s} {rows[-1][3]:.3f} {promise:+.3f} {spent:.0f} s", flush=True)
                if report is not None:
                    print(report, flush=True)
    table = pd.DataFrame(rows, columns=["law", "learner", "seed", "captured", "promise", "cpu"])
    print(table.groupby(["law", "learner"], sort=False)[["captured", "promise", "cpu"]].agg(["mean", "std"]).round(3))


if __name__ == "__main__":
    main()
