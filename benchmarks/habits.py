"""Worlds of habits side by side: what each learner earns of what a debtor's own past answers would allow.

    .venv/bin/python benchmarks/habits.py --debtors 3000 --contacts 20 6 3 --laws smooth windows --seeds 2

    .venv/bin/python benchmarks/habits.py --debtors 1000 --seeds 3 --learners constant memory

captured = (V(policy) - V(logger)) / (V(oracle) - V(logger)) on each debtor's next decision, with known truth; share =
captured / that of the Bayes ceiling (the exact posterior over habits). Both LightGBM learners see context, the debtor's
own history columns and the action; settings are its defaults, and 1,200 rounds of 31 leaves.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import lightgbm as lgb
import numpy as np
import pandas as pd
from quick import add_quick

from recommender import ContactStrategy
from recommender.features import AccountHistory
from recommender.learning import factor_levels, learn_memory
from recommender.simulation import HabitLog, simulate_habits


def constant(log: HabitLog) -> np.ndarray:
    """Mean reward of each action."""
    action = log.actions.index_of(log.contacts)
    tried = np.bincount(action, minlength=len(log.actions))
    mean = np.bincount(action, log.contacts["reward"], minlength=len(log.actions)) / np.maximum(tried, 1)
    return np.tile(mean, (len(log.accounts), 1))


def trees(log: HabitLog, **settings: object) -> np.ndarray:
    """LightGBM over context, own history and action."""
    feedback = log.feedback()
    history = AccountHistory.from_log(feedback)
    levels = np.stack([values for _, values, _ in factor_levels(log.actions)], axis=1)
    X = np.column_stack([feedback.context, history.of_log(feedback), levels[feedback.action]])
    parameters = {"objective": "binary", "verbosity": -1, "num_threads": 1, **settings}
    rounds = int(str(parameters.pop("rounds", 100)))
    booster = lgb.train(parameters, lgb.Dataset(X, feedback.reward), num_boost_round=rounds)
    now = np.column_stack([log.accounts[log.context], history.at(log.accounts["account_id"])])
    n_actions = len(levels)
    rows = np.column_stack([np.repeat(now, n_actions, axis=0), np.tile(levels, (len(now), 1))])
    return np.asarray(booster.predict(rows, num_threads=1)).reshape(len(now), n_actions)


def ours(log: HabitLog) -> np.ndarray:
    """The product as it stands."""
    strategy = ContactStrategy(n_jobs=1, random_state=0).fit(log.feedback())
    return strategy.expected_reward(log.accounts)


def memory(log: HabitLog) -> np.ndarray:
    """The personal memory alone: a few CPU seconds where the product takes half a minute."""
    history = AccountHistory.from_log(log.feedback())
    learnt = learn_memory(history)
    if learnt is None:
        return constant(log)
    now = history.remembering(learnt).at(log.accounts["account_id"])[list(learnt.columns)].to_numpy()
    return learnt.order + now @ np.stack(list(learnt.by_column.values()))


LEARNERS: dict[str, Callable[[HabitLog], np.ndarray]] = {
    "constant": constant,
    "trees-default": trees,
    "trees-1200x31": lambda log: trees(
        log,
        rounds=1_200,
        num_leaves=31,
        learning_rate=0.03,
        min_data_in_leaf=50,
        lambda_l2=10.0,
        feature_fraction=0.9,
        bagging_fraction=0.8,
        bagging_freq=1,
    ),
    "memory": memory,
    "ours": ours,
}


def main() -> None:
    """Run the grid and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--debtors", type=int, default=3_000)
    parser.add_argument("--contacts", type=float, nargs="+", default=[20.0, 6.0, 3.0])
    parser.add_argument("--laws", nargs="+", default=["smooth", "windows", "products", "rhythms"])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--learners", nargs="+", default=list(LEARNERS))
    add_quick(parser, debtors=200, contacts=[3.0], laws=["smooth"], seeds=1)
    asked = parser.parse_args()
    rows = []
    for law in asked.laws:
        for each in asked.contacts:
            for seed in range(asked.seeds):
                log = simulate_habits(asked.debtors, each, law=law, seed=seed)
                ceiling = log.captured(log.ceiling)
                for name in asked.learners:
                    start = time.process_time()
                    captured = log.captured(LEARNERS[name](log))
                    spent = time.process_time() - start
                    rows.append((law, each, name, seed, captured, captured / ceiling, spent))
                    print(*rows[-1], f"ceiling {ceiling:.3f}", flush=True)
    table = pd.DataFrame(rows, columns=["law", "contacts", "learner", "seed", "captured", "share", "cpu"])
    print(table.groupby(["law", "contacts", "learner"], sort=False)[["captured", "share", "cpu"]].mean().round(3))


if __name__ == "__main__":
    main()
