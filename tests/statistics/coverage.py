"""Coverage and error of the default estimator over many simulated logs; run as a module it writes the table.

``python -m tests.statistics.coverage --logs 1000 --jobs 2 --keep /tmp/coverage > table.md``

With ``--keep`` each finished log is appended to a file of its setting, so that a run that was cut continues where it
stopped; results of other versions of the code are left aside.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax as plain_softmax
from scipy.stats import norm

from recommender import evaluation
from recommender.evaluation import evaluate
from tests.evaluation.world import World, arguments, crossfit_ridge

PEERS = ("ips", "snips", "dm", "dr", "sndr", "switch_dr", "dros")
MODERATE = {"shape": (3, 4, 2), "logger": 0.2}
WEAK = {"shape": (3, 4, 2), "logger": 0.45, "explore": 0.03}
WIDE = {"shape": (4, 6, 4), "logger": 0.2, "effect": 0.35}


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    name: str
    n: int
    target: str
    known: bool
    world: dict[str, Any] = field(default_factory=dict)
    seed: int = 11


SETTINGS = (
    Setting("known", 2_000, "soft", True, MODERATE),
    Setting("known", 4_000, "greedy", True, MODERATE),
    Setting("known", 10_000, "soft", True, MODERATE, 12),
    Setting("known", 10_000, "greedy", True, MODERATE, 12),
    Setting("known, 96 actions", 5_000, "soft", True, WIDE, 13),
    Setting("known, 96 actions", 20_000, "greedy", True, WIDE, 13),
    Setting("known, amounts", 5_000, "soft", True, MODERATE | {"amount": True}, 14),
    Setting("known, weak overlap", 4_000, "soft", True, WEAK, 15),
    Setting("known, weak overlap", 10_000, "greedy", True, WEAK, 15),
    Setting("known", 50_000, "soft", True, MODERATE, 16),
    Setting("estimated", 2_000, "soft", False, MODERATE, 17),
    Setting("estimated", 10_000, "soft", False, MODERATE, 18),
    Setting("estimated", 10_000, "greedy", False, MODERATE, 18),
    Setting("estimated, weak overlap", 4_000, "soft", False, WEAK | {"explore": 0.0}, 19),
    Setting("estimated, weak overlap", 10_000, "greedy", False, WEAK | {"explore": 0.0}, 19),
)


def fitted_logger(x, codes, action, rng, n_folds=2, rounds=60):
    """Held-out factor-wise multinomial logistic propensities by accelerated gradient steps on whitened features."""
    n = len(x)
    folds = rng.integers(0, n_folds, n)
    out = np.ones((n, len(codes)))
    for fold in range(n_folds):
        train, held = folds != fold, folds == fold
        for j in range(codes.shape[1]):
            target = np.eye(codes[:, j].max() + 1)[codes[action[train], j]]
            weights = np.zeros((x.shape[1], target.shape[1]))
            ahead = weights
            for step in range(rounds):
                slope = x[train].T @ (plain_softmax(x[train] @ ahead, axis=1) - target) / train.sum() + 1e-3 * ahead
                moved = ahead - 1.6 * slope
                ahead, weights = moved + step / (step + 3) * (moved - weights), moved
            out[held] *= plain_softmax(x[held] @ weights, axis=1)[:, codes[:, j]]
    return out


def true_value(setting):
    """Value of the target and of the logging policy over the population of contexts."""
    world = World(seed=setting.seed, **setting.world)
    rng = np.random.default_rng(987_654)
    totals = np.zeros(2)
    for _ in range(8):
        x = world.contexts(50_000, rng)
        q = world.expected(x)
        pi = world.soft_target(x) if setting.target == "soft" else world.greedy_target(x)
        totals += [(pi * q).sum(axis=1).mean(), (world.logging(x) * q).sum(axis=1).mean()]
    return totals / 8


def one_log(setting, seed, truth):
    """Evaluate one simulated log: errors by estimator, whether intervals hold the truth, refusal, verdict."""
    world = World(seed=setting.seed, **setting.world)
    rng = np.random.default_rng([setting.seed, seed])
    log = world.log(setting.n, rng, setting.target)
    q = crossfit_ridge(log["x"], world.codes, log["action"], log["reward"], rng)
    more = {}
    if not setting.known:
        more["propensity_all"] = fitted_logger(log["x"], world.codes, log["action"], rng)
        log["propensity"] = np.maximum(more["propensity_all"][np.arange(setting.n), log["action"]], 1 / setting.n)
    report = evaluate(**arguments(log, q, world.codes, rng, known=setting.known, estimators=PEERS, **more))
    table = report.to_frame().set_index("estimator")
    gain, row = float(truth[0] - truth[1]), report.default
    return {
        "seed": int(seed),
        "truth": float(truth[0]),
        "refused": report.verdict == "refused",
        "covered": bool(row["ci_low"] <= truth[0] <= row["ci_high"]),
        "difference_covered": bool(report.difference.low <= gain <= report.difference.high),
        "difference_low": report.difference.low - gain,
        "difference_high": report.difference.high - gain,
        "wrong_side": report.verdict == ("worse" if truth[0] > truth[1] else "better"),
        "size": float(row["effective_sample_size"]),
        "width": float(row["ci_high"] - row["ci_low"]),
        "errors": {name: float(table.loc[name, "value"] - truth[0]) for name in ("adaptive_dr", *PEERS)},
    }


def _batch(job):
    setting, seeds, truth = job
    return [one_log(setting, seed, truth) for seed in seeds]


def wilson(hits, n, confidence=0.99):
    """Wilson interval of a proportion."""
    z = norm.ppf(0.5 + confidence / 2)
    centre = (hits + z**2 / 2) / (n + z**2)
    half = z / (n + z**2) * np.sqrt(hits * (n - hits) / n + z**2 / 4)
    return centre - half, centre + half


def version_of_the_code(setting):
    """Digest of what a result depends on: the numerical modules, the world and the setting."""
    names = ["adaptive", "diagnostics", "estimators", "evaluate", "intervals", "policy_view"]
    names += ["skewness", "table", "verdict"]
    files = [Path(evaluation.__file__).with_name(f"{name}.py") for name in names]
    files.append(Path(__file__).parents[1] / "evaluation" / "world.py")
    content = b"".join(file.read_bytes() for file in files) + repr(setting).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def results_of(setting, n_logs, pool=None, first=0, keep=None):
    """One result a log, those of ``keep`` (a file of JSON lines) not computed again."""
    known, version = {}, version_of_the_code(setting)
    if keep is not None and keep.exists():
        lines = [json.loads(line) for line in keep.read_text().splitlines()]
        known = {line["seed"]: line for line in lines if line["version"] == version}
    wanted = [seed for seed in range(first, first + n_logs) if seed not in known]
    if wanted:
        truth = true_value(setting)
        parts = np.array_split(np.asarray(wanted), -(-len(wanted) // 25))
        jobs = [(setting, part.tolist(), truth) for part in parts]
        for batch in pool.map(_batch, jobs) if pool else map(_batch, jobs):
            known |= {row["seed"]: row for row in batch}
            if keep is not None:
                with keep.open("a") as file:
                    file.writelines(json.dumps(row | {"version": version}) + "\n" for row in batch)
    return [known[seed] for seed in range(first, first + n_logs)]


def summary(setting, n_logs, pool=None, first=0, keep=None):
    """Coverage, refusals and errors of one setting."""
    results = results_of(setting, n_logs, pool, first, keep)
    judged = [row for row in results if not row["refused"]]
    measured = judged or results
    rmse = {
        name: float(np.sqrt(np.mean([row["errors"][name] ** 2 for row in measured])))
        for name in ("adaptive_dr", *PEERS)
    }
    best = min(PEERS, key=lambda name: rmse[name])
    hits = sum(row["covered"] for row in judged)
    return {
        "setting": setting,
        "truth": results[0]["truth"],
        "judged": len(judged),
        "refused": len(results) - len(judged),
        "size": float(np.median([row["size"] for row in results])),
        "hits": hits,
        "coverage": hits / max(1, len(judged)),
        "wilson": wilson(hits, len(judged)) if judged else (0.0, 1.0),
        "difference": float(np.mean([row["difference_covered"] for row in measured])),
        "below": float(np.mean([row["difference_low"] > 0 for row in measured])),
        "all": float(np.mean([row["covered"] for row in results])),
        "wrong_side": float(np.mean([row["wrong_side"] for row in results])),
        "width": float(np.mean([row["width"] for row in measured])),
        "rmse": rmse,
        "best": best,
        "ratio": rmse["adaptive_dr"] / rmse[best],
    }


def table_row(result):
    """One line of the Markdown table."""
    setting, rmse = result["setting"], result["rmse"]
    low, high = result["wilson"]
    peers = " | ".join(f"{rmse[name] / rmse[result['best']]:.2f}" for name in PEERS)
    return (
        f"| {setting.name} | {setting.n:,} | {setting.target} | {result['size']:,.0f} | {result['judged']} | "
        f"{result['refused']} | {result['coverage']:.3f} ({low:.3f} to {high:.3f}) | {result['all']:.3f} | "
        f"{result['difference']:.3f} | {result['below']:.3f} | "
        f"{rmse['adaptive_dr'] / result['truth']:.3f} | {result['ratio']:.2f} | "
        f"{peers} |"
    )


HEADER = (
    "| propensities | decisions | target | median ESS | judged | refused | coverage (99 % Wilson) | refused too | "
    "coverage of the difference | difference below it | RMSE / value | RMSE to best | "
    + " | ".join(PEERS)
    + " |\n"
    + "|---" * 19
    + "|"
)


def main():
    """Write the table to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--logs", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="*", help="positions in SETTINGS, in the order to run them")
    parser.add_argument("--first", type=int, default=0, help="seed of the first log")
    parser.add_argument("--keep", type=Path, help="folder of the finished logs, to go on from")
    chosen = parser.parse_args()
    sys.stdout.write(HEADER + "\n")
    ratios = []
    if chosen.keep is not None:
        chosen.keep.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(chosen.jobs) as pool:
        for position in range(len(SETTINGS)) if chosen.only is None else chosen.only:
            keep = None if chosen.keep is None else chosen.keep / f"{position}.jsonl"
            result = summary(SETTINGS[position], chosen.logs, pool, chosen.first, keep)
            ratios.append(result["ratio"])
            sys.stdout.write(table_row(result) + "\n")
            sys.stdout.flush()
    mean = float(np.exp(np.mean(np.log(ratios))))
    sys.stdout.write(f"\nRMSE to the best peer: geometric mean {mean:.3f}, largest {max(ratios):.2f}.\n")


if __name__ == "__main__":
    main()
