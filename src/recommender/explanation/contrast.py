"""Why action A and not action B for one account: in sentences, as a picture, and what would turn the order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from recommender.explanation.action_difference import ActionDifference
from recommender.explanation.counterfactual import flips
from recommender.explanation.reasons import contrast_sentences
from recommender.explanation.waterfall import contrast_steps
from recommender.reports import draw_step_bars

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Contrast"]


@dataclass(frozen=True, eq=False)
class Contrast(ActionDifference):
    """The difference between two actions and what can be told from it; positive speaks for ``a``."""

    def reasons(self, language: str | None = None, *, currency: str | None = None) -> list[str]:
        """At most four sentences; see :meth:`Explanation.reasons`."""
        return contrast_sentences(self, language or self.explanation.language, currency)

    def plot(self, language: str | None = None) -> Figure:
        """Diverging bars by concept that sum to the difference."""
        return draw_step_bars(contrast_steps(self, language or self.explanation.language))

    def what_would_make_b_win(self, reference: pd.DataFrame | None = None, *, most_values: int = 25) -> pd.DataFrame:
        """Smallest observed change of one column or one concept after which ``b`` beats ``a``.

        Parameters
        ----------
        reference : DataFrame or None
            Accounts whose values are tried; None = the other explained accounts.
        most_values : int, default=25
            Values tried of each column and each concept.

        Returns
        -------
        DataFrame
            See :func:`recommender.explanation.counterfactual.flips`; empty where nothing observed turns the order.
        """
        return flips(self, reference, most_values)
