"""Worlds by another hand than surfaces.py and small_worlds.py, where effects do not add up.

    .venv/bin/python benchmarks/other_worlds.py --rows 60000 --worlds dials --seeds 2

prints what this product and plain LightGBM, at its default settings and at 1,200 rounds of 31 leaves, capture of
(oracle - logger), mean prediction / mean truth - 1 on the best-scored action, and CPU seconds of one thread.

``tables``: sums of random decision trees over context and action together. ``ratios``: a ratio of two columns decides
the tone, an account's own window of hours who is reached, a payday who pays; gates for who has no phone or app.
``cliffs``: boxes of two columns by level of a factor, waves of the hour whose phase is a column, hard zeros. Counts,
skewed columns, columns that say nothing, values missing. ``dials``: five columns in hours, four of which matter by how
long after (or how near to) them a contact comes, in a product of saturating probabilities; joint thresholds, zeros.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
from quick import add_quick
from scipy.special import expit, softmax
from surfaces import LONG, trees

from recommender.actions import ActionSpace
from recommender.learning import RewardModel, TrainingSet
from recommender.simulation import simulate_surfaces
from recommender.simulation.captured import share_captured
from recommender.simulation.surfaces import SurfaceLaw

__all__ = ["WORLDS"]

Log = tuple[TrainingSet, pd.DataFrame, np.ndarray, np.ndarray]  # log, fresh accounts, their truth, what a logger does


def _log(
    rng: np.random.Generator,
    frame: pd.DataFrame,
    truth: np.ndarray,
    preference: np.ndarray,
    space: ActionSpace,
    n: int,
    base_rate: float,
) -> Log:
    for _ in range(12):  # what is cut off above is made up for below
        truth = np.minimum(truth * base_rate / truth.mean(), 0.95)
    logging = softmax(preference, axis=1)
    action = (rng.random(n)[:, None] > logging[:n].cumsum(axis=1)[:, :-1]).sum(axis=1)
    rows = np.arange(n)
    training = TrainingSet(
        context=frame[:n].reset_index(drop=True),
        categorical=(),
        actions=space,
        action=action.astype(np.int64),
        reward=(rng.random(n) < truth[rows, action]).astype(float),
        reward_kind="binary",
        propensity=logging[rows, action],
        groups=rows,
        order=rows.astype(float),
    )
    return training, frame[n:].reset_index(drop=True), truth[n:], logging[n:]


def tables(n: int, seed: int, m: int = 4_000) -> Log:
    """Forty random trees of depth four; a split asks for a column, a category or a group of levels of a factor."""
    law, rng, total = np.random.default_rng([seed, 811]), np.random.default_rng([seed, 812]), n + m
    space = ActionSpace(
        {"channel": ["voice", "text", "chat", "mail"], "hour": list(range(7, 22, 2)), "style": list("abcde")}
    )
    hidden = rng.normal(size=(total, 3))
    columns = []
    for j in range(14):
        x = 0.5 * hidden[:, j % 3] + rng.normal(size=total)
        columns.append((x, np.exp(x), np.round(3 * x), rng.poisson(np.exp(0.6 * x)).astype(float))[j % 4])
    numbers, categories = np.column_stack(columns), rng.integers(0, 7, (total, 3))
    numbers[rng.random(numbers.shape) < 0.08] = np.nan
    cuts = np.nanquantile(numbers, np.linspace(0.15, 0.85, 15), axis=0)
    score = np.zeros((total, len(space)))

    def grow(depth: int, accounts: np.ndarray, actions: np.ndarray) -> None:
        if depth == 0:
            score[np.ix_(accounts, actions)] += 0.33 * law.normal()
        elif law.random() < 0.42:
            factor = law.integers(0, 3)
            size, codes = space.shape[factor], space.codes[:, factor]
            right = (
                codes >= law.integers(1, size) if factor == 1 else np.isin(codes, law.permutation(size)[: size // 2])
            )
            grow(depth - 1, accounts, actions & right)
            grow(depth - 1, accounts, actions & ~right)
        else:
            if law.random() < 0.75:
                j = law.integers(0, 8)
                right = np.nan_to_num(numbers[:, j], nan=-1e9) > cuts[law.integers(0, 15), j]
            else:
                right = np.isin(categories[:, law.integers(0, 2)], law.permutation(7)[:3])
            grow(depth - 1, accounts & right, actions)
            grow(depth - 1, accounts & ~right, actions)

    for _ in range(40):
        grow(4, np.ones(total, dtype=bool), np.ones(len(space), dtype=bool))
    frame = pd.DataFrame(numbers, columns=[f"k{j}" for j in range(14)])
    for j in range(3):
        frame[f"c{j}"] = np.array(list("pqrstuv"))[categories[:, j]]
    for j in range(5):
        frame[f"z{j}"] = rng.normal(size=total)
    towards = np.nan_to_num(numbers[:, [0, 2]] / 3).clip(-2, 2)
    return _log(rng, frame, expit(score - 3), 0.3 * towards @ law.normal(size=(2, len(space))), space, n, 0.07)


def ratios(n: int, seed: int, m: int = 4_000) -> Log:
    """A tone by debt over income, an hour by when the account is free, a channel by age against score."""
    law, rng, total = np.random.default_rng([seed, 821]), np.random.default_rng([seed, 822]), n + m
    space = ActionSpace(
        {"channel": ["call", "sms", "whatsapp"], "hour": list(range(8, 20)), "tone": ["soft", "plain", "firm"]}
    )
    region, job = rng.integers(0, 12, total), rng.integers(0, 5, total)
    frame = pd.DataFrame(
        {
            "debt": np.exp(rng.normal(6, 1, total)),
            "income": np.exp(rng.normal(6.5, 0.8, total)),
            "days": rng.integers(0, 120, total).astype(float),
            "payday": rng.integers(1, 31, total).astype(float),
            "start": rng.choice([6.0, 9.0, 13.0, 16.0], total),
            "length": rng.integers(2, 7, total).astype(float),
            "phone": rng.random(total) < 0.8,
            "app": rng.random(total) < 0.6,
            "age": rng.integers(18, 80, total).astype(float),
            "score": rng.normal(size=total),
            "region": [f"r{r}" for r in region],
            "job": np.array(list("abcde"))[job],
        }
    )
    channel, hour, tone = space.codes.T
    free = (8 + hour[None] - frame["start"].to_numpy()[:, None]) % 24 < frame["length"].to_numpy()[:, None]
    free = np.where((job == law.integers(0, 5))[:, None], ~free, free)
    has_phone, has_app = frame["phone"].to_numpy()[:, None], frame["app"].to_numpy()[:, None]
    reach = np.where(free, 0.8, 0.12) * np.where(channel == 0, has_phone, np.where(channel == 2, has_app, 1.0))
    ratio = (frame["debt"] / frame["income"]).to_numpy()
    band = (ratio > law.uniform(0.3, 0.6)).astype(int) + (ratio > law.uniform(0.9, 1.6))
    pays = np.where((frame["payday"] - frame["days"]).to_numpy() % 30 < 6, 1.0, 0.35)
    engage = np.where(tone[None] == law.permutation(3)[band][:, None], 0.75, 0.2) * pays[:, None]
    young = ((frame["age"] < 40) ^ (frame["score"] > 0)).to_numpy()[:, None]
    by_region = np.where(channel[None] == law.permutation(3)[region % 3][:, None], 0.8, 0.3)
    willing = np.where(young, by_region, np.where(channel[None] == law.integers(0, 3), 0.75, 0.3))
    towards = np.column_stack([frame["score"], np.log(ratio)])
    for j in range(8):
        frame[f"noise{j}"] = rng.normal(size=total)
    frame.loc[rng.random(total) < 0.1, "income"] = np.nan
    frame.loc[rng.random(total) < 0.15, "age"] = np.nan
    preference = 0.5 * towards @ law.normal(size=(2, len(space)))
    return _log(rng, frame, reach * engage * willing, preference, space, n, 0.06)


def cliffs(n: int, seed: int, m: int = 4_000) -> Log:
    """A channel or a tone in a box of two columns, an hour by its distance to a column, channels shut for some."""
    law, rng, total = np.random.default_rng([seed, 901]), np.random.default_rng([seed, 902]), n + m
    space = ActionSpace({"channel": list("abcde"), "hour": list(range(7, 20)), "tone": list("wxyz")})
    numbers = rng.normal(size=(total, 16))
    numbers[:, 4:8] = np.exp(numbers[:, 4:8])
    peak, category = rng.uniform(0, 24, total), rng.integers(0, 6, total)
    channel, hour, tone = space.codes.T
    cuts = np.quantile(numbers, [0.25, 0.4, 0.6, 0.75], axis=0)
    score = np.zeros((total, len(space)))
    for _ in range(18):
        i, j = law.choice(10, 2, replace=False)
        of_i, of_j = law.integers(0, 4, 2)
        box = (numbers[:, i] > cuts[of_i, i]) & (numbers[:, j] > cuts[of_j, j])
        level = channel == law.integers(0, 5) if law.integers(0, 2) == 0 else tone == law.integers(0, 4)
        score += 1.1 * law.choice([-1, 1]) * np.outer(box, level)
    score += 0.9 * np.cos(2 * np.pi * ((7 + hour)[None] - peak[:, None]) / 12)
    score += 0.5 * law.normal(size=(6, 4))[category][:, tone]
    shut = np.outer(category == 2, channel == 1) | np.outer(numbers[:, 4] < cuts[1, 4], channel == 3)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    frame = pd.DataFrame(numbers, columns=[f"v{j}" for j in range(16)])
    frame["peak"] = np.round(peak, 1)
    frame["cat"] = np.array(list("klmnop"))[category]
    preference = 0.3 * np.nan_to_num(numbers[:, :2]) @ law.normal(size=(2, len(space)))
    return _log(rng, frame, np.where(shut, 0.0, expit(score - 3.2)), preference, space, n, 0.06)


def _circle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    ahead = np.mod(a - b, 24.0)
    return np.minimum(ahead, 24.0 - ahead)


def _columns_of_dials(law: np.random.Generator, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Twenty numbers, five of them in hours, 5 to 20 % of each missing."""
    frame = pd.DataFrame(
        {
            "wake_hour": np.round(np.mod(rng.normal(7, 1.5, n) + 8 * (rng.random(n) < 0.15), 24), 1),
            "answer_hour": np.round(2 * np.mod(rng.normal(np.where(rng.random(n) < 0.5, 12, 19), 3, n), 24)) / 2,
            "pay_hour": np.round(rng.uniform(6, 23, n)),
            "read_hour": np.round(np.mod(rng.normal(21, 4, n), 24), 1),
            "last_hour": rng.integers(8, 21, n).astype(float),  # says nothing
            "days": np.round(rng.gamma(1.5, 40, n)),
            "balance": np.exp(rng.normal(6, 1.1, n)),
            "income": np.exp(rng.normal(7, 0.7, n)),
            "age": rng.integers(18, 80, n).astype(float),
            "tenure": rng.exponential(24, n),
            "promises": rng.poisson(1.3, n).astype(float),
            "score": rng.normal(600, 80, n),
            "share": rng.beta(2, 2, n),
            "calls": rng.poisson(4, n).astype(float),
        }
    )
    for j in range(6):
        frame[f"z{j}"] = rng.normal(size=n)
    for column in frame.columns:
        frame.loc[rng.random(n) < law.uniform(0.05, 0.2), column] = np.nan
    return frame


