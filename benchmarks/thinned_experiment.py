"""Thin a randomised experiment into a confounded log whose truth is known: the experiment's own arm means.

    OMP_NUM_THREADS=1 python benchmarks/thinned_experiment.py [--hillstrom PATH/hillstrom.csv.gz] [--draws 20]

A row stays with probability mu(a|x) / (p0(a) M), M the largest ratio: contexts keep their law, the logged propensity
is mu(a|x), and the value of "always arm a" is the experiment's mean of that arm. The naive mean of the thinned log is
wrong on purpose. Without --hillstrom the experiment is a simulated one of the same shape. Every draw is evaluated with
the propensities logged and with the column dropped, so that they are estimated.

The last lines ask for a policy that picks the arm by subgroup, learnt on one half of the thinned log and judged on the
other against the best constant arm: the gate must refuse a claim of 3 points, more than any subgroup policy can gain.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from quick import add_quick
from scipy.special import softmax

from recommender.actions import ActionSpace
from recommender.evaluation.gate import decide
from recommender.history import LoggedFeedback, ProtectedAttributeWarning
from recommender.proof.off_policy import OffPolicyEvaluator

ARMS = ("none", "womens", "mens")
SPACE = ActionSpace({"segment": list(ARMS)})
CONTEXT = ["recency", "history", "newbie", "bought_mens", "bought_womens", "channel", "zip_code"]
CLAIM = 0.03


def simulated(n: int = 64_000, seed: int = 5) -> pd.DataFrame:
    """A three-arm experiment by design 1/3 each; the best constant arm is nearly the best policy."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "recency": rng.integers(1, 13, n),
            "history": np.round(rng.exponential(240, n), 2),
            "newbie": rng.integers(0, 2, n),
            "bought_mens": rng.integers(0, 2, n),
            "bought_womens": rng.integers(0, 2, n),
            "channel": rng.choice(["Phone", "Web", "Multichannel"], n, p=[0.44, 0.44, 0.12]),
            "zip_code": rng.choice(["Urban", "Suburban", "Rural"], n, p=[0.4, 0.45, 0.15]),
        }
    )
    arm = rng.integers(0, 3, n)
    base = 0.14 + 0.03 * (frame["recency"] < 6) + 0.02 * (frame["channel"] == "Multichannel") - 0.03 * frame["newbie"]
    lift = np.column_stack([np.zeros(n), 0.03 + 0.04 * frame["bought_womens"], 0.07 + 0.01 * frame["bought_mens"]])
    frame["segment"] = np.array(ARMS)[arm]
    frame["visit"] = (rng.random(n) < base + lift[np.arange(n), arm]).astype(float)
    return frame


def hillstrom(path: Path) -> pd.DataFrame:
    """Read the MineThatData e-mail challenge; its repeated rows are customers of their own and stay."""
    frame = pd.read_csv(path).rename(columns={"mens": "bought_mens", "womens": "bought_womens"})
    arm = {"No E-Mail": "none", "Womens E-Mail": "womens", "Mens E-Mail": "mens"}
    return frame.assign(segment=frame["segment"].map(arm), visit=frame["visit"].astype(float))[
        [*CONTEXT, "segment", "visit"]
    ]


def thin(frame: pd.DataFrame, rng: np.random.Generator) -> LoggedFeedback:
    """One log that a policy with a floor could have written: mens to recent and rich, none to others."""
    arm = frame["segment"].map({name: code for code, name in enumerate(ARMS)}).to_numpy()
    tilt = np.column_stack(
        [0.12 * (frame["recency"] - 6), 0.8 * frame["bought_womens"], 0.4 * np.log1p(frame["history"] / 100)]
    )
    mu = 0.1 + 0.7 * softmax(tilt, axis=1)
    own = mu[np.arange(len(frame)), arm]
    part = frame.loc[rng.random(len(frame)) < own / mu.max()].copy()
    part["p"] = own[part.index]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ProtectedAttributeWarning)
        return LoggedFeedback.from_frame(part, actions=SPACE, context=CONTEXT, reward="visit", propensity="p")


