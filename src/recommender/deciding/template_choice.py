"""The approved message of each ranked contact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Columns
from recommender.messages import Catalogue

__all__ = ["TemplateChoice"]


class TemplateChoice:
    """Templates of one action space and purpose.

    Parameters
    ----------
    actions : ActionSpace
    catalogue : Catalogue
    purpose : str
    """

    def __init__(self, actions: ActionSpace, catalogue: Catalogue, purpose: str) -> None:
        self._actions, self._catalogue, self._purpose = actions, catalogue, purpose
        self._says_what = {"channel", "tone"} <= set(actions.factor_names)
        self._known: dict[tuple[int, int, str | None], str | None] = {}

    def of(self, accounts: Columns, ranked: NDArray[np.int64]) -> list[list[str | None]]:
        """Template of each ranked action; None where the account is left alone or there is no tone.

        The contact may fall on the next day, whose stage may be another: today's template goes before tomorrow's.
        """
        if not self._says_what:
            return [[None] * ranked.shape[1] for _ in range(len(ranked))]
        days = accounts.numbers("days_past_due")
        late = np.floor(np.where(np.isnan(days), 1.0, days)).astype(np.int64)
        stages = self._catalogue.stage_of(np.stack([late, late + 1], axis=1)).tolist()
        language = [name if isinstance(name, str) else None for name in accounts.values("language")]
        return [
            [
                self._template(action, today, day, tongue) or self._template(action, tomorrow, day + 1, tongue)
                for action in actions
            ]
            for actions, (today, tomorrow), day, tongue in zip(
                ranked.tolist(), stages, late.tolist(), language, strict=True
            )
        ]

    def _template(self, action: int, stage: int, days_past_due: int, language: str | None) -> str | None:
        if action < 0 or action == self._actions.no_contact_index:
            return None
        key = (action, stage, language)
        if key not in self._known:
            codes = dict(zip(self._actions.factor_names, self._actions.codes[action].tolist(), strict=True))
            channel, tone = (str(self._actions.factors[name][codes[name]]) for name in ("channel", "tone"))
            self._known[key] = self._catalogue.template_ids(
                channel=[channel],
                tone=[tone],
                days_past_due=[days_past_due],
                language=[language],
                purpose=self._purpose,
            )[0]
        return self._known[key]
