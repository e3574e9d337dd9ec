"""Does the loop keep its two promises on simulated truth: a better policy, and intervals that hold it.

``python benchmarks/first_loop.py`` prints, for one log of 200,000 contacts, the true value of the learnt policy beside
logging, seed rules and best constant; and for 20 logs of 20,000 contacts how often the doubly robust 95 % intervals
hold the true value. Strategies learn from the earlier 60 % and are evaluated on the rest.
``--quick``: to see that it runs.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from recommender import ContactStrategy, OffPolicyEvaluator
from recommender.simulation import simulate
from recommender.strategy.policy import best_constant, epsilon_greedy
from recommender.strategy.seed_rules import seed_rule_scores


def one_log(contacts: int, seed: int, jobs: int) -> dict[str, float]:
    """Train on the past, evaluate on the future, and read the truth."""
    world = simulate(contacts, seed=seed)
    log = world.feedback()
    past, future = log.split(world.contacts["sent_at"].iloc[int(0.6 * contacts)])
    rows = np.arange(len(past), len(log))
    start = time.process_time()
    strategy = ContactStrategy(n_jobs=jobs, random_state=seed).fit(past)
    trained = time.process_time() - start
    everything = np.ones((len(future), log.n_actions), dtype=bool)
    constant = epsilon_greedy(
        np.broadcast_to(best_constant(past.action, past.reward, log.n_actions), everything.shape), everything, 0.0
    )
    start = time.process_time()
    evaluator = OffPolicyEvaluator(future, random_state=seed)
    report = evaluator.evaluate(strategy)
    evaluated = time.process_time() - start
    table = report.to_frame().set_index("estimator")
    truth = world.value(evaluator.probabilities(strategy), rows)
    seeds = epsilon_greedy(seed_rule_scores(future.context, log.actions), everything, 0.0)
    held = {
        f"{name} holds": float(table.loc[name, "ci_low"] <= truth <= table.loc[name, "ci_high"])
        for name in ("dr", report.default["estimator"])
    }
    return {
        "learnt": truth,
        "logging": world.logging_value(rows),
        "seed rules": world.value(seeds, rows),
        "best constant": world.value(constant, rows),
        "oracle": world.oracle_value(rows),
        "estimate": float(report.default["value"]),
        "better": float(report.verdict == "better"),
        "train CPU s": trained,
        "evaluate CPU s": evaluated,
        **held,
    }


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--large", type=int, default=200_000)
    parser.add_argument("--small", type=int, default=20_000)
    given = parser.parse_args()
    if given.quick:
        given.seeds, given.large, given.small = 1, 4_000, 2_000
    if given.large:
        print(f"one log of {given.large:,} contacts, true values of the later 40 %")
        for name, value in one_log(given.large, 100, given.jobs).items():
            print(f"  {name:<22}{value:10.4f}", flush=True)
    results = []
    for seed in range(given.seeds):
        results.append(one_log(given.small, seed, given.jobs))
        told = "  ".join(f"{name} {value:.4f}" for name, value in results[-1].items())
        print(f"seed {seed:2d}  {told}", flush=True)
    if results:
        print(f"\n{given.seeds} logs of {given.small:,} contacts, means")
        for name in results[0]:
            print(f"  {name:<22}{np.mean([result[name] for result in results]):10.4f}")


if __name__ == "__main__":
    main()
