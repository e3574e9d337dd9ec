"""Figures of a policy report, drawn without global state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recommender.evaluation import PolicyEvaluation
from recommender.extras import needs

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_calibration", "draw_estimates", "draw_slices", "draw_weights", "policy_figure"]

_PER = 1000  # decisions, as in the tables of the page
_INK, _ACCENT, _QUIET = "#1b2a41", "#0b6e99", "#8a94a3"


def policy_figure(report: PolicyEvaluation) -> Figure:
    """All charts of a report in one figure."""
    with needs("plots"):
        from matplotlib.figure import Figure

    has_slices = len(report.slices) > 0
    figure = Figure(figsize=(11, 8), layout="constrained")
    axes = figure.subplots(2, 2)
    draw_estimates(report, axes[0, 0])
    draw_weights(report, axes[0, 1])
    draw_calibration(report, axes[1, 0])
    if has_slices:
        draw_slices(report, axes[1, 1])
    else:
        axes[1, 1].set_axis_off()
        axes[1, 1].text(0.5, 0.5, "No slices were asked for.", ha="center", va="center", color=_QUIET)
    return figure


def draw_estimates(report: PolicyEvaluation, axes: Axes) -> None:
    """Estimates with intervals, the default one in colour, the baseline as a line."""
    table = report.table.iloc[::-1].reset_index(drop=True)
    for position, row in table.iterrows():
        colour = _ACCENT if row["default"] else _QUIET
        if np.isfinite([row["ci_low"], row["ci_high"]]).all():
            axes.plot([_PER * row["ci_low"], _PER * row["ci_high"]], [position, position], color=colour, linewidth=2)
        if np.isfinite(row["value"]):
            axes.plot([_PER * row["value"]], [position], "o", color=colour)
    axes.axvline(_PER * report.diagnostics["baseline_value"], color=_INK, linestyle="--", linewidth=1, label="baseline")
    axes.set_yticks(range(len(table)), table["estimator"])
    axes.set_xlabel(f"value per {_PER:,} decisions")
    axes.set_title(f"Estimates with {report.confidence:.0%} intervals")
    axes.legend(frameon=False, fontsize=8)


def draw_weights(report: PolicyEvaluation, axes: Axes) -> None:
    """Weights by rank: how unevenly the rows count."""
    share, weight = (np.array(side) for side in zip(*report.weight_quantiles, strict=True))
    axes.plot(share, weight, color=_ACCENT)
    axes.axhline(1.0, color=_INK, linestyle="--", linewidth=1)
    axes.set_yscale("symlog", linthresh=1.0)
    axes.set_ylim(bottom=0.0)
    axes.set_xlabel("share of rows")
    axes.set_ylabel("weight at most")
    axes.set_title(f"Weights; effective sample size {report.diagnostics['effective_sample_size']:,.0f}")


def draw_calibration(report: PolicyEvaluation, axes: Axes) -> None:
    """Mean weight by tenth of the propensity."""
    from matplotlib.ticker import LogLocator, NullFormatter

    bins = report.calibration
    axes.plot([b["propensity"] for b in bins], [b["weight"] for b in bins], "o-", color=_ACCENT)
    axes.axhline(1.0, color=_INK, linestyle="--", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("propensity (mean of tenth)")
    axes.set_ylabel("mean weight")
    axes.set_title("Weights by propensity")


def draw_slices(report: PolicyEvaluation, axes: Axes) -> None:
    """Difference from the baseline by slice, the twenty largest."""
    table = report.slices.sort_values("rows", ascending=False).head(20).iloc[::-1].reset_index(drop=True)
    for position, row in table.iterrows():
        colour = _QUIET if row["verdict"] in ("refused", "not proven") else _ACCENT
        if np.isfinite([row["ci_low"], row["ci_high"]]).all():
            axes.plot([_PER * row["ci_low"], _PER * row["ci_high"]], [position, position], color=colour, linewidth=2)
        if np.isfinite(row["difference"]):
            axes.plot([_PER * row["difference"]], [position], "o", color=colour)
    axes.axvline(0.0, color=_INK, linestyle="--", linewidth=1)
    labels = [f"{name}: {level}" for name, level in zip(table["slice"], table["level"], strict=True)]
    axes.set_yticks(range(len(table)), labels, fontsize=8)
    axes.set_xlabel(f"difference from the baseline per {_PER:,} decisions")
    axes.set_title("By slice (intervals hold together)")
