"""What a log says whose logger and whose debtors changed together, when no column of the context holds the time.

    OMP_NUM_THREADS=1 python benchmarks/unrecorded_time.py [--logs 8] [--rows 4000] [--without-time]

Replies rise over the log while the logger turns to its last arm, or (every second log) gets that arm only after two
fifths of it. Every arm is asked for, without propensities. ``--without-time`` hides the log's time, as if nobody had
written it down: what the package, too, believed before the period was part of support and nuisance models.
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from quick import add_quick
from scipy.special import expit, softmax

from recommender.actions import ActionSpace
from recommender.history import LoggedFeedback
from recommender.proof import OffPolicyEvaluator

ARMS = ("first", "second", "last")


def answers_of(seed: int, n: int, with_time: bool) -> list[dict[str, object]]:
    """Ask one log for every arm."""
    rng = np.random.default_rng([seed, 41])
    moment = np.sort(rng.random(n))
    frame = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n), "kind": rng.choice(list("abcd"), n)})
    numbers = frame[["x", "z"]].to_numpy()
    gain = rng.normal(scale=0.25, size=3) + numbers @ rng.normal(scale=0.25, size=(2, 3))
    rise = 2.5 * (moment - 0.5)
    chance = expit(-1.7 + (numbers @ rng.normal(scale=0.4, size=2) + rise)[:, None] + gain - gain.mean())
    logging = 0.04 + 0.88 * softmax(numbers @ rng.normal(scale=0.5, size=(2, 3)), axis=1)
    late = bool(seed % 2)
    logging[:, 2] *= np.where(moment < 0.4, 0.0, 1.0) if late else np.where(moment < 0.5, 0.4, 2.5)
    logging /= logging.sum(axis=1, keepdims=True)
    action = (logging.cumsum(axis=1) > rng.random((n, 1)) * (1 - 1e-12)).argmax(axis=1)
    frame["reward"] = (rng.random(n) < chance[np.arange(n), action]).astype(int)
    frame = frame.assign(arm=np.array(ARMS)[action], day=np.floor(180 * moment))
    log = LoggedFeedback.from_frame(
        frame,
        actions=ActionSpace({"arm": list(ARMS)}),
        context=["x", "z", "kind"],
        time="day" if with_time else None,
    )
    evaluator, logged = OffPolicyEvaluator(log), float((logging * chance).sum(axis=1).mean())
    answers: list[dict[str, object]] = []
    for arm in range(3):
        report = evaluator.evaluate(np.eye(3)[np.full(n, arm)], estimators=())
        true = float(chance[:, arm].mean()) - logged
        claimed, gap = report.verdict in ("better", "worse"), report.difference
        answers.append(
            {
                "log": "an arm that came late" if late else "an arm that became the fashion",
                "tried": "always" if (logging[:, arm] > 0).all() else "late",
                "refused": report.verdict == "refused",
                "claimed": claimed,
                "wrong side": claimed and (report.verdict == "better") != (true > 0),
                "truth outside": report.verdict != "refused" and not gap.low <= true <= gap.high,
            }
        )
    return answers


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=int, default=8)
    parser.add_argument("--rows", type=int, default=4_000)
    parser.add_argument("--without-time", action="store_true")
    add_quick(parser, logs=2, rows=2_000)
    given = parser.parse_args()
    answers = pd.DataFrame(
        [answer for seed in range(given.logs) for answer in answers_of(seed, given.rows, not given.without_time)]
    )
    told = answers.groupby(["log", "tried"]).agg(
        questions=("refused", "size"),
        **{name: (name, "sum") for name in ("refused", "claimed", "wrong side", "truth outside")},
    )
    print(told.to_string())


if __name__ == "__main__":
    main()
