"""Page and figure of a temporal backtest, drawn from its table."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2
import numpy as np
import pandas as pd

from recommender.evaluation import PolicyEvaluation
from recommender.extras import needs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["backtest_figure", "backtest_page"]

_INK, _ACCENT, _QUIET = "#1b2a41", "#0b6e99", "#8a94a3"


def backtest_page(
    table: pd.DataFrame,
    pooled: Mapping[str, PolicyEvaluation],
    left_out: Mapping[str, str],
    confidence: float,
    path: str | PathLike[str] | None = None,
    *,
    title: str = "Temporal backtest",
) -> str:
    """Write one self-contained page, and to ``path`` when given.

    Parameters
    ----------
    table : DataFrame
        One row a window and baseline, then the pooled rows, as :meth:`recommender.proof.BacktestReport.to_frame`.
    pooled : mapping of str to PolicyEvaluation
        By baseline: all windows together.
    left_out : mapping of str to str
        Baselines that the log cannot give, and why.
    confidence : float
    path : str or path-like, optional
    title : str, default="Temporal backtest"
    """
    buffer = io.BytesIO()
    backtest_figure(table, list(pooled)).savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    text = resources.files(__package__).joinpath("backtest_page.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(text)
    page = template.render(
        title=title,
        pooled=pooled,
        left_out=left_out,
        confidence=confidence,
        rows=table.to_dict(orient="records"),
        number=_number,
        image=base64.b64encode(buffer.getvalue()).decode("ascii"),
    )
    if path is not None:
        Path(path).write_text(page, encoding="utf-8")
    return page


def backtest_figure(table: pd.DataFrame, baselines: Sequence[str]) -> Figure:
    """Draw the paired difference of each window and of all together, one panel a baseline."""
    with needs("plots"):
        from matplotlib.figure import Figure

    shown = table.dropna(subset=["difference"])
    figure = Figure(figsize=(4.2 * max(len(baselines), 1), 3.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, max(len(baselines), 1), sharey=True))
    for panel, name in zip(panels, baselines, strict=False):
        own = shown[shown["baseline"] == name].reset_index(drop=True)
        for position, row in own.iterrows():
            colour = _ACCENT if row["window"] == "pooled" else _QUIET
            if np.isfinite([row["ci_low"], row["ci_high"]]).all():
                panel.plot([position, position], [row["ci_low"], row["ci_high"]], color=colour, linewidth=2)
            panel.plot([position], [row["difference"]], "o", color=colour)
        panel.axhline(0.0, color=_INK, linestyle="--", linewidth=1)
        panel.set_xticks(range(len(own)), own["window"].tolist())
        panel.set_title(f"against {name}", fontsize=10)
        panel.set_xlabel("window")
    panels[0].set_ylabel("difference per decision")
    return figure


def _number(value: float) -> str:
    if np.isnan(value):
        return "unknown"
    return "unbounded" if np.isinf(value) else f"{value:.4g}"
