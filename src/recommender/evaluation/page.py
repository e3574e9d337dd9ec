"""One self-contained page of a policy report: no script, no outside resource, tables that can be read aloud."""

from __future__ import annotations

import base64
import io
from importlib import resources
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np

from recommender.evaluation.charts import overview
from recommender.evaluation.warnings import WARNINGS

if TYPE_CHECKING:
    from recommender.evaluation.report import PolicyReport

__all__ = ["render_page"]

_COLOURS = {"better": "#1d6b3a", "worse": "#9b1c1c", "not proven": "#6b5200", "refused": "#7a1fa2"}


def render_page(report: PolicyReport, *, title: str) -> str:
    """Write the page of a report as HTML text."""
    buffer = io.BytesIO()
    overview(report).savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    raised = sorted({code for codes in report.table["warnings"] for code in codes})
    page = resources.files(__package__).joinpath("report_page.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(page)
    return template.render(
        title=title,
        report=report,
        colour=_COLOURS[report.verdict],
        number=_number,
        percent=lambda share: f"{share:.0%}",
        estimates=report.table.to_dict(orient="records"),
        slices=report.slices.to_dict(orient="records"),
        meanings=[(code, WARNINGS.get(code, "")) for code in raised],
        diagnostics=[(name.replace("_", " "), _number(value)) for name, value in report.diagnostics.items()],
        image=base64.b64encode(buffer.getvalue()).decode("ascii"),
        picture="Estimates with intervals, distribution of weights, weights by propensity, and difference by slice; "
        "the numbers are in the tables of this page.",
    )


def _number(value: Any) -> str:
    if isinstance(value, bool | str):
        return str(value)
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "unknown"
    if isinstance(value, float) and np.isinf(value):
        return "unbounded"
    if isinstance(value, int | np.integer):
        return f"{int(value):,}"
    if isinstance(value, float | np.floating):
        return f"{float(value):,.0f}" if abs(float(value)) >= 1000 else f"{float(value):.4g}"
    return str(value)