def dials(n: int, seed: int, m: int = 4_000) -> Log:
    """Reached near an own hour, awake, after a payment: hours on a dial; who engages and is willing: thresholds."""
    law, rng, total = np.random.default_rng([seed, 911]), np.random.default_rng([seed, 912]), n + m
    space = ActionSpace({"channel": list("abcde"), "hour": list(range(8, 21)), "tone": list("wxyz")})
    frame = _columns_of_dials(law, rng, total)
    spread = np.nan_to_num(3.4 * (frame.rank(pct=True).to_numpy() - 0.5))[:, 5:18]  # the last two say nothing
    channel, tone = space.codes[:, 0], space.codes[:, 2]
    hour = (8.0 + space.codes[:, 1])[None]
    segment, region = rng.integers(0, 3, total), rng.integers(0, 8, total)

    def joint(targets: int) -> np.ndarray:
        found = np.zeros((total, targets))
        for target in range(targets):
            for _ in range(3):
                sides = law.choice(spread.shape[1], law.integers(1, 4), replace=False)
                over = spread[:, sides] * law.choice([-1, 1], len(sides)) > law.uniform(-1, 0.3, len(sides))
                found[:, target] += law.choice([-1, 1], p=(0.35, 0.65)) * law.uniform(0.8, 1.6) * over.all(axis=1)
        return found - found.mean(axis=0)

    def product(targets: int) -> np.ndarray:
        pairs = [law.choice(spread.shape[1], 2, replace=False) for _ in range(targets)]
        return np.tanh(np.column_stack([law.choice([-1, 1]) * spread[:, i] * spread[:, j] for i, j in pairs]))

    reach = 0.8 * joint(5)[:, channel] - 0.6
    width = law.uniform(2, 4, 5)[channel]
    for column, channels, height in (("answer_hour", (0, 1, 2), 2.4), ("read_hour", (2, 3, 4), 2.0)):
        near = np.exp(-0.5 * (_circle(hour, frame[[column]].to_numpy()) / width) ** 2)
        reach += height * np.where(np.isnan(near), 0.35, near) * np.isin(channel, channels)
    awake = np.nan_to_num(np.mod(hour - frame[["wake_hour"]].to_numpy(), 24), nan=5.0)
    paid = np.nan_to_num(np.mod(hour - frame[["pay_hour"]].to_numpy(), 24), nan=12.0) < 4
    truth = expit(reach) * np.where((awake > 14.5) & (channel == 0), 0.0, np.where(awake < 1.5, 0.5, 1.0))
    truth *= expit(1.5 * paid * np.isin(tone, (0, 2)) + (joint(4) + product(4))[:, tone] - 0.7)
    truth *= 1 - np.exp(-np.exp(0.7 * (joint(20) + product(20))[:, channel * 4 + tone] - 0.4))
    for shut in (1, 2, 3):
        behind = (spread[:, law.integers(spread.shape[1])] > law.uniform(0.8, 1.2)) & (segment != law.integers(3))
        truth[np.ix_(behind, channel == shut)] = 0.0
    preference = 0.2 * spread[:, :2] @ law.normal(size=(2, len(space)))
    frame["segment"], frame["region"] = np.array(list("klm"))[segment], np.array(list("abcdefgh"))[region]
    frame["product"] = np.array(list("wxyz"))[rng.integers(0, 4, total)]
    frame["app"], frame["joint_debt"] = rng.random(total) < 0.5, rng.random(total) < 0.2
    return _log(rng, frame, truth, preference, space, n, 0.06)


