"""How right verdicts without propensities are where rules, thresholds, taste and time chose the action.

    OMP_NUM_THREADS=1 python benchmarks/rule_cuts.py [--hillstrom PATH] [--draws 20] [--jobs 2] [--learnt]

Twelve randomised trials (with --hillstrom four of them real) x five ways to cut a log from them x draws. Each log is
asked, without propensities, what each single arm and a policy by subgroup are worth (with --learnt also a strategy
trained on the other half of the log). Wrong is a verdict other than "refused" whose interval misses the truth, or a
"better"/"worse" on the wrong side of zero. Answerable are questions of which the logging policy supports 95 % or more.
"""

from __future__ import annotations

import argparse
import warnings
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np
import pandas as pd

from recommender.history import ProtectedAttributeWarning
from recommender.proof import OffPolicyEvaluator
from recommender.simulation import CUTS, Trial, cut_trial, read_hillstrom, simulated_trial
from recommender.strategy import ContactStrategy

SIMULATED = (
    {"seed": 1},
    {"seed": 2, "n_arms": 3},
    {"seed": 3, "base": 0.05},
    {"seed": 4, "n_arms": 4, "base": 0.3},
    {"seed": 5, "amounts": True},
    {"seed": 6, "n_arms": 3, "amounts": True},
    {"seed": 7, "base": 0.5},
    {"seed": 8, "n_arms": 2, "base": 0.1},
    {"seed": 9, "n_arms": 3, "base": 0.08},
    {"seed": 10, "n_arms": 2, "base": 0.3},
    {"seed": 11, "n_arms": 4},
    {"seed": 12, "n_arms": 2, "base": 0.2, "amounts": True},
)
REAL = (
    {"leave_out": "mens"},
    {"leave_out": "womens"},
    {},
    {"reward": "spend", "leave_out": "womens"},
)


def trial_of(number: int, hillstrom: str | None, rows: int) -> Trial:
    """One of the twelve sources."""
    if hillstrom is not None and number < len(REAL):
        return read_hillstrom(hillstrom, **REAL[number])
    return simulated_trial(n=rows, **SIMULATED[number])


def one_log(job: tuple[int, str, int, str | None, int, bool]) -> list[dict[str, object]]:
    """Ask one cut log all questions."""
    number, cut, draw, hillstrom, n_rows, learnt = job
    warnings.simplefilter("ignore", ProtectedAttributeWarning)
    trial = trial_of(number, hillstrom, n_rows)
    rng = np.random.default_rng([number, list(CUTS).index(cut), draw])
    cut_log = cut_trial(trial, cut, rng)
    log, n_arms = cut_log.log, len(trial.arms)
    policies = {f"all {arm}": np.eye(n_arms)[np.full(len(trial.frame), k)] for k, arm in enumerate(trial.arms)}
    by_recency = np.where(trial.frame["recency"] <= 6, 0, n_arms - 1)
    policies["by recency"] = 0.9 * np.eye(n_arms)[by_recency] + 0.1 / n_arms
    evaluator, inside = OffPolicyEvaluator(log), cut_log.rows
    if learnt:
        first = rng.random(len(log)) < 0.5
        strategy = ContactStrategy(n_jobs=1).fit(log.take(first))
        evaluator, inside = OffPolicyEvaluator(log.take(~first)), cut_log.rows[~first]
        policies["learnt"] = strategy.action_probabilities(trial.frame[list(trial.context)])
    gain_of_logging, logging_error = trial.value(cut_log.logging)
    answers: list[dict[str, object]] = []
    for name, policy in policies.items():
        report = evaluator.evaluate(policy[inside], estimators=())
        truth, error = trial.value(policy)
        value, gap, gain = report.default, report.difference, truth - gain_of_logging
        # A real trial's truth is itself measured: allow for two of its standard errors.
        slack = 2.0 * float(np.hypot(error, logging_error))
        missed = not (value["ci_low"] - 2 * error <= truth <= value["ci_high"] + 2 * error)
        wrong_side = (report.verdict == "better" and gain < -slack) or (report.verdict == "worse" and gain > slack)
        claimed = report.verdict in ("better", "worse")
        off = claimed and not (gap.low - slack <= gain <= gap.high + slack)
        answers.append(
            {
                "source": trial.name,
                "cut": cut,
                "draw": draw,
                "policy": name,
                "verdict": report.verdict,
                "supported": float(1.0 - (policy * (cut_log.logging == 0.0)).sum(axis=1).mean()),
                "missed": missed and report.verdict != "refused",
                "wrong_side": wrong_side,
                "wrong_claim": off or wrong_side,
                "reason": report.reasons[0],
            }
        )
    return answers


def summary(answers: pd.DataFrame, by: str) -> pd.DataFrame:
    """Shares by cut or policy: what was claimed wrongly, what was answered of what could be."""
    answerable = answers["supported"] >= 0.95
    answered = answers["verdict"] != "refused"
    told = answers.assign(
        answerable=answerable,
        answered_of_answerable=np.where(answerable, answered, np.nan),
        answered_of_others=np.where(answerable, np.nan, answered),
        missed_of_answered=np.where(answered, answers["missed"], np.nan),
        wrong_of_claims=np.where(answers["verdict"].isin(["better", "worse"]), answers["wrong_claim"], np.nan),
    )
    columns = ["answerable", "answered_of_answerable", "answered_of_others", "missed_of_answered", "wrong_of_claims"]
    return told.groupby(by)[[*columns, "wrong_claim"]].mean().astype(float).round(3)


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hillstrom")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--learnt", action="store_true")
    parser.add_argument("--quick", action="store_true", help="One draw of small trials.")
    given = parser.parse_args()
    draws, rows = (1, 6_000) if given.quick else (given.draws, given.rows)
    jobs = [
        (number, cut, draw, given.hillstrom, rows, given.learnt)
        for number, cut, draw in product(range(len(SIMULATED)), CUTS, range(draws))
    ]
    if given.jobs > 1:
        with ProcessPoolExecutor(given.jobs) as pool:
            found = list(pool.map(one_log, jobs))
    else:
        found = [one_log(job) for job in jobs]
    answers = pd.DataFrame([answer for group in found for answer in group])
    pd.set_option("display.width", 200, "display.max_columns", 20, "display.max_colwidth", 140)
    print(f"{len(jobs)} logs, {len(answers)} questions; verdicts {answers['verdict'].value_counts().to_dict()}\n")
    answers["all"] = "all"
    answers["kind"] = np.where(answers["policy"].str.startswith("all "), "one arm", answers["policy"])
    for by in ("all", "cut", "kind", "source"):
        print(summary(answers, by).to_string(), "\n")
    wrong = answers[answers["wrong_claim"] | answers["missed"]]
    columns = ["source", "cut", "policy", "verdict", "supported"]
    print(wrong[columns].to_string(index=False) if len(wrong) else "none wrong")


if __name__ == "__main__":
    main()
