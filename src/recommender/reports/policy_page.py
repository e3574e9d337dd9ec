"""One self-contained page of a policy report: no script, no outside resource, tables that can be read aloud."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd

from recommender.evaluation import WARNINGS, PolicyEvaluation, refusals
from recommender.reports.policy_charts import policy_figure

__all__ = ["policy_page"]

_COLOURS = {"better": "#1d6b3a", "worse": "#9b1c1c", "not proven": "#6b5200", "refused": "#7a1fa2"}
_MEANS = {
    "better": "On these decisions the policy would have earned more than {baseline}, by more than chance explains.",
    "worse": "On these decisions the policy would have earned less than {baseline}, by more than chance explains.",
    "not proven": "These decisions do not tell the policy from {baseline}: it may be better, equal or worse.",
    "refused": "These decisions cannot answer the question. The numbers show how little is known; do not use them.",
}
_MEASURES = {
    "effective_sample_size": "Decisions that the log is worth for this question: it seldom did what the policy would. "
    "Under 50 the verdict is refused, under 200 it is rough.",
    "effective_clusters": "The same for independent debtors.",
    "unsupported_share": "Part of the policy's choices that the log can never show. More than 5 % is refused.",
    "never_tried_share": "Part where the log never made the choice; the intervals allow for any reward there.",
    "never_tried": "Regions in which a choice was never made, with how often it was of how many decisions.",
    "action_predictability": "How far the context told the logged action, where propensities are estimated; at 95 %, "
    "or from 70 % where hardly any alternative was tried, nothing can be compared.",
    "action_determined": "Whether the logged action was all but a function of the context.",
    "n_decisions": "Decisions evaluated.",
    "n_clusters": "Independent debtors among them.",
    "n_immature": "Decisions left out because their outcome is not known yet.",
    "n_sampled_out": "Decisions left out to bound memory.",
    "weight_mean": "1 where propensities are right and the policy is supported.",
    "weight_max_share": "Part of the answer that hangs on one single decision.",
    "pareto_k": "Tail of the weights; above 0.7 their mean converges too slowly to trust.",
    "share_of_propensities_logged": "The rest was estimated.",
    "shift_towards": "Estimator that the point was moved towards, inside the interval.",
    "shift_share": "How far.",
    "confounding_to_overturn": "What nobody recorded would have to multiply the odds of an action by this much to take "
    "the verdict away; 1 means anything would.",
    "finite_sample_lower_bound": "Gain over the baseline per 1,000 decisions that holds at any sample size "
    "(one-sided), rewards taken to stay in the range seen.",
    "baseline_value": "Value of the baseline per 1,000 decisions.",
}
_SHARES = {
    "never_tried_share",
    "unsupported_share",
    "action_predictability",
    "weight_max_share",
    "share_of_propensities_logged",
    "shift_share",
}
_REWARDS = {"baseline_value", "finite_sample_lower_bound"}
_SIZES = {"effective_sample_size", "effective_clusters"}
_PER = 1000


def policy_page(
    report: PolicyEvaluation,
    path: str | PathLike[str] | None = None,
    *,
    title: str = "Policy evaluation",
    prices: pd.DataFrame | None = None,
) -> str:
    """Write the page of an evaluation as HTML text, and to ``path`` when given.

    Parameters
    ----------
    report : PolicyEvaluation
    path : str or path-like, optional
    title : str, default="Policy evaluation"
    prices : DataFrame, optional
        What rules and levers cost the policy, as :func:`recommender.evaluation.price_of_rules` tells it.

    Returns
    -------
    str
        The page.
    """
    buffer = io.BytesIO()
    policy_figure(report).savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    rows = report.table.to_dict(orient="records")
    common = [code for code in rows[0]["warnings"] if all(code in row["warnings"] for row in rows)]
    own = sorted({code for row in rows for code in row["warnings"]} - set(common))
    page = resources.files(__package__).joinpath("policy_page.html").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(page)
    baseline = "what was logged" if report.diagnostics["baseline"] == "logging" else "the baseline policy"
    text = template.render(
        title=title,
        report=report,
        colour=_COLOURS[report.verdict],
        means=_MEANS[report.verdict].format(baseline=baseline),
        baseline=baseline,
        figures=_figures(report),
        number=_number,
        size=_size,
        per_table={
            "estimates": _reward_format(report.table, "value"),
            "slices": _reward_format(report.slices, "difference"),
            "prices": str if prices is None else _reward_format(prices, "value_lost"),
        },
        percent=lambda share: f"{share:.0%}",
        estimates=[row | {"warnings": [code for code in row["warnings"] if code not in common]} for row in rows],
        slices=report.slices.to_dict(orient="records"),
        prices=[] if prices is None else prices.to_dict(orient="records"),
        refused=[] if prices is None else _refused(prices),
        common=[(code, WARNINGS.get(code, "")) for code in common],
        meanings=[(code, WARNINGS.get(code, "")) for code in own],
        diagnostics=_measures(report.diagnostics),
        choices=[(name, _choice(value)) for name, value in (report.diagnostics.get("clipping") or {}).items()],
        image=base64.b64encode(buffer.getvalue()).decode("ascii"),
        picture="Estimates with intervals, distribution of weights, weights by propensity, and difference by slice; "
        "the numbers are in the tables of this page.",
    )
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    return text


def _figures(report: PolicyEvaluation) -> list[dict[str, str]]:
    """The numbers a manager asks for, per thousand decisions."""
    row, gap = report.default, report.difference
    instead = float(report.diagnostics["baseline_value"])
    share = f" ({gap.value / abs(instead):+.1%})" if np.isfinite([gap.value, instead]).all() and instead else ""
    return [
        {"name": "Policy", "value": _thousand(row["value"]), "note": _range(row["ci_low"], row["ci_high"])},
        {"name": "Baseline", "value": _thousand(instead), "note": "same decisions"},
        {
            "name": "Difference",
            "value": _thousand(gap.value, sign=True) + share,
            "note": _range(gap.low, gap.high, sign=True),
        },
    ]


def _thousand(value: float, *, sign: bool = False) -> str:
    if not np.isfinite(value):
        return "unknown" if np.isnan(value) else "unbounded"
    scaled = float(value) * _PER
    digits = int(np.clip(2 - np.floor(np.log10(abs(scaled))), 0, 4)) if scaled else 0
    return f"{scaled:{'+' if sign else ''},.{digits}f}"


def _reward_format(table: pd.DataFrame, column: str) -> Callable[[float], str]:
    """Rewards of one table per thousand decisions, all with as many decimals as its usual value needs."""
    shown = np.abs(table[column].to_numpy(dtype=float)) * _PER if column in table else np.empty(0)
    shown = shown[np.isfinite(shown) & (shown > 0)]
    digits = int(np.clip(2 - np.floor(np.log10(np.median(shown))), 0, 4)) if len(shown) else 1

    def formatted(value: float) -> str:
        return f"{_PER * value:,.{digits}f}" if np.isfinite(value) else _number(float(value))

    return formatted


def _size(value: float) -> str:
    """An effective sample size: whole numbers, but for those that are next to nothing."""
    return f"{value:,.1f}" if value < 10 else f"{value:,.0f}"


def _refused(prices: pd.DataFrame) -> list[tuple[str, str]]:
    """Rules whose price is refused, and why."""
    return [
        ("All of them" if len(names) == len(prices) > 1 else ", ".join(names), why)
        for why, names in refusals(prices).items()
    ]


def _choice(value: Any) -> str:
    """A threshold, or the factors whose cells of actions are told apart."""
    if not isinstance(value, list | tuple):
        return _number(value)
    return f"cells by factor {', '.join(str(position + 1) for position in value)}" if value else "one single cell"


def _range(low: float, high: float, *, sign: bool = False) -> str:
    return f"between {_thousand(low, sign=sign)} and {_thousand(high, sign=sign)}"


def _measures(diagnostics: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and meaning of each measure that was taken."""
    measures = []
    for name, value in diagnostics.items():
        if name in ("clipping", "baseline") or value is None or value in ("", []):
            continue
        if isinstance(value, list):
            shown = "; ".join(str(one) for one in value)
        elif isinstance(value, dict):
            shown = ", ".join(f"{key.replace('_', ' ')} {_number(number)}" for key, number in value.items())
        elif name in _REWARDS:
            shown = _thousand(value)
        elif name in _SIZES:
            shown = _size(value)
        elif name in _SHARES and isinstance(value, float) and np.isfinite(value):
            shown = f"{value:.1%}"
        else:
            shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else _number(value)
        measures.append((name.removeprefix("n_").replace("_", " "), shown, _MEASURES.get(name, "")))
    return measures


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
