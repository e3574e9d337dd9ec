"""The approved message of each ranked contact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Columns
from recommender.messages import Catalogue
from recommender.rules import Eligibility

__all__ = ["TemplateChoice"]


class TemplateChoice:
    """Templates of one action space and purpose.

    Parameters
    ----------
    actions : ActionSpace
    catalogue : Catalogue
    purpose : str
    kinds : list of str or None, optional
        Kind that each contact action asks for by what it offers, where kinds are no factor.
    """

    def __init__(
        self, actions: ActionSpace, catalogue: Catalogue, purpose: str, kinds: list[str | None] | None = None
    ) -> None:
        self._catalogue, self._purpose = catalogue, purpose
        names = actions.factor_names
        contacts = actions.codes[: actions.n_contact_actions]
        levels: dict[str, list[str | None]] = {
            name: [str(actions.factors[name][code]) for code in contacts[:, names.index(name)].tolist()]
            for name in ("channel", "tone", "message_kind")
            if name in names
        }
        if kinds is not None:
            levels.setdefault("message_kind", kinds)
        self._says_what = "channel" in levels and "tone" in levels
        self._hour = contacts[:, names.index("hour")].tolist() if "hour" in names else [0] * len(contacts)
        self._levels = levels

    def of(self, accounts: Columns, ranked: NDArray[np.int64], eligible: Eligibility) -> list[list[str | None]]:
        """Template of each ranked action; None where the account is left alone or there is no tone.

        Of the kind that was chosen where kinds are a factor, and of the stage at the instant of contact, which may be
        another than today's.

        Parameters
        ----------
        accounts : Columns
        ranked : ndarray of int64 of shape (n_accounts, k)
        eligible : Eligibility
            Of these accounts.
        """
        templates: list[list[str | None]] = [[None] * ranked.shape[1] for _ in range(len(ranked))]
        if not self._says_what:
            return templates
        contacts = [
            (row, rank, action)
            for row, actions in enumerate(ranked.tolist())
            for rank, action in enumerate(actions)
            if 0 <= action < len(self._hour)
        ]
        late, agreed = eligible.days_past_due(), eligible.open_channels().tolist()
        tongues = [name if isinstance(name, str) else None for name in accounts.values("language")]
        levels_of = {name: [levels[action] for *_, action in contacts] for name, levels in self._levels.items()}
        chosen = self._catalogue.template_ids(
            channel=[str(one) for one in levels_of["channel"]],
            tone=[str(one) for one in levels_of["tone"]],
            kind=levels_of.get("message_kind"),
            days_past_due=[late.item(row, self._hour[action]) for row, _, action in contacts],
            language=[tongues[row] for row, *_ in contacts],
            open_channels=[agreed[row] for row, *_ in contacts],
            purpose=self._purpose,
        )
        for (row, rank, _), template in zip(contacts, chosen, strict=True):
            templates[row][rank] = template
        return templates
