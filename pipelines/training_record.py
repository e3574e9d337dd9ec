"""What is kept of a training besides the strategy: parameters, metrics, a plot, and the model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from recommender import __version__
from recommender.history import LoggedFeedback
from recommender.strategy import ContactStrategy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recommender.proof import TuningResult

__all__ = ["metrics_of", "model_card", "parameters_of", "rewards_by_level", "tuning_metrics"]

_NORMAL_95 = 1.959963984540054
_NOT_FOR = (
    "Deciding whether somebody is contacted at all against the rules: the guardrails decide that, before the model.",
    "Credit decisions, prices, or judging a person: it ranks channels, hours and tones, nothing else.",
    "Portfolios, countries or action spaces that are not in the training log.",
    "Contacting without the rule packs of the debtor's country: its probabilities are those of a masked policy.",
)


def parameters_of(strategy: ContactStrategy, feedback: LoggedFeedback, **further: Any) -> dict[str, Any]:
    """Everything that was chosen: the strategy's parameters, the roles of the columns, the action space."""
    return {
        **strategy.get_params(),
        **further,
        "temperature_used": strategy.temperature_,
        "reward_kind": feedback.reward_kind,
        "columns": {name: column for name, column in feedback.names.items() if column is not None},
        "context": list(map(str, strategy.feature_names_in_)),
        "actions": strategy.actions_.to_dict(),
        "reward_model": strategy.reward_model_.report_,
        "code_version": __version__,
    }


def metrics_of(strategy: ContactStrategy, feedback: LoggedFeedback) -> dict[str, float]:
    """Numbers of a training.

    The base rate with the ends of its 95 % interval (by cluster), the out-of-fold loss of each member of the reward
    model on logged actions beside the loss of knowing the base rate only, and the price of exploring.
    """
    mature = feedback.take(feedback.mature)
    low, high = _interval_of_mean(mature.reward, mature.groups)
    rate = float(mature.reward.mean())
    metrics = {
        "base_rate": rate,
        "base_rate_low": low,
        "base_rate_high": high,
        "exploration_cost": strategy.exploration_cost_,
        "n_decisions": float(len(feedback)),
        "n_mature": float(len(mature)),
        "n_clusters": float(len(np.unique(mature.groups))),
    }
    if feedback.reward_kind == "binary":
        metrics["loss_base_rate"] = float(-(rate * np.log(rate) + (1.0 - rate) * np.log1p(-rate)))
    for part, report in strategy.reward_model_.report_.items():
        pairs = zip(report.get("members", []), report.get("losses", []), strict=False)
        metrics |= {f"loss_out_of_fold.{part}.{member}": float(loss) for member, loss in pairs}
    return {name: value for name, value in metrics.items() if np.isfinite(value)}


def tuning_metrics(result: TuningResult) -> dict[str, float]:
    """Numbers of a search: trials, best objective, and default, tuned and gain on the rows that no trial saw."""
    numbers = {
        "tuning.objective": result.objective,
        "tuning.n_finished": float(result.n_finished),
        "tuning.n_pruned": float(result.n_pruned),
    }
    for candidate, row in result.table.iterrows():
        numbers |= {f"tuning.{str(candidate).replace(' ', '_')}.{name}": float(row[name]) for name in row.index}
    return numbers


def _interval_of_mean(reward: np.ndarray[Any, Any], groups: np.ndarray[Any, Any]) -> tuple[float, float]:
    """95 % interval of a mean whose rows hang together by cluster."""
    _, code = np.unique(groups, return_inverse=True)
    mean, n = float(reward.mean()), code.max() + 1
    if n < 2:
        return float("nan"), float("nan")
    residual = np.bincount(code, weights=reward - mean)
    error = float(np.sqrt(n / (n - 1) * (residual**2).sum()) / len(reward))
    return mean - _NORMAL_95 * error, mean + _NORMAL_95 * error


