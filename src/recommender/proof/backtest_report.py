"""The result of a temporal backtest: each window's report, the pooled one, and a page to share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recommender.proof.policy_report import PolicyReport
from recommender.reports import backtest_figure, backtest_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BacktestReport", "BacktestWindow"]


@dataclass(frozen=True)
class BacktestWindow:
    """One step forward in time.

    Attributes
    ----------
    start, end : object
        First and last moment of the decisions that were evaluated.
    n_trained_on : int
        Decisions before ``start`` whose reward was known by then.
    n_decisions : int
        Decisions of the window with a known reward.
    reports : mapping of str to PolicyReport
        By baseline; empty where nothing could be evaluated.
    trouble : str
        Why the window has no report; empty where it has.
    """

    start: Any
    end: Any
    n_trained_on: int
    n_decisions: int
    reports: Mapping[str, PolicyReport]
    trouble: str = ""


@dataclass(frozen=True)
class BacktestReport:
    """What strategies trained on the past would have earned in the time that followed.

    Attributes
    ----------
    windows : tuple of BacktestWindow
        In order of time.
    pooled : mapping of str to PolicyReport
        By baseline: all windows as one evaluation of the retrained strategy, paired, clusters across windows together.
    left_out : mapping of str to str
        Baselines that this log cannot give, and why.
    confidence : float
    """

    windows: tuple[BacktestWindow, ...]
    pooled: Mapping[str, PolicyReport]
    left_out: Mapping[str, str]
    confidence: float

    def to_frame(self) -> pd.DataFrame:
        """One row a window and baseline, then the pooled rows.

        Returns
        -------
        DataFrame
            Columns ``window`` (1, 2, ... or ``pooled``), ``start``, ``end``, ``n_trained_on``, ``n_decisions``,
            ``baseline``, ``value``, ``value_low``, ``value_high``, ``baseline_value``, ``difference``, ``ci_low``,
            ``ci_high``, ``effective_sample_size``, ``verdict`` and ``reasons``. A window that could not be evaluated
            keeps a row of NaN, verdict ``refused``.
        """
        rows = []
        for number, window in enumerate(self.windows, start=1):
            about = {
                "window": str(number),
                "start": window.start,
                "end": window.end,
                "n_trained_on": window.n_trained_on,
                "n_decisions": window.n_decisions,
            }
            if window.trouble:
                rows.append(about | _nothing(window.trouble))
            rows += [about | _line(name, report) for name, report in window.reports.items()]
        whole = {
            "window": "pooled",
            "start": self.windows[0].start,
            "end": self.windows[-1].end,
            "n_trained_on": self.windows[-1].n_trained_on,
            "n_decisions": sum(window.n_decisions for window in self.windows if window.reports),
        }
        rows += [whole | _line(name, report) for name, report in self.pooled.items()]
        return pd.DataFrame(rows)

    def to_html(self, path: str | PathLike[str] | None = None, *, title: str = "Temporal backtest") -> str:
        """One self-contained page; written to ``path`` when given.

        Parameters
        ----------
        path : str or path-like, optional
        title : str, default="Temporal backtest"
        """
        return backtest_page(self.to_frame(), self.pooled, self.left_out, self.confidence, path, title=title)

    def plot(self) -> Figure:
        """Matplotlib figure: the paired difference of each window and of all together, one panel a baseline."""
        return backtest_figure(self.to_frame(), list(self.pooled))


def _line(name: str, report: PolicyReport) -> dict[str, Any]:
    own, gap = report.default, report.difference
    return {
        "baseline": name,
        "value": own["value"],
        "value_low": own["ci_low"],
        "value_high": own["ci_high"],
        "baseline_value": report.diagnostics["baseline_value"],
        "difference": gap.value,
        "ci_low": gap.low,
        "ci_high": gap.high,
        "effective_sample_size": own["effective_sample_size"],
        "verdict": report.verdict,
        "reasons": report.reasons,
    }


def _nothing(trouble: str) -> dict[str, Any]:
    numbers = ("value", "value_low", "value_high", "baseline_value", "difference", "ci_low", "ci_high")
    blank: dict[str, Any] = dict.fromkeys((*numbers, "effective_sample_size"), np.nan)
    return {"baseline": "(all)"} | blank | {"verdict": "refused", "reasons": (trouble,)}
