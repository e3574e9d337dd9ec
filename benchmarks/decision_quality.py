"""Decision quality side by side: what each learner's choices would earn, learnt from the same logs.

    .venv/bin/python benchmarks/decision_quality.py --rows 50000 --seeds 3
    .venv/bin/python benchmarks/decision_quality.py --tasks additive joint --learners ours trees-tuned

captured = (V(policy) - V(logging)) / (V(oracle) - V(logging)), judged on fresh accounts with known truth; share =
captured / that of the Bayes ceiling; calibration = mean prediction / mean truth - 1 on the recommended action; decile =
mean relative error over ten deciles of the prediction on random actions. Vowpal Wabbit runs when
``benchmarks/peers/vowpal_wabbit`` is synced (``uv sync`` there), in its own environment; EconML's DRPolicyForest
likewise (``benchmarks/peers/econml``), on the cells of the first and last factor: 240 arms are beyond it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import small_worlds
from quick import add_quick
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from recommender.learning.encoding import ContextEncoder
from recommender.learning.nuisance import cross_fit_propensities
from recommender.learning.regression.count_pairs import count_pairs
from recommender.learning.regression.linear_design import LinearDesign
from recommender.learning.reward import RewardModel
from recommender.learning.stacking import group_folds
from recommender.learning.training_set import TrainingSet
from recommender.learning.trees.tree_columns import factor_levels
from recommender.simulation import simulate
from recommender.strategy import seed_rules

HERE = Path(__file__).parent
VW = HERE / "peers" / "vowpal_wabbit"
ECONML = HERE / "peers" / "econml"
_MOST_CELLS = 24


@dataclass(frozen=True)
class Task:
    """A log, fresh accounts and their truth."""

    training: TrainingSet
    test: pd.DataFrame
    truth: np.ndarray
    logging: np.ndarray
    ceiling: np.ndarray | None


def _simulated(rows: int, seed: int, **settings: object) -> Task:
    log = simulate(rows, seed=seed, **settings)  # type: ignore[arg-type]
    fresh = log.fresh_accounts(5_000)
    contacts = log.contacts
    training = TrainingSet(
        context=contacts[log.context],
        categorical=tuple(log.categorical),
        actions=log.actions,
        action=log.action.astype(np.int64),
        reward=contacts["reward"].to_numpy(float),
        reward_kind="amount" if settings.get("reward") == "money" else "binary",
        propensity=contacts["propensity"].to_numpy(float) if "propensity" in contacts else None,
        groups=pd.factorize(contacts["debtor_id"])[0].astype(np.int64),
        order=np.arange(len(contacts), dtype=float),
    )
    ceiling = None if settings.get("world") == "joint" else np.asarray(fresh.bayes_ceiling().expected_reward)
    return Task(training, fresh.contacts[log.context], fresh.expected_reward(), fresh.logging_probabilities(), ceiling)


def _small(world: small_worlds.World) -> Task:
    return Task(world.training, world.test, world.truth, world.test_logging, world.observable)


TASKS: dict[str, Callable[[int, int], Task]] = {
    "additive": lambda n, s: _simulated(n, s),
    "weak overlap, hidden": lambda n, s: _simulated(n, s, logger="near_deterministic", propensities="hidden"),
    "5k": lambda n, s: _simulated(5_000, s),  # noqa: ARG005
    "money": lambda n, s: _simulated(n, s, reward="money"),
    "drift": lambda n, s: _simulated(n, s, drift=1.0),
    "joint": lambda n, s: _simulated(n, s, world="joint"),
    "small additive": lambda n, s: _small(small_worlds.additive(n, s)),
    "small joint": lambda n, s: _small(small_worlds.joint(n, s)),
    "waves": lambda n, s: _small(small_worlds.waves(n, s)),
    "digits": lambda n, s: _small(small_worlds.digits(s)),  # noqa: ARG005
}


# -- learners: a task in, expected reward or score of every action out ------------------------------------------------
def ours(task: Task, seed: int, jobs: int) -> np.ndarray:
    return RewardModel().fit(task.training, n_jobs=jobs, random_state=seed).expected_reward(task.test)


def our_members(task: Task, seed: int, jobs: int) -> dict[str, np.ndarray]:
    """Our stack, and each member of the event model alone (an uncalibrated probability)."""
    model = RewardModel().fit(task.training, n_jobs=jobs, random_state=seed)
    part, X = model.parts["event"], model.encoder.transform(task.test)
    alone = {name: member.scores(part.designs[design].transform(X)) for name, (design, member) in part.glms.items()}
    alone |= {name: member.scores(part.designs["linear"].transform(X)) for name, member in part.facets.items()}
    alone |= {name: trees.raw_scores(part.tree_columns(X)) for name, trees in part.trees.items()}
    return {"ours": model.expected_reward(task.test)} | {f"ours: {name}": expit(eta) for name, eta in alone.items()}


def _trees(task: Task, seed: int, jobs: int, **settings: object) -> np.ndarray:
    T = task.training
    encoder = ContextEncoder.fit(T.context, T.categorical)
    X, described = encoder.transform(T.context), factor_levels(T.actions)
    levels = np.stack([values for _, values, _ in described], axis=1)
    coded = encoder.categorical_positions + [X.shape[1] + i for i, (_, _, code) in enumerate(described) if code]
    rounds = int(settings.pop("rounds", 100))  # type: ignore[call-overload]
    parameters = {"objective": "binary" if T.reward_kind == "binary" else "regression", "verbosity": -1, "seed": seed}
    parameters |= {"num_threads": jobs, **settings}
    design = np.column_stack([X, levels[T.action]])
    if rounds > 100:
        held = np.random.default_rng(seed).permutation(T.groups.max() + 1)[T.groups] < 0.2 * (T.groups.max() + 1)
        training = lgb.Dataset(design[~held], T.reward[~held], categorical_feature=coded)
        valid = lgb.Dataset(design[held], T.reward[held], reference=training)
        booster = lgb.train(parameters, training, rounds, [valid], callbacks=[lgb.early_stopping(50, verbose=False)])
    else:
        booster = lgb.train(parameters, lgb.Dataset(design, T.reward, categorical_feature=coded), rounds)
    test = encoder.transform(task.test)
    scores = np.empty((len(test), len(T.actions)))
    for start in range(0, len(test), 500):
        part = test[start : start + 500]
        cross = np.hstack([np.repeat(part, len(levels), axis=0), np.tile(levels, (len(part), 1))])
        scores[start : start + 500] = np.asarray(booster.predict(cross)).reshape(len(part), -1)
    return scores


def trees_default(task: Task, seed: int, jobs: int) -> np.ndarray:
    return _trees(task, seed, jobs)


def trees_tuned(task: Task, seed: int, jobs: int) -> np.ndarray:
    return _trees(
        task, seed, jobs, rounds=2_000, num_leaves=15, learning_rate=0.03, lambda_l2=20.0, feature_fraction=0.7
    )


def best_constant(task: Task, seed: int, jobs: int) -> np.ndarray:  # noqa: ARG001
    T = task.training
    count = np.bincount(T.action, minlength=len(T.actions))
    total = np.bincount(T.action, weights=T.reward, minlength=len(T.actions))
    return np.tile((total + 20 * T.reward.mean()) / (count + 20), (len(task.test), 1))


def best_per_segment(task: Task, seed: int, jobs: int) -> np.ndarray:
    """Factor by factor, in segments of the first low-cardinality column, shrunken to the constant."""
    T = task.training
    few = [c for c in T.context if 2 <= T.context[c].nunique() <= 8]
    base = best_constant(task, seed, jobs)
    if not few:
        return base
    segment, test = T.context[few[0]].astype(str).to_numpy(), task.test[few[0]].astype(str).to_numpy()
    scores = np.ones_like(base)
    for value in np.unique(segment):
        rows = segment == value
        for codes, size in zip(T.actions.codes.T, T.actions.shape, strict=True):
            level = codes[T.action[rows]]
            count = np.bincount(level, minlength=size)
            rate = np.bincount(level, weights=T.reward[rows], minlength=size)
            rate = (rate + 50 * T.reward.mean()) / (count + 50) / max(T.reward.mean(), 1e-12)
            scores[test == value] *= rate[codes]
    return scores * T.reward.mean()


def rules_of_the_trade(task: Task, seed: int, jobs: int) -> np.ndarray | None:  # noqa: ARG001
    if not seed_rules.applies_to(task.training.actions, list(task.test)):
        return None
    return seed_rules.seed_rule_scores(task.test, task.training.actions)


def ipw_logistic(task: Task, seed: int, jobs: int) -> np.ndarray | None:  # noqa: ARG001
    """Importance-weighted classifier of the action, on rewarded rows."""
    T = task.training
    if T.propensity is None:
        return None
    encoder = ContextEncoder.fit(T.context, T.categorical)
    X = encoder.transform(T.context)
    design = LinearDesign.fit(encoder, X, count_pairs(encoder, X, T.history_columns, T.actions), T.actions)
    rows = T.reward > 0
    weight = np.minimum(T.reward / T.propensity, 20 * len(T.actions))[rows]
    model = LogisticRegression(max_iter=300, C=0.1).fit(
        design.transform(X)[rows], T.action[rows], weight / weight.mean()
    )
    scores = np.zeros((len(task.test), len(T.actions)))
    scores[:, model.classes_] = model.predict_proba(design.transform(encoder.transform(task.test)))
    return scores


def dr_labels(task: Task, seed: int, jobs: int) -> np.ndarray:
    """Trees, then trees on doubly robust labels.

    The label of the logged action is q + (reward - q) / propensity, with q out of fold, of any other action q; least
    squares of q + g on them is least squares of g on the residuals, weighted by inverse propensities.
    """
    T = task.training
    encoder = ContextEncoder.fit(T.context, T.categorical)
    X, X_test = encoder.transform(T.context), encoder.transform(task.test)
    levels = np.stack([values for _, values, _ in factor_levels(T.actions)], axis=1)
    propensity = T.propensity
    if propensity is None:
        propensity = cross_fit_propensities(T.context, T.categorical, T.actions, T.action, T.groups).logged
    inverse = np.minimum(1.0 / propensity, np.quantile(1.0 / propensity, 0.95))
    settings = {"verbosity": -1, "num_threads": jobs, "seed": seed, "num_leaves": 15, "learning_rate": 0.05}
    kind = "binary" if T.reward_kind == "binary" else "regression"
    design, fold = np.column_stack([X, levels[T.action]]), group_folds(T.groups, 2, seed)
    first, residual = [], np.empty(len(T))
    for k in (0, 1):
        data = lgb.Dataset(design[fold != k], T.reward[fold != k])
        first.append(lgb.train({**settings, "objective": kind, "lambda_l2": 20.0}, data, 200))
        residual[fold == k] = T.reward[fold == k] - np.asarray(first[k].predict(design[fold == k]))
    second = lgb.train(
        {**settings, "objective": "regression", "lambda_l2": 20.0, "min_data_in_leaf": 50},
        lgb.Dataset(design, residual, weight=inverse / inverse.mean()),
        50,
    )
    scores = np.empty((len(X_test), len(levels)))
    for start in range(0, len(X_test), 500):
        part = X_test[start : start + 500]
        cross = np.hstack([np.repeat(part, len(levels), axis=0), np.tile(levels, (len(part), 1))])
        value = sum(np.asarray(model.predict(cross)) for model in first) / 2 + np.asarray(second.predict(cross))
        scores[start : start + 500] = value.reshape(len(part), -1)
    return scores


def policy_forest(task: Task, seed: int, jobs: int) -> np.ndarray | None:
    """EconML's DRPolicyForest chooses the cell; within it, the action that did best for everybody."""
    python = ECONML / ".venv" / "bin" / "python"
    if not python.exists():
        return None
    T = task.training
    codes = T.actions.codes[:, [0, -1]] if len(T.actions.shape) > 1 else T.actions.codes
    cells, cell = np.unique(codes, axis=0, return_inverse=True)
    if len(cells) > _MOST_CELLS:
        cells, cell = np.unique(codes[:, :1], axis=0, return_inverse=True)
    cell = cell.reshape(-1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        T.context.assign(__action=cell[T.action], __reward=T.reward).to_parquet(folder / "log.parquet")
        task.test.to_parquet(folder / "test.parquet")
        (folder / "settings.json").write_text(json.dumps({"n_actions": len(cells), "seed": seed}))
        subprocess.run(
            [str(python), str(ECONML / "learn.py"), str(folder)], check=True, env={"PATH": os.environ["PATH"]}
        )
        chosen = np.load(folder / "scores.npy")
    constant = best_constant(task, seed, jobs)
    return chosen[:, cell] + 1e-9 * constant / max(float(np.abs(constant).max()), 1e-12)


def _vowpal(task: Task, mode: str, rate: float) -> np.ndarray | None:
    python = VW / ".venv" / "bin" / "python"
    T = task.training
    if not python.exists() or (mode != "logistic" and T.propensity is None):
        return None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        T.context.assign(
            __action=T.action,
            __reward=T.reward / max(T.reward.max(), 1e-12),
            __propensity=1.0 if T.propensity is None else T.propensity,
        ).to_parquet(folder / "log.parquet")
        task.test.head(1_500).to_parquet(folder / "test.parquet")
        T.actions.to_frame().to_parquet(folder / "actions.parquet")
        (folder / "settings.json").write_text(json.dumps({"mode": mode, "rate": rate}))
        subprocess.run([str(python), str(VW / "learn.py"), str(folder)], check=True, env={"PATH": os.environ["PATH"]})
        return np.load(folder / "scores.npy")


LEARNERS: dict[str, Callable[[Task, int, int], np.ndarray | None]] = {
    "ours": ours,
    "trees-tuned": trees_tuned,
    "trees-default": trees_default,
    "vw-logistic": lambda task, seed, jobs: _vowpal(task, "logistic", 0.3),  # noqa: ARG005
    "vw-cb-mtr": lambda task, seed, jobs: _vowpal(task, "mtr", 0.5),  # noqa: ARG005
    "vw-cb-dr": lambda task, seed, jobs: _vowpal(task, "dr", 0.5),  # noqa: ARG005
    "econml-dr-forest": policy_forest,
    "dr-labels": dr_labels,
    "ipw-logistic": ipw_logistic,
    "segment": best_per_segment,
    "constant": best_constant,
    "seed-rules": rules_of_the_trade,
    "uniform": lambda task, seed, jobs: np.random.default_rng(seed).random(task.truth.shape),  # noqa: ARG005
}
_ABSOLUTE = {"ours", "trees-tuned", "trees-default", "constant", "segment"}


def measure(task: Task, scores: np.ndarray, *, absolute: bool) -> dict[str, float]:
    truth, logging = task.truth[: len(scores)], task.logging[: len(scores)]
    rows = np.arange(len(scores))
    base, oracle = (truth * logging).sum(axis=1).mean(), truth.max(axis=1).mean()

    def captured(of: np.ndarray) -> float:
        return float((truth[rows, of.argmax(axis=1)].mean() - base) / (oracle - base))

    result = {"captured": captured(scores)}
    result["share"] = result["captured"] / (1.0 if task.ceiling is None else captured(task.ceiling[: len(scores)]))
    if absolute:
        result["calibration"] = float(scores.max(axis=1).mean() / truth[rows, scores.argmax(axis=1)].mean() - 1)
        random = np.random.default_rng(0).integers(0, truth.shape[1], len(scores))
        predicted, true = scores[rows, random], truth[rows, random]
        parts = np.array_split(np.argsort(predicted), 10)
        result["decile"] = float(
            np.mean(
                [abs(predicted[p].mean() - true[p].mean()) / max(true[p].mean(), 0.05 * true.mean()) for p in parts]
            )
        )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--learners", nargs="+", choices=list(LEARNERS), default=list(LEARNERS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--members", action="store_true", help="also each member of our stack alone")
    add_quick(parser, rows=1_500, seeds=1, tasks=["additive"], learners=["ours"])
    arguments = parser.parse_args()
    print("| task | learner | captured | share of ceiling | calibration | decile error | CPU s |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.tasks:
        found: dict[str, list[dict[str, float]]] = {}
        for seed in range(arguments.seeds):
            task = TASKS[name](arguments.rows, seed)
            for learner in arguments.learners:
                start = time.process_time() + sum(os.times()[2:4])
                if learner == "ours" and arguments.members:
                    by_name = our_members(task, seed, arguments.jobs)
                elif (scores := LEARNERS[learner](task, seed, arguments.jobs)) is None:
                    continue
                else:
                    by_name = {learner: scores}
                seconds = time.process_time() + sum(os.times()[2:4]) - start
                for row, scored in by_name.items():
                    absolute = learner in _ABSOLUTE and (row == learner or task.training.reward_kind == "binary")
                    found.setdefault(row, []).append(measure(task, scored, absolute=absolute) | {"cpu": seconds})
        for learner, results in found.items():
            table = pd.DataFrame(results)
            mean, spread = table.mean(), table.std().fillna(0.0)
            cells = [
                f"{mean[c]:.3f} ± {spread[c]:.3f}" if c in table else ""
                for c in ("captured", "share", "calibration", "decile")
            ]
            print(f"| {name} | {learner} | " + " | ".join(cells) + f" | {mean['cpu']:.0f} |", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"\npeak memory of the whole run, peers in their own processes left out: {peak:.2f} GiB")


if __name__ == "__main__":
    main()
