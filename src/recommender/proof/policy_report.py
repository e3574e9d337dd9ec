"""The report of an evaluated policy: the numbers of :mod:`recommender.evaluation`, and a page and figure to share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from os import PathLike
from typing import TYPE_CHECKING, Self

import pandas as pd

from recommender.evaluation import PolicyEvaluation
from recommender.facts_table import facts_table
from recommender.reports import policy_figure, policy_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PolicyReport"]


@dataclass(frozen=True)
class PolicyReport(PolicyEvaluation):
    """What a target policy would have earned, whether that is proven, and how to show it.

    Attributes are those of :class:`recommender.evaluation.PolicyEvaluation`.
    """

    @classmethod
    def of(cls, evaluation: PolicyEvaluation) -> Self:
        """Make a report of the numbers."""
        return cls(**{field.name: getattr(evaluation, field.name) for field in fields(PolicyEvaluation)})

    def to_html(
        self,
        path: str | PathLike[str] | None = None,
        *,
        title: str = "Policy evaluation",
        prices: pd.DataFrame | None = None,
    ) -> str:
        """One self-contained page; written to ``path`` when given.

        Parameters
        ----------
        path : str or path-like, optional
        title : str, default="Policy evaluation"
        prices : DataFrame, optional
            What rules and levers cost the policy, as :func:`recommender.evaluation.price_of_rules` tells it.

        Returns
        -------
        str
            The page.
        """
        return policy_page(self, path, title=title, prices=prices)

    def __repr__(self) -> str:
        """Verdict and difference in one line."""
        gap = self.difference
        return (
            f"PolicyReport({self.verdict}: {gap.value:+.4g} [{gap.low:+.4g}, {gap.high:+.4g}] a decision, "
            f"{self.default['estimator']} {self.default['value']:.4g})"
        )

    def _repr_html_(self) -> str:
        gap = self.difference
        facts = {
            "verdict": self.verdict,
            "difference a decision": f"{gap.value:+.4g} [{gap.low:+.4g}, {gap.high:+.4g}], {self.confidence:.0%}",
            **{f"reason {number}": reason for number, reason in enumerate(self.reasons, start=1)},
        }
        for _, row in self.table.iterrows():
            name = f"{row['estimator']}{' (default)' if row['default'] else ''}"
            facts[name] = f"{row['value']:.4g} [{row['ci_low']:.4g}, {row['ci_high']:.4g}]"
        return facts_table("PolicyReport", facts)

    def plot(self) -> Figure:
        """Figure with the estimates, the weights, their calibration and the value by slice."""
        return policy_figure(self)
