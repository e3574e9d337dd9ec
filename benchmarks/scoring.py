"""Ranking all actions of an account: ActionScorer against Booster.predict and lleaves, side by side in one run.

    python benchmarks/scoring.py [--quick] [--peers] [--strategy DIRECTORY]

CPU time of one thread, medians, sides interleaved. Quote the ratios: absolute times drift with the machine.
``--peers`` needs ``uv sync`` in benchmarks/peers/lleaves and a few minutes of CPU for lleaves to compile the model.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scoring_workload import FACTOR_COLUMNS, Workload, action_node_share, action_values, draw_context, train

from recommender import ActionSpace, ContactStrategy
from recommender.allactions import ActionScorer

LLEAVES = Path(__file__).parent / "peers" / "lleaves"
TOP = 3


def cpu_seconds(sides: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median CPU seconds of each side; every round runs all sides once."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for side in sides.values():
        side()
    for _ in range(repeats):
        for name, side in sides.items():
            begin = time.process_time()
            side()
            taken[name].append(time.process_time() - begin)
    return {name: statistics.median(values) for name, values in taken.items()}


def cross_product(context: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hstack([np.repeat(context, len(rows), axis=0), np.tile(rows, (len(context), 1))])


def compile_scorer(work: Workload, actions: ActionSpace | None = None) -> ActionScorer:
    begin = time.process_time()
    scorer = ActionScorer.from_booster(work.booster, (actions or work.actions).factors, FACTOR_COLUMNS)
    print(
        f"{work.name}: {scorer.n_actions} actions, {action_node_share(work.booster):.1%} of the nodes on actions; "
        f"compiled and verified in {time.process_time() - begin:.1f} CPU s; proven bound {scorer.error_bound:.2g}, "
        f"largest difference found {scorer.verified_error:.2g}, scale {scorer.scale:.3g}"
    )
    return scorer


def compare(work: Workload, accounts: int, peer_accounts: int, repeats: int) -> dict[str, float]:
    """Batch and single-account CPU of scorer and booster, and how many rankings are the same."""
    scorer = compile_scorer(work)
    rng = np.random.default_rng(11)
    context = draw_context(accounts, rng)
    frame = pd.DataFrame(context)
    few = context[:peer_accounts]
    full = cross_product(few, work.action_rows)
    one = full[: len(work.action_rows)]
    singles = 200

    def score_singles() -> None:
        for i in range(singles):
            scorer.top_k(context[i : i + 1], TOP)

    seconds = cpu_seconds(
        {
            "Booster.predict": lambda: work.booster.predict(full, raw_score=True, num_threads=1),
            "ActionScorer": lambda: scorer.top_k(frame, TOP),
            "Booster.predict, one account": lambda: work.booster.predict(one, raw_score=True, num_threads=1),
            "ActionScorer, one account": score_singles,
        },
        repeats,
    )
    each = {
        "Booster.predict": seconds["Booster.predict"] / peer_accounts,
        "ActionScorer": seconds["ActionScorer"] / accounts,
        "Booster.predict, one account": seconds["Booster.predict, one account"],
        "ActionScorer, one account": seconds["ActionScorer, one account"] / singles,
    }
    for name, value in each.items():
        reference = each["Booster.predict, one account" if name.endswith("one account") else "Booster.predict"]
        print(f"  {name:32s} {value * 1e6:10.1f} CPU us an account   {reference / value:8.1f} x Booster.predict")
    report_identity(work, scorer, few, full)
    return each


def report_identity(
    work: Workload, scorer: ActionScorer, context: NDArray[np.float64], full: NDArray[np.float64]
) -> None:
    expected = np.asarray(work.booster.predict(full, raw_score=True, num_threads=1)).reshape(len(context), -1)
    found = scorer.raw_scores(context)
    same = (np.argsort(-expected, axis=1, kind="stable")[:, :TOP] == scorer.top_k(context, TOP)[0]).all(axis=1)
    ordered = -np.sort(-expected, axis=1)[:, : TOP + 1]
    tied = (np.diff(ordered, axis=1) == 0).any(axis=1)
    threads = all(np.array_equal(scorer.raw_scores(context, n_threads=n), found) for n in (2, 3))
    print(
        f"  largest difference {np.abs(found - expected).max():.2g}; identical top {TOP}: {same.mean():.1%} "
        f"({tied.mean():.0%} of the accounts have an exact tie there); same bits on 1, 2, 3 threads: {threads}"
    )


def growth(work: Workload, sizes: list[int], repeats: int) -> None:
    print("growth with accounts (260 actions)")
    scorer = ActionScorer.from_booster(work.booster, work.actions.factors, FACTOR_COLUMNS)
    pool = draw_context(min(max(sizes), 100_000), np.random.default_rng(12))
    for n in sizes:
        X = np.resize(pool, (n, pool.shape[1]))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        taken = cpu_seconds({"scorer": lambda X=X: scorer.top_k(X, TOP)}, repeats if n < 1_000_000 else 1)["scorer"]
        more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        print(f"  {n:>9,} accounts {taken / n * 1e6:7.1f} CPU us an account; peak grew by {more:.0f} MiB beyond X")
    print("growth with actions")
    spaces = {
        26: ActionSpace({"channel": ["call", "sms"], "hour": range(8, 21), "tone": ["friendly"]}),
        260: work.actions,
        2_600: ActionSpace(
            {
                "channel": work.actions.factors["channel"],
                "hour": [8.0 + 0.1 * step for step in range(130)],
                "tone": work.actions.factors["tone"],
            }
        ),
    }
    X = pool[: min(sizes[1], len(pool))]
    for n_actions, space in spaces.items():
        scorer = ActionScorer.from_booster(work.booster, space.factors, FACTOR_COLUMNS)
        few = cross_product(X[:10], _rows(space))
        seconds = cpu_seconds(
            {
                "scorer": lambda scorer=scorer: scorer.top_k(X, TOP),
                "booster": lambda few=few: work.booster.predict(few, raw_score=True, num_threads=1),
            },
            repeats,
        )
        each, reference = seconds["scorer"] / len(X), seconds["booster"] / 10
        print(
            f"  {n_actions:>5,} actions {each * 1e6:8.1f} CPU us an account   {reference / each:7.0f} x Booster.predict"
        )


def _rows(space: ActionSpace) -> NDArray[np.float64]:
    if isinstance(space.factors["hour"][0], float):
        hours = np.array(space.factors["hour"])
        return np.array([(c, h, t) for c in range(5) for h in hours for t in range(4)])
    return action_values(space)


def lleaves_ratio(work: Workload, repeats: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        model, rows = Path(folder) / "model.txt", Path(folder) / "rows.npy"
        model.write_text(work.booster.model_to_string())
        np.save(rows, cross_product(draw_context(60, np.random.default_rng(13)), work.action_rows))
        done = subprocess.run(
            [str(LLEAVES / ".venv/bin/python"), str(LLEAVES / "measure.py"), str(model), str(rows), str(repeats)],
            check=True,
            capture_output=True,
            text=True,
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def blend(path: Path, repeats: int) -> None:
    """A whole reward model through the fused pass, against its trees alone and against its members one by one."""
    strategy = ContactStrategy.load(path)
    model = strategy.reward_model_
    rng = np.random.default_rng(14)
    X = np.abs(rng.normal(size=(4_000, len(model.columns_)))) * 5
    coded = model.encoder.categorical_positions
    X[:, coded] = rng.integers(0, 5, (len(X), len(coded)))
    parts = list(model.parts.values())
    carry = sorted({name for part in parts for name, weight in part.weights.items() if weight > 0})
    one = X[:1]

    def trees(rows: NDArray[np.float64]) -> None:
        for part in parts:
            for boosted in part.trees.values():
                boosted.raw_scores(part.tree_columns(rows))

    seconds = cpu_seconds(
        {
            "trees alone": lambda: trees(X),
            "blend, one fused pass": lambda: model.compiled.score(X),
            "blend, member by member": lambda: [part.scores(X) for part in parts],
            "trees alone, one account": lambda: [trees(one) for _ in range(100)],
            "blend, one fused pass, one account": lambda: [model.compiled.score(one) for _ in range(100)],
            "blend, member by member, one account": lambda: [part.scores(one) for _ in range(100) for part in parts],
        },
        repeats,
    )
    by_members = model.hurdle.reward_of({name: part.scores(X) for name, part in model.parts.items()})
    worst = float(np.abs(model.compiled.score(X).expected_reward - by_members).max())
    print(f"blend of a strategy ({len(model.actions_)} actions; weight on {', '.join(carry)}); differs by {worst:.1g}")
    for name, value in seconds.items():
        each = value / (100 if name.endswith("one account") else len(X))
        alone = ("trees alone, one account", 100) if name.endswith("one account") else ("trees alone", len(X))
        base = seconds[alone[0]] / alone[1]
        print(f"  {name:38s} {each * 1e6:10.1f} CPU us an account   {each / base:6.1f} x the trees alone")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small models and few accounts")
    parser.add_argument("--peers", action="store_true", help="also run lleaves")
    parser.add_argument("--strategy", type=Path, help="also a saved strategy's whole reward model")
    options = parser.parse_args()
    if options.strategy:
        blend(options.strategy, 5)
    n_rows, n_trees, repeats = (30_000, 60, 3) if options.quick else (200_000, 300, 5)
    accounts, peer_accounts = (5_000, 40) if options.quick else (20_000, 100)
    plain = train("plain", n_rows=n_rows, n_trees=n_trees, action_weight=0.42)
    heavy = train("action-heavy", n_rows=n_rows, n_trees=n_trees, action_weight=6.0)
    ours = compare(plain, accounts, peer_accounts, repeats)
    more = compare(heavy, accounts, peer_accounts, repeats)
    print(f"action-heavy / plain: {more['ActionScorer'] / ours['ActionScorer']:.2f} x the CPU an account")
    if options.peers:
        peer = lleaves_ratio(plain, repeats)
        faster = peer["lightgbm_seconds_a_row"] / peer["lleaves_seconds_a_row"]
        ratio = ours["Booster.predict"] / ours["ActionScorer"] / faster
        print(
            f"lleaves: {faster:.1f} x Booster.predict (compiled in {peer['compile_seconds']:.0f} CPU s, differs by "
            f"{peer['worst_difference']:.2g}); ActionScorer: {ratio:.1f} x lleaves"
        )
    growth(plain, [1_000, 5_000] if options.quick else [1_000, 10_000, 100_000, 1_000_000], repeats)
    print(f"peak memory of the whole run: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
