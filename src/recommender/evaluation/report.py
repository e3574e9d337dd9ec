"""The result of an evaluation as plain data: a table, a verdict with reasons, diagnostics."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self, get_args

import numpy as np
import pandas as pd

from recommender.evaluation.intervals import Interval
from recommender.evaluation.slices import SLICE_COLUMNS
from recommender.evaluation.verdict import Verdict

__all__ = ["PolicyEvaluation"]


@dataclass(frozen=True)
class PolicyEvaluation:
    """What a target policy would have earned, and whether that is proven.

    Attributes
    ----------
    table : DataFrame
        One row an estimator; see :meth:`to_frame`.
    verdict : {"better", "worse", "not proven", "refused"}
        Against the baseline, from the paired difference.
    reasons : tuple of str
        Sentences; each refusal names its trigger.
    difference : Interval
        Target minus baseline per decision, paired.
    diagnostics : dict
        Effective sample size, unsupported share, Pareto k, mean weight, sensitivity to confounding ...
    slices : DataFrame
        One row a level of each slicing column, see ``evaluation.slices``.
    calibration : list of dict
        Mean weight by tenth of the propensity.
    weight_quantiles : list of (share, weight)
    confidence : float
    """

    table: pd.DataFrame
    verdict: Verdict
    reasons: tuple[str, ...]
    difference: Interval
    diagnostics: dict[str, Any]
    slices: pd.DataFrame
    calibration: list[dict[str, float]] = field(repr=False)
    weight_quantiles: list[tuple[float, float]] = field(repr=False)
    confidence: float = 0.95

    def to_frame(self) -> pd.DataFrame:
        """One row an estimator, the default one first.

        Returns
        -------
        DataFrame
            Columns ``estimator``, ``value``, ``ci_low``, ``ci_high``, ``effective_sample_size``, ``warnings`` (tuple
            of codes) and ``default`` (True on exactly one row, also when the verdict is refused).
        """
        return self.table.copy()

    @property
    def default(self) -> pd.Series:
        """The row of the default estimator."""
        return self.table.loc[self.table["default"]].iloc[0]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready content; numbers that are not finite become null."""
        content: dict[str, Any] = _plain(
            {
                "verdict": self.verdict,
                "reasons": list(self.reasons),
                "confidence": self.confidence,
                "difference": asdict(self.difference),
                "estimates": self.table.to_dict(orient="records"),
                "diagnostics": self.diagnostics,
                "slices": self.slices.to_dict(orient="records"),
                "propensity_calibration": self.calibration,
                "weight_quantiles": self.weight_quantiles,
            }
        )
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Self:
        """A report from the content of :meth:`to_dict`; numbers that were not finite are NaN.

        Raises
        ------
        KeyError, TypeError, ValueError
            When it is not such content.
        """
        if content["verdict"] not in get_args(Verdict):
            raise ValueError(f"unknown verdict {content['verdict']!r}")
        table = pd.DataFrame(content["estimates"])
        table["warnings"] = [tuple(codes) for codes in table["warnings"]]
        numbers = ["value", "ci_low", "ci_high", "effective_sample_size"]
        table[numbers] = table[numbers].astype(float)
        if table["default"].sum() != 1:
            raise ValueError("one estimator must be the default one")
        gap: dict[str, Any] = {
            name: math.nan if value is None else value for name, value in content["difference"].items()
        }
        slices = pd.DataFrame(content["slices"], columns=SLICE_COLUMNS)
        measured = [name for name in SLICE_COLUMNS if name not in ("slice", "level", "verdict")]
        slices[measured] = slices[measured].astype(float)
        return cls(
            table=table,
            verdict=content["verdict"],
            reasons=tuple(str(reason) for reason in content["reasons"]),
            difference=Interval(**gap),
            diagnostics=dict(content["diagnostics"]),
            slices=slices,
            calibration=list(content["propensity_calibration"]),
            weight_quantiles=[(share, weight) for share, weight in content["weight_quantiles"]],
            confidence=float(content["confidence"]),
        )

    def to_json(self) -> str:
        """The whole report as a JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False)

    def __str__(self) -> str:
        """Verdict, reasons and the table as text."""
        return "\n".join([f"{self.verdict}", *self.reasons, self.table.to_string(index=False)])


def _plain(value: Any) -> Any:
    """Turn numpy scalars, tuples and numbers that are not finite into what JSON can hold."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int | bool) else str(value)