def _surface(n: int, seed: int, law: SurfaceLaw) -> Log:
    log = simulate_surfaces(n, law=law, seed=seed)
    contacts, rows = log.contacts, np.arange(n)
    training = TrainingSet(
        context=contacts[log.context],
        categorical=tuple(log.categorical),
        actions=log.actions,
        action=log.actions.index_of(contacts).astype(np.int64),
        reward=contacts["reward"].to_numpy(float),
        reward_kind="binary",
        propensity=contacts["propensity"].to_numpy(float),
        groups=rows,
        order=rows.astype(float),
    )
    return training, log.accounts[log.context], log.truth, log.logging


WORLDS: dict[str, Callable[[int, int], Log]] = {
    "tables": tables,
    "ratios": ratios,
    "cliffs": cliffs,
    "dials": dials,
    "thresholds": lambda n, seed: _surface(n, seed, "thresholds"),
    "products": lambda n, seed: _surface(n, seed, "products"),
    "rhythms": lambda n, seed: _surface(n, seed, "rhythms"),
    "gates": lambda n, seed: _surface(n, seed, "gates"),
    "mixed": lambda n, seed: _surface(n, seed, "mixed"),
}


def scores_of(learner: str, training: TrainingSet, fresh: pd.DataFrame, seed: int) -> np.ndarray:
    """Expected rewards of fresh accounts, by this product or by LightGBM."""
    if learner == "ours":
        return RewardModel().fit(training, n_jobs=1, random_state=seed).expected_reward(fresh)
    long = LONG if learner == "trees-1200x31" else {}
    return trees(
        training.context,
        training.categorical,
        training.actions,
        training.action,
        training.reward,
        fresh,
        **long,
    )


def main() -> None:
    """Run the grid and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--worlds", nargs="+", default=["dials", "ratios", "cliffs", "tables"])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--learners", nargs="+", default=["trees-default", "trees-1200x31", "ours"])
    add_quick(parser, rows=1_500, worlds=["dials"], seeds=1)
    asked = parser.parse_args()
    print("| world | seed | learner | captured | promise | CPU s |\n|---|---|---|---|---|---|")
    for world in asked.worlds:
        for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
            training, fresh, truth, logging = WORLDS[world](asked.rows, seed)
            for learner in asked.learners:
                start = time.process_time()
                scores = scores_of(learner, training, fresh, seed)
                spent, captured = time.process_time() - start, share_captured(scores, truth, logging)
                best = np.take_along_axis(truth, scores.argmax(axis=1)[:, None], axis=1)
                promise = scores.max(axis=1).mean() / best.mean() - 1
                print(f"| {world} | {seed} | {learner} | {captured:.3f} | {promise:+.2f} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    main()
