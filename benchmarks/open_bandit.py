"""Open Bandit, small logs: what each policy's log says of the other policy, against that policy's own log.

    OMP_NUM_THREADS=1 python benchmarks/open_bandit.py

Two policies ran side by side on three campaigns of a fashion shop: uniform ("random") and Bernoulli Thompson sampling
("bts"). One's value is estimated from the other's log and compared with the click rate of its own log. That rate rests
on 38 to 69 clicks, so it is itself uncertain by 12 to 16 % (row "own"): no ranking of estimators follows from these
logs; they show that loader, weights and refusals work. The bts policy is taken to depend on the position alone, with
the item frequencies of its log. Nothing names users, so every impression is its own cluster.

Beside it stand the mean relative errors that the Open Bandit Pipeline's examples publish for random -> bts on the small
logs; their nuisance models, runs and resamples differ, so the column is for orientation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from quick import add_quick

from recommender.history import LoggedFeedback
from recommender.proof.off_policy import OffPolicyEvaluator
from recommender.store.files.open_bandit import open_bandit_feedback

PUBLISHED = {"dm": 0.157, "dros": 0.160, "switch_dr": 0.258, "dr": 0.292, "sndr": 0.302, "ips": 0.311, "snips": 0.312}
CAMPAIGNS = ("all", "men", "women")
LOGS = Path(__file__).parents[1] / "data" / "samples" / "open_bandit"


def shares_by_position(log: LoggedFeedback, of: LoggedFeedback) -> np.ndarray:
    """Policy of ``log``'s rows that takes each item as often as the log ``of`` did at that position."""
    answer = np.empty((len(log), log.n_actions))
    for position in log.context["position"].astype(str).unique():
        here = log.context["position"].astype(str).to_numpy() == position
        theirs = of.context["position"].astype(str).to_numpy() == position
        answer[here] = np.bincount(of.action[theirs], minlength=log.n_actions) / theirs.sum()
    return answer


def compare(folder: Path, campaign: str, of: str, by: str) -> pd.DataFrame:
    """Estimates of policy ``of`` from the log of policy ``by``, with relative errors against its own log."""
    own = open_bandit_feedback(folder / f"{of}-{campaign}.csv.gz")
    log = open_bandit_feedback(folder / f"{by}-{campaign}.csv.gz")
    target = np.full((len(log), log.n_actions), 1 / log.n_actions) if of == "random" else shares_by_position(log, own)
    report = OffPolicyEvaluator(log).evaluate(target)
    rate = float(own.reward.mean())
    table = report.to_frame()
    return pd.DataFrame(
        {
            "direction": f"{by} -> {of}",
            "campaign": campaign,
            "estimator": table["estimator"],
            "value": table["value"],
            "ci_low": table["ci_low"],
            "ci_high": table["ci_high"],
            "truth": rate,
            "truth_error": np.sqrt(rate * (1 - rate) / len(own)),
            "relative_error": (table["value"] / rate - 1).abs(),
            "verdict": report.verdict,
            "size": report.diagnostics["effective_sample_size"],
            "weight_mean": report.diagnostics["weight_mean"],
            "least_propensity": float(np.min(log.propensity)) if log.propensity is not None else np.nan,
        }
    )


def main() -> None:
    """Print the two tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=LOGS)
    add_quick(parser)
    folder = parser.parse_args().folder
    found = pd.concat(
        [
            compare(folder, campaign, of, by)
            for of, by in (("random", "bts"), ("bts", "random"))
            for campaign in CAMPAIGNS
        ],
        ignore_index=True,
    )
    print(
        "| log -> policy | campaign | ESS | mean weight | least propensity | verdict | adaptive_dr | policy's own log |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for row in found[found["estimator"] == "adaptive_dr"].itertuples():
        print(
            f"| {row.direction} | {row.campaign} | {row.size:,.0f} | {row.weight_mean:.2f} | "
            f"{row.least_propensity:.1e} | {row.verdict} | {row.value:.4f} ({row.ci_low:.4f} to {row.ci_high:.4f}) | "
            f"{row.truth:.4f} +- {1.96 * row.truth_error:.4f} |"
        )
    print("\nRelative error against the click rate of the policy's own log:\n")
    heads = [f"{by} -> {of}, {c}" for by, of in (("bts", "random"), ("random", "bts")) for c in CAMPAIGNS]
    print("| estimator | " + " | ".join(heads) + " | published, random -> bts |\n" + "|---" * 8 + "|")
    keys = [(f"{by} -> {of}", c) for by, of in (("bts", "random"), ("random", "bts")) for c in CAMPAIGNS]
    wide = found.pivot_table(index="estimator", columns=["direction", "campaign"], values="relative_error", sort=False)
    for name, errors in wide.iterrows():
        shown = " | ".join(f"{errors[key]:.3f}" for key in keys)
        print(f"| `{name}` | {shown} | {PUBLISHED.get(str(name), float('nan')):.3f} |".replace("nan", "-"))
    own = found.drop_duplicates(["direction", "campaign"]).set_index(["direction", "campaign"])
    print("| own | " + " | ".join(f"{own.loc[k, 'truth_error'] / own.loc[k, 'truth']:.3f}" for k in keys) + " | - |")
    refused = own["verdict"].eq("refused")
    print(f"\nRefused: {', '.join(f'{d} on {c}' for d, c in own.index[refused]) or 'none'}.")


if __name__ == "__main__":
    main()
