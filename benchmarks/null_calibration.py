"""How often the whole path, from log to verdict, claims a gain where nothing can be gained.

    OMP_NUM_THREADS=1 python benchmarks/null_calibration.py [--logs 400] [--jobs 2] [--rows 1000] [--settings 0 3]

Eight settings: propensities logged or not x accounts with several decisions or none x times or none. Rewards depend on
the context and on the account, never on the action, so every policy is worth the same. ``experiment(log)`` splits,
trains and judges; counted are its claims against each baseline and its verdict ("all": better than every baseline).
Nominal is 2.5 % a side; the mark is 4 %. The strategy is learnt by one small tree and served nearly greedily, so that
hundreds of logs can be afforded; everything else is the path of every strategy (``--learner default``: that, too).
``--refit`` judges a strategy on the very log it was trained on instead, which refits it by folds.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from itertools import product

import numpy as np
import pandas as pd
from scipy.special import expit, softmax
from sklearn.tree import DecisionTreeClassifier

from recommender.actions import ActionSpace
from recommender.history import LoggedFeedback
from recommender.proof import evaluate_policy, experiment
from recommender.strategy import ContactStrategy

SPACE = ActionSpace({"channel": ["sms", "call", "mail"], "tone": ["soft", "firm"]})
VERDICTS = ("better", "worse", "refused")
SETTINGS = list(product((True, False), (False, True), (False, True)))


def null_log(setting: int, seed: int, n: int) -> LoggedFeedback:
    """A log in which the action does nothing, written by a logger that looks at the context."""
    propensities, accounts, times = SETTINGS[setting]
    rng = np.random.default_rng([setting, seed, 77])
    account = np.sort(rng.integers(0, n // 4, n)) if accounts else np.arange(n)
    effect = rng.normal(scale=0.6, size=n)[account] if accounts else np.zeros(n)
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "kind": rng.choice(["a", "b", "c"], n)})
    mu = softmax(frame[["x", "z"]].to_numpy() @ rng.normal(scale=0.4, size=(2, len(SPACE))), axis=1)
    action = (mu.cumsum(axis=1) > rng.random((n, 1)) * (1 - 1e-12)).argmax(axis=1)
    frame = pd.concat([frame, SPACE.describe(action)], axis=1)
    chance = expit(-1.4 + 0.6 * frame["x"] - 0.3 * (frame["kind"] == "b") + effect)
    frame["reward"] = (rng.random(n) < chance).astype(int)
    roles = {}
    if propensities:
        frame["p"], roles["propensity"] = mu[np.arange(n), action], "p"
    if accounts:
        frame["id"], roles["account"] = account, "id"
    if times:
        frame["day"], roles["time"] = rng.integers(0, 90, n), "day"
    return LoggedFeedback.from_frame(frame, actions=SPACE, context=["x", "z", "kind"], **roles)


def learner(name: str, seed: int) -> ContactStrategy:
    """The default strategy, or one small tree whose best action is nearly always taken."""
    if name == "default":
        return ContactStrategy(n_jobs=1, random_state=seed)
    tree = DecisionTreeClassifier(min_samples_leaf=20, random_state=seed)
    return ContactStrategy(n_jobs=1, random_state=seed, temperature=1e-3, reward_model=tree)


def one_log(setting: int, seed: int, n: int, refit: bool = False, name: str = "tree") -> list[dict[str, object]]:
    """Claims about one log."""
    log = null_log(setting, seed, n)
    strategy = learner(name, seed)
    if refit:
        verdicts = {"logging": evaluate_policy(log, strategy.fit(log), estimators=(), random_state=seed).verdict}
    else:
        report = experiment(log, strategy, estimators=(), random_state=seed)
        verdicts = {name: one.verdict for name, one in report.reports.items()} | {"all": report.verdict}
    return [{"setting": setting, "baseline": name, "verdict": verdict} for name, verdict in verdicts.items()]


def table_of(claims: pd.DataFrame) -> pd.DataFrame:
    """Shares of claims by setting and baseline, those of "better" with their Monte-Carlo error."""
    what = [
        f"{'logged' if p else 'no'} propensities, {'accounts' if a else 'rows'}, {'times' if t else 'no times'}"
        for p, a, t in (SETTINGS[setting] for setting in claims["setting"])
    ]
    both = pd.concat([claims.assign(what=what), claims.assign(what="all settings")])
    told = both.groupby(["what", "baseline"])["verdict"].agg(
        logs="size", **{word: lambda held, word=word: float((held == word).mean()) for word in VERDICTS}
    )
    error = np.sqrt(np.maximum(told["better"] * (1 - told["better"]), 0.0) / told["logs"])
    told.insert(2, "error", error)
    return told


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=400)
    parser.add_argument("--first", type=int, default=0, help="Seed of the first log.")
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--settings", type=int, nargs="*", default=list(range(len(SETTINGS))))
    parser.add_argument("--learner", choices=["tree", "default"], default="tree")
    parser.add_argument("--refit", action="store_true")
    parser.add_argument("--quick", action="store_true", help="Two logs a setting.")
    given = parser.parse_args()
    seeds = range(given.first, given.first + (2 if given.quick else given.logs))
    jobs = [(setting, seed, given.rows, given.refit, given.learner) for seed in seeds for setting in given.settings]
    if given.jobs > 1:
        with ProcessPoolExecutor(given.jobs) as pool:
            found = list(pool.map(one_log, *zip(*jobs, strict=True)))
    else:
        found = [one_log(*job) for job in jobs]
    claims = pd.DataFrame([claim for group in found for claim in group])
    pd.set_option("display.width", 160)
    print(f"{len(jobs)} logs of {given.rows:,} decisions\n{table_of(claims).round(3).to_string()}")


if __name__ == "__main__":
    main()
