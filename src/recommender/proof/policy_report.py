"""The report of an evaluated policy: the numbers of :mod:`recommender.evaluation`, and a page and figure to share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from os import PathLike
from typing import TYPE_CHECKING, Self

import pandas as pd

from recommender.evaluation import PolicyEvaluation
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

    def plot(self) -> Figure:
        """Figure with the estimates, the weights, their calibration and the value by slice."""
        return policy_figure(self)
