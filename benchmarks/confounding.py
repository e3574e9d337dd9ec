"""What confounding does to learners: the hardest debtors get the calls, so calls look useless.

    .venv/bin/python benchmarks/confounding.py --rows 20000 --seeds 5
    .venv/bin/python benchmarks/confounding.py --worlds none strong --learners ours trees-tuned

Six worlds of known truth, 60 actions: an observed hardness drives both who pays and who is called, with rising strength
up to a logger that is all but deterministic (propensities logged, or hidden); in the last world the agents also know
something that no column holds, and nobody can be right. Printed, paired by seed:

* captured = (V(policy) - V(logging)) / (V(oracle) - V(logging)) on fresh accounts;
* call bias = estimated minus true effect of a call against an SMS, averaged over fresh accounts, over the mean reward;
* calibration = mean prediction / mean truth - 1 on the recommended action;
* for the unobserved world, what the evaluation report says: verdict, and the confounding that would overturn it beside
  the confounding that is there.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from decision_quality import Task, trees_default, trees_tuned
from quick import add_quick
from scipy.special import expit, softmax

from recommender import ActionSpace, LoggedFeedback, evaluate_policy
from recommender.learning.encoding import ContextEncoder
from recommender.learning.nuisance import cross_fit_propensities
from recommender.learning.regression.bilinear import BilinearModel
from recommender.learning.regression.linear_design import LinearDesign
from recommender.learning.reward import RewardModel
from recommender.learning.stacking import group_folds
from recommender.learning.training_set import TrainingSet
from recommender.strategy.fitting import drawn_by_weight
from recommender.strategy.policy import softmax as soft_policy
from recommender.strategy.policy import temperature_for_cost

CHANNELS = ["call", "sms", "whatsapp", "email", "letter"]
DAYPARTS = ["morning", "noon", "afternoon", "evening"]
TONES = ["friendly", "neutral", "firm"]
SPACE = ActionSpace({"channel": CHANNELS, "daypart": DAYPARTS, "tone": TONES}, no_contact=False)
CHANNEL, DAYPART, TONE = SPACE.codes.T


@dataclass(frozen=True)
class Setting:
    """How the logger confounds."""

    strength: float
    floor: float = 0.05
    hidden_propensities: bool = False
    unobserved: float = 1.0  # odds of a call, multiplied for debtors that the agents know to be unwilling


WORLDS = {
    "none": Setting(0.0),
    "mild": Setting(1.0),
    "strong": Setting(3.0),
    "near-deterministic": Setting(8.0, floor=0.003),
    "near-deterministic, hidden": Setting(8.0, floor=0.003, hidden_propensities=True),
    "unobserved": Setting(1.0, hidden_propensities=True, unobserved=10.0),
}


@dataclass(frozen=True)
class Drawn:
    """Accounts, their logged actions and the truth of every action (given what agents know, where they know more)."""

    context: pd.DataFrame
    truth: np.ndarray
    logging: np.ndarray
    observable_logging: np.ndarray


def draw_accounts(n: int, setting: Setting, world_seed: int, rng: np.random.Generator) -> Drawn:
    world = np.random.default_rng(world_seed)
    x = rng.normal(size=(n, 8))
    hardness = 0.8 * x[:, 0] + 0.6 * np.maximum(x[:, 1], 0.0) + 0.4 * x[:, 0] * x[:, 1]
    effects = world.normal(size=(len(CHANNELS), 8)) * 0.35
    daypart = world.normal(size=(len(DAYPARTS), 8)) * 0.25
    tone = world.normal(size=(len(TONES), 8)) * 0.2
    base = np.array([0.7, 0.0, 0.2, -0.3, -0.5])  # a call helps everybody
    unwilling = rng.random(n) < 0.4

    def rewards(unwilling_now: np.ndarray) -> np.ndarray:
        level = -1.8 - 1.2 * hardness - 2.5 * unwilling_now
        logits = level[:, None] + base[CHANNEL] + (x @ effects.T)[:, CHANNEL]
        return expit(logits + (x @ daypart.T)[:, DAYPART] + (x @ tone.T)[:, TONE])

    def propensities(odds: np.ndarray) -> np.ndarray:
        wish = world_wish[None] + np.zeros((n, len(SPACE)))
        wish = wish + setting.strength * hardness[:, None] * ((CHANNEL == 0) * 1.0 - (CHANNEL == 1) * 0.5)
        wish = wish + 0.5 * setting.strength * (hardness * 1.0)[:, None] * (TONE == 2)
        wish = wish + np.log(odds)[:, None] * (CHANNEL == 0)
        return (1 - setting.floor) * softmax(wish, axis=1) + setting.floor / len(SPACE)

    world_wish = world.normal(size=len(SPACE)) * 0.5
    here = unwilling if setting.unobserved > 1 else np.zeros(n, dtype=bool)
    truth = rewards(here.astype(float))
    logging = propensities(np.where(here, setting.unobserved, 1.0))
    marginal = logging
    if setting.unobserved > 1:
        marginal = 0.4 * propensities(np.full(n, setting.unobserved)) + 0.6 * propensities(np.ones(n))
    frame = pd.DataFrame({f"x{j}": x[:, j] for j in range(8)})
    frame["days_past_due"] = np.exp(0.6 * frame.pop("x0") + 4)
    frame["segment"] = np.array(list("abcd"))[np.digitize(frame.pop("x7"), [-0.7, 0.0, 0.7])]
    return Drawn(frame, truth, logging, marginal)


def make_task(setting: Setting, rows: int, seed: int) -> tuple[Task, Drawn]:
    rng = np.random.default_rng([seed, 1])
    log = draw_accounts(rows, setting, seed, rng)
    cumulative = log.logging.cumsum(axis=1)
    action = (cumulative < rng.random(rows)[:, None] * cumulative[:, -1:]).sum(axis=1)
    reward = (rng.random(rows) < log.truth[np.arange(rows), action]).astype(float)
    propensity = None if setting.hidden_propensities else log.logging[np.arange(rows), action]
    order = np.arange(rows, dtype=float)
    training = TrainingSet(
        log.context, ("segment",), SPACE, action, reward, "binary", propensity, np.arange(rows), order
    )
    fresh = draw_accounts(4_000, setting, seed, np.random.default_rng([seed, 2]))
    return Task(training, fresh.context, fresh.truth, fresh.logging, None), log


# -- learners ---------------------------------------------------------------------------------------------------------
_last: list[tuple[Task, RewardModel]] = []


def _model(task: Task, seed: int, jobs: int) -> RewardModel:
    if not (_last and _last[0][0] is task):  # the second stage and the report build on the same fit
        _last[:] = [(task, RewardModel().fit(task.training, n_jobs=jobs, random_state=seed))]
    return _last[0][1]


def ours(task: Task, seed: int, jobs: int) -> np.ndarray:
    return _model(task, seed, jobs).expected_reward(task.test)


def _propensities(T: TrainingSet, seed: int) -> np.ndarray:
    if T.propensity is not None:
        return T.propensity
    return cross_fit_propensities(T.context, T.categorical, T.actions, T.action, T.groups, random_state=seed).logged


def _weights(T: TrainingSet, seed: int) -> np.ndarray:
    """Inverse propensities, the largest twentieth cut, summing to the effective number of rows."""
    inverse = 1.0 / _propensities(T, seed)
    inverse = np.minimum(inverse, np.quantile(inverse, 0.95))
    return np.asarray(inverse * inverse.mean() / (inverse**2).mean())


def weighted(task: Task, seed: int, jobs: int) -> np.ndarray:
    """The same members and stack, every row weighted by its inverse propensity."""
    T = task.training
    rows = drawn_by_weight(np.arange(len(T)), _weights(T, seed), seed)
    return RewardModel().fit(T.take(rows), n_jobs=jobs, random_state=seed).expected_reward(task.test)


def doubly_robust(task: Task, seed: int, jobs: int) -> np.ndarray:
    """Ours, then a second stage on doubly robust labels.

    The label of the logged action is q + (reward - q) / propensity, of any other action q, with q out of fold. Least
    squares of q(x, a) + g(x, a) on them is least squares of g on the residuals, weighted by inverse propensities; g is
    an empirical-Bayes ridge over context x action, which shrinks to nothing where there is nothing left.
    """
    T = task.training
    fold = group_folds(T.groups, 2, seed)
    residual = np.empty(len(T))
    for k in (0, 1):
        learn, judge = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        part = RewardModel().fit(T.take(learn), n_jobs=jobs, random_state=seed)
        residual[judge] = (
            T.reward[judge] - part.expected_reward(T.context.iloc[judge])[np.arange(len(judge)), T.action[judge]]
        )
    encoder = ContextEncoder.fit(T.context, T.categorical)
    X, unit = encoder.transform(T.context), float(residual.std())
    design = LinearDesign.fit(encoder, X, (), T.actions)
    second = BilinearModel.fit(
        design,
        design.transform(X),
        T.actions,
        T.action,
        residual / unit,
        family="gaussian",
        weight=_weights(T, seed),
    )
    correction = unit * second.scores(design.transform(encoder.transform(task.test)))
    return np.clip(ours(task, seed, jobs) + correction, 0.0, 1.0)


LEARNERS: dict[str, Callable[[Task, int, int], np.ndarray]] = {
    "trees-default": trees_default,
    "trees-tuned": trees_tuned,
    "ours": ours,
    "ours, propensity-weighted": weighted,
    "ours, doubly robust labels": doubly_robust,
}


def measure(task: Task, scores: np.ndarray) -> dict[str, float]:
    rows = np.arange(len(scores))
    base, oracle = (task.truth * task.logging).sum(axis=1).mean(), task.truth.max(axis=1).mean()
    chosen = task.truth[rows, scores.argmax(axis=1)].mean()

    def effect(of: np.ndarray) -> float:
        return float(of[:, CHANNEL == 0].mean() - of[:, CHANNEL == 1].mean())

    return {
        "captured": float((chosen - base) / (oracle - base)),
        "call bias": (effect(scores) - effect(task.truth)) / float(task.truth.mean()),
        "calibration": float(scores.max(axis=1).mean() / chosen - 1),
    }


def sensitivity(task: Task, setting: Setting, seed: int, jobs: int, rows: int) -> dict[str, object]:
    """What the report says of our policy on a later log of the same world, beside the truth."""
    model = _model(task, seed, jobs)
    rng = np.random.default_rng([seed, 3])
    drawn = draw_accounts(rows, setting, seed, rng)  # the same world, other accounts
    cumulative = drawn.logging.cumsum(axis=1)
    action = (cumulative < rng.random(rows)[:, None] * cumulative[:, -1:]).sum(axis=1)
    reward = (rng.random(rows) < drawn.truth[np.arange(rows), action]).astype(float)
    frame = pd.concat([drawn.context, SPACE.to_frame().iloc[action].reset_index(drop=True)], axis=1)
    log = LoggedFeedback.from_frame(
        frame.assign(reward=reward),
        actions=SPACE,
        context=list(drawn.context.columns),
        categorical=["segment"],
        reward="reward",
        propensity=None,
        reward_kind="binary",
    )
    expected = model.expected_reward(drawn.context)
    allowed = np.ones(expected.shape, dtype=bool)
    policy = soft_policy(expected, allowed, temperature_for_cost(expected, allowed), 0.05)
    report = evaluate_policy(log, policy)
    table = report.to_frame()
    said = table[table["default"]].iloc[0]
    known, told = (p[np.arange(rows), action] for p in (drawn.logging, drawn.observable_logging))
    odds = (known / (1 - known)) / (told / (1 - told))  # what the agents knew did to the odds of what they did
    return {
        "verdict": report.verdict,
        "estimate": float(said["value"]),
        "low": float(said["ci_low"]),
        "high": float(said["ci_high"]),
        "truth": float((policy * drawn.truth).sum(axis=1).mean()),
        "logging": float(reward.mean()),
        "overturned by": float(report.diagnostics["confounding_to_overturn"]),
        "there is": float(np.quantile(np.maximum(odds, 1 / odds), 0.95)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--worlds", nargs="+", choices=list(WORLDS), default=list(WORLDS))
    parser.add_argument("--learners", nargs="+", choices=list(LEARNERS), default=list(LEARNERS))
    parser.add_argument("--jobs", type=int, default=1)
    add_quick(parser, rows=1_500, seeds=1, worlds=["none"], learners=["ours"])
    told = parser.parse_args()
    print(f"{told.rows:,} rows, {told.seeds} seeds; mean ± standard deviation; difference paired by seed (± its error)")
    print("| world | learner | captured | against trees-tuned | against ours | call bias | calibration | CPU s |")
    print("|---|---|---|---|---|---|---|---|")
    reports = []
    for world in told.worlds:
        found: dict[str, list[dict[str, float]]] = {name: [] for name in told.learners}
        for seed in range(told.seeds):
            task, _ = make_task(WORLDS[world], told.rows, seed)
            for name in told.learners:
                start = time.process_time() + sum(os.times()[2:4])
                scores = LEARNERS[name](task, seed, told.jobs)
                seconds = time.process_time() + sum(os.times()[2:4]) - start
                found[name].append(measure(task, scores) | {"cpu": seconds})
            if world == "unobserved":
                reports.append(sensitivity(task, WORLDS[world], seed, told.jobs, told.rows))
        tables = {name: pd.DataFrame(results) for name, results in found.items()}
        for name, table in tables.items():
            cells = [f"{table['captured'].mean():.3f} ± {table['captured'].std():.3f}"]
            for other in ("trees-tuned", "ours"):
                if other not in tables or other == name:
                    cells.append("")
                    continue
                gap = table["captured"] - tables[other]["captured"]
                cells.append(f"{gap.mean():+.3f} ± {gap.std() / np.sqrt(len(gap)):.3f}")
            cells += [f"{table[c].mean():+.3f} ± {table[c].std():.3f}" for c in ("call bias", "calibration")]
            print(f"| {world} | {name} | {' | '.join(cells)} | {table['cpu'].mean():.0f} |", flush=True)
    if reports:
        print("\nunobserved world: what the report says of our policy on a later log")
        print(pd.DataFrame(reports).to_string(index=False, float_format=lambda value: f"{value:.3f}"))


if __name__ == "__main__":
    main()
