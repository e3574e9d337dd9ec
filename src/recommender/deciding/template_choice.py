"""The approved message of each ranked contact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import Columns
from recommender.messages import STAGES, Catalogue
from recommender.rules import CHANNELS, Eligibility

__all__ = ["TemplateChoice"]

_FEW = 32  # contacts that are asked about one by one faster than together


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
        self._hour = contacts[:, names.index("hour")] if "hour" in names else np.zeros(len(contacts), dtype=np.int64)
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
        if not self._says_what:
            return [[None] * ranked.shape[1] for _ in range(len(ranked))]
        row, rank = np.nonzero((ranked >= 0) & (ranked < len(self._hour)))
        action = ranked[row, rank]
        late = eligible.days_past_due()[row, self._hour[action]]
        tongue, agreed = accounts.coded("language"), eligible.open_channels()[row]
        first = place = np.arange(len(row))
        if len(row) > _FEW:  # contacts that ask for the same text are asked about once
            asked = (action * len(STAGES) + self._catalogue.stage_of(late)) * len(tongue.values) + tongue.codes[row]
            asked = asked * (1 << len(CHANNELS)) + agreed
            _, first, place = np.unique(asked, return_index=True, return_inverse=True)
        tongues = [name if isinstance(name, str) else None for name in tongue.values]
        actions = action[first].tolist()
        levels_of = {name: [levels[one] for one in actions] for name, levels in self._levels.items()}
        chosen = self._catalogue.template_ids(
            channel=[str(one) for one in levels_of["channel"]],
            tone=[str(one) for one in levels_of["tone"]],
            kind=levels_of.get("message_kind"),
            days_past_due=late[first].tolist(),
            language=[tongues[code] for code in tongue.codes[row[first]].tolist()],
            open_channels=agreed[first].tolist(),
            purpose=self._purpose,
        )
        templates = np.full(ranked.shape, None, dtype=object)
        templates[row, rank] = np.array(chosen, dtype=object)[place]
        told: list[list[str | None]] = templates.tolist()
        return told