def by_subgroup(log: LoggedFeedback) -> np.ndarray:
    """Arm by subgroup (what was bought before, new or not), learnt on even rows for odd ones and vice versa."""
    cell = (log.context[["bought_mens", "bought_womens", "newbie"]].to_numpy() @ [1, 2, 4]).astype(int)
    half = np.arange(len(log)) % 2
    weight = 1 / (log.propensity if log.propensity is not None else np.ones(len(log)))
    policy = np.zeros((len(log), 3))
    for side in (0, 1):
        table = np.full((8, 3), -np.inf)
        for group in range(8):
            for arm in range(3):
                rows = (half == side) & (cell == group) & (log.action == arm)
                if rows.any():
                    table[group, arm] = np.average(log.reward[rows], weights=weight[rows])
        at = np.flatnonzero(half != side)
        policy[at, table[cell[at]].argmax(axis=1)] = 1.0
    return policy


def main() -> None:
    """Print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hillstrom", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    add_quick(parser, draws=1)
    options = parser.parse_args()
    frame = simulated() if options.hillstrom is None else hillstrom(options.hillstrom)
    truth = frame.groupby("segment")["visit"].agg(["mean", "sem"])
    rows, gates = [], []
    for draw in range(options.draws):
        log = thin(frame, np.random.default_rng(draw))
        for logged in (True, False):
            seen = log if logged else replace(log, propensity=None)
            evaluator = OffPolicyEvaluator(seen, n_folds=3, random_state=draw)
            for code, arm in enumerate(ARMS):
                report = evaluator.evaluate(np.eye(3)[np.full(len(log), code)], estimators=("ips", "dr", "dm"))
                table = report.to_frame().set_index("estimator")
                error = (table.loc["dr", "ci_high"] - table.loc["dr", "ci_low"]) / 3.92
                rows.append(
                    {"propensities": "logged" if logged else "estimated", "arm": arm, "rows": len(log)}
                    | {"naive": log.reward[log.action == code].mean()}
                    | {name: table.loc[name, "value"] for name in ("ips", "dr", "dm", "adaptive_dr")}
                    | {"within": abs(table.loc["dr", "value"] - truth.loc[arm, "mean"]) <= 2 * error}
                    | {
                        "held": table.loc["adaptive_dr", "ci_low"]
                        <= truth.loc[arm, "mean"]
                        <= table.loc["adaptive_dr", "ci_high"]
                    }
                )
            constant = np.eye(3)[np.full(len(log), ARMS.index(str(truth["mean"].idxmax())))]
            report = evaluator.evaluate(by_subgroup(log), constant, estimators=())
            decision = decide(report, claimed_gain=CLAIM)
            gates.append((logged, report.difference.value, report.difference.high, report.verdict, decision.accepted))
    found = pd.DataFrame(rows)
    print(
        f"{len(frame):,} rows of the experiment, {found['rows'].mean():,.0f} kept on average, {options.draws} draws\n"
    )
    heads = ["propensities", "arm", "truth", "naive", "ips", "dr", "dm", "adaptive_dr", "sd of dr", "bias of dr / sd"]
    print("| " + " | ".join([*heads, "dr within 2 sd", "interval holds"]) + " |")
    print("|---" * 12 + "|")
    for (kind, arm), part in found.groupby(["propensities", "arm"], sort=False):
        means = part[["naive", "ips", "dr", "dm", "adaptive_dr"]].mean()
        spread = part["dr"].std()
        bias = abs(means["dr"] - truth.loc[arm, "mean"]) / spread
        print(
            f"| {kind} | {arm} | {truth.loc[arm, 'mean']:.4f} | "
            + " | ".join(f"{mean:.4f}" for mean in means)
            + f" | {spread:.4f} | {bias:.2f} | {part['within'].mean():.0%}"
            + f" | {part['held'].mean():.0%} |"
        )
    print(f"\nArm by subgroup against the best constant arm, a gain of {CLAIM:+.2f} claimed:")
    for logged in (True, False):
        own = [gate for gate in gates if gate[0] == logged]
        print(
            f"  propensities {'logged' if logged else 'estimated'}: difference {np.mean([g[1] for g in own]):+.4f}, "
            f"verdicts {pd.Series([g[3] for g in own]).value_counts().to_dict()}, "
            f"passed the gate {sum(g[4] for g in own)} of {len(own)}"
        )


if __name__ == "__main__":
    main()