def model_card(strategy: ContactStrategy, metrics: Mapping[str, float], *, run_name: str) -> str:
    """Markdown in a fixed order: details, intended use, not for, data, metrics, limits."""
    data, space = strategy.trained_on_, strategy.actions_
    factors = "; ".join(f"{name}: {', '.join(map(str, levels))}" for name, levels in space.factors.items())
    period = f"{data['first']} to {data['last']}" if "first" in data else "without instants"
    interval = f" (95 % interval {metrics['base_rate_low']:.5g} to {metrics['base_rate_high']:.5g}, by cluster)"
    losses = [f"{name.partition('.')[2]}: {value:.5f}" for name, value in metrics.items() if "out_of_fold" in name]
    known = f"; knowing the base rate only: {metrics['loss_base_rate']:.5f}" if "loss_base_rate" in metrics else ""
    sections = {
        "Details": [
            f"Version {strategy.version_}, made by recommender {__version__} in run `{run_name}`.",
            (
                f"Policy `{strategy.policy}`, floor {strategy.epsilon:g}, temperature {strategy.temperature_:.4g}, "
                f"seed {strategy.random_state}."
            ),
            f"{len(space)} actions ({factors}{'; NO_CONTACT' if space.no_contact else ''}).",
            f"Context: {', '.join(map(str, strategy.feature_names_in_))}.",
        ],
        "Intended use": [
            (
                "Ranking the next-best contact of an account among those that the guardrails allow, and logging the "
                "propensity of what is dispatched."
            ),
        ],
        "Not for": list(_NOT_FOR),
        "Data": [
            (
                f"{data['n_decisions']:,} logged decisions, {data['n_mature']:,} with a known reward, "
                f"{data['n_clusters']:,} clusters, {period}."
            ),
            (
                f"Reward: {strategy.reward_kind_}. Propensities: {_share_text(data['propensities'])}. "
                f"Digest: {data['digest']}."
            ),
        ],
        "Metrics": [
            f"Mean reward of the log: {metrics['base_rate']:.5g}{interval if 'base_rate_low' in metrics else ''}.",
            f"Out-of-fold loss of the reward model's members: {'; '.join(losses) or 'not reported'}{known}.",
            f"Exploring gives up {metrics['exploration_cost']:.1%} of the modelled gain.",
            "What the policy would have earned is not here but in the report of its promotion.",
        ],
        "Limits": [
            "Learnt from what one logging policy did: actions it hardly tried are known by analogy only (`support`).",
            (
                "Rewards that come later than the attribution window are not seen; causes that nobody wrote down are "
                "not controlled for."
            ),
            "Habits drift: look at the monitoring report, and train again.",
        ],
    }
    return "\n".join(
        [
            f"# {run_name}",
            *(f"\n## {name}\n\n" + "\n".join(f"- {one}" for one in lines) for name, lines in sections.items()),
        ]
    )


def _share_text(share: str) -> str:
    return (
        "not logged, estimated in evaluation" if share == "none" else f"logged for {float(share):.0%} of the decisions"
    )


def rewards_by_level(feedback: LoggedFeedback) -> Figure:
    """Mean reward with its 95 % interval and the number of decisions, by level of each action factor."""
    from matplotlib.figure import Figure

    mature = feedback.take(feedback.mature)
    factors = mature.actions.factors
    figure = Figure(figsize=(4.5 * len(factors), 3.2), layout="constrained")
    for axes, (position, (name, levels)) in zip(
        np.atleast_1d(figure.subplots(1, len(factors))), enumerate(factors.items()), strict=True
    ):
        code = mature.actions.codes[mature.action, position]
        for at in range(len(levels)):
            here = code == at
            if here.sum() < 2:
                continue
            low, high = _interval_of_mean(mature.reward[here], mature.groups[here])
            axes.plot([low, high], [at, at], color="#8aa", linewidth=3)
            axes.plot(mature.reward[here].mean(), at, "o", color="#134")
            axes.annotate(f"{int(here.sum()):,}", (1.0, at), xycoords=("axes fraction", "data"), fontsize=7, ha="right")
            axes.axhline(at, color="#eee", zorder=0)
        axes.set_yticks(range(len(levels)), list(map(str, levels)))
        axes.set_title(f"mean reward by {name} (right: decisions)", fontsize=9)
    return figure
