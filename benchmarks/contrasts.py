"""How well it is known which of two actions earns more: P(A beats B) against the truth, and what is decided.

    .venv/bin/python benchmarks/contrasts.py --rows 60000 --tasks additive joint surfaces:thresholds habits:smooth

Pairs of each fresh account: the best action against the best one of another first factor (``lead``), against a random
one (``top``), and two random ones (``random``). One log is one draw of what a model may get wrong, so with several
seeds the pairs of all logs are judged together, too. Printed for each kind: the largest gap between P and share of wins
over ten bins of P that hold at least 40 pairs, the share of pairs that are decided at 95 %, how many of those wrongly,
the share called as good as each other, and of those how many truly lie within a tenth. Two actions that truly earn the
same (nothing, where a channel is shut) have no winner: they are left out of the first three, and printed is how many
there are and how many of them were decided.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from decision_quality import TASKS
from quick import add_quick

from recommender import ContactStrategy
from recommender.learning import JointBelief, RewardModel
from recommender.simulation import simulate_habits, simulate_surfaces

_PRINTED = ("gap", "decided", "wrong", "alike", "truly alike", "tied", "tied, decided")
_AT_ONCE = 250  # accounts: a root of the covariance takes some 30 numbers an action of each


def fitted(name: str, rows: int, seed: int) -> tuple[RewardModel, np.ndarray, np.ndarray]:
    """Model, encoded fresh accounts, and their true rewards given everything observable."""
    kind, _, law = name.partition(":")
    if kind in {"surfaces", "habits"}:
        log = simulate_surfaces(rows, law=law, seed=seed) if kind == "surfaces" else None
        log = log or simulate_habits(rows // 20, 20, law=law, seed=seed)
        strategy = ContactStrategy(n_jobs=1, random_state=seed).fit(log.feedback())
        context = strategy.context_of(log.accounts, None, None)
        truth = log.truth if kind == "surfaces" else log.ceiling
        return strategy.reward_model_, strategy.reward_model_.encoder.transform(context), truth
    task = TASKS[name](rows, seed)
    model = RewardModel().fit(task.training, n_jobs=1, random_state=seed)
    return model, model.encoder.transform(task.test), task.truth if task.ceiling is None else task.ceiling


def pairs(belief: JointBelief, first_factor: np.ndarray, rng: np.random.Generator) -> dict[str, tuple]:
    """Pairs of actions by kind."""
    rewards = belief.expected_reward
    top = rewards.argmax(axis=1)
    same = first_factor[None] == first_factor[top][:, None]
    a, b = rng.integers(0, rewards.shape[1], (2, len(rewards)))
    return {"lead": (top, np.where(same, -np.inf, rewards).argmax(axis=1)), "top": (top, a), "random": (a, b)}


def contrasted(
    model: RewardModel, X: np.ndarray, truth: np.ndarray, seed: int, accounts: int
) -> dict[str, pd.DataFrame]:
    """What is told of the pairs of fresh accounts and what is true of them, by kind of pair."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[pd.DataFrame]] = {}
    for start in range(0, min(accounts, len(X)), _AT_ONCE):
        part = X[start : start + _AT_ONCE]
        belief = model.joint_belief(part)
        at = np.arange(start, start + len(part))
        for kind, (a, b) in pairs(belief, model.actions_.codes[:, 0], rng).items():
            told = belief.difference(a, b)
            real, size = truth[at, a] - truth[at, b], np.maximum(truth[at, a], truth[at, b])
            frame = pd.DataFrame({"p": told.p_better, "standing": told.standing, "real": real, "size": size})
            found.setdefault(kind, []).append(frame[a != b])
    return {kind: pd.concat(frames) for kind, frames in found.items()}


def figures(pairs: pd.DataFrame) -> dict[str, float]:
    """What is printed, of one kind of pair."""
    tied = (pairs["real"] == 0).to_numpy()
    decided_ties = pairs["standing"][tied].isin(["better", "worse"])
    every, pairs = len(pairs), pairs[~tied]
    win = (pairs["real"] > 0).to_numpy()
    bins = np.minimum((10 * pairs["p"]).astype(int), 9)
    gaps = [abs(pairs["p"][bins == b].mean() - win[bins == b].mean()) for b in range(10) if (bins == b).sum() >= 40]
    decided = pairs["standing"].isin(["better", "worse"]).to_numpy()
    wrong = np.where(pairs["standing"] == "better", ~win, win)[decided]
    alike = (pairs["standing"] == "as good as").to_numpy()
    near = (pairs["real"].abs() <= 0.1 * pairs["size"]).to_numpy()[alike]
    return {
        "gap": max(gaps, default=np.nan),
        "decided": decided.mean(),
        "wrong": wrong.mean() if decided.any() else np.nan,
        "alike": alike.mean(),
        "truly alike": near.mean() if alike.any() else np.nan,
        "tied": tied.sum() / max(every, 1),
        "tied, decided": decided_ties.mean() if tied.any() else np.nan,
    }


def main() -> None:
    """Run the grid and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--tasks", nargs="+", default=["additive", "joint", "surfaces:thresholds", "habits:smooth"])
    add_quick(parser, rows=1_500, seeds=1, accounts=100, tasks=["additive"])
    asked = parser.parse_args()
    columns = "task seed pairs largest_gap_of_P decided of_those_wrong as_good_as within_a_tenth tied of_those_decided"
    print("| " + " | ".join(columns.split()).replace("_", " ") + " |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in asked.tasks:
        found: dict[str, list[pd.DataFrame]] = {}
        for seed in range(asked.seeds):
            told = contrasted(*fitted(name, asked.rows, seed), seed, asked.accounts)
            for kind, frame in told.items():
                found.setdefault(kind, []).append(frame)
                print(printed(name, str(seed), kind, frame), flush=True)
        for kind, frames in found.items() if asked.seeds > 1 else ():
            print(printed(name, "all", kind, pd.concat(frames)), flush=True)


def printed(name: str, seed: str, kind: str, pairs: pd.DataFrame) -> str:
    """A row of the table."""
    row = figures(pairs)
    return f"| {name} | {seed} | {kind} | " + " | ".join(f"{row[key]:.1%}" for key in _PRINTED) + " |"


if __name__ == "__main__":
    main()
