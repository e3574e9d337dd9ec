"""Why an account's actions are ranked as they are: contributions, charts, sentences and contrasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.explanation.attribution import PartAttribution
from recommender.explanation.concepts import ConceptGroups
from recommender.explanation.contrast import Contrast, contrast_of
from recommender.explanation.factors import factor_effects
from recommender.explanation.reward_units import reward_slopes
from recommender.explanation.served import ServedModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BASELINE", "Explanation"]

Floats = NDArray[np.float64]

BASELINE = "(baseline)"


@dataclass(frozen=True, eq=False)
class Explanation:
    """Contributions to the served margins of ranked actions, and what can be told from them.

    Attributes
    ----------
    served : ServedModel
    groups : ConceptGroups
    features : tuple of str
        Context columns, factors of the action, contact or not, and what could not be attributed.
    feature_groups : tuple of str
        Concept of each feature.
    rows : ndarray of shape (n,)
        Position of each explained account in the frame that was given.
    account : ndarray of shape (n,)
        Account ids, or positions where the accounts have none.
    context : DataFrame of shape (n, n_columns)
        What was known, history included.
    X : ndarray of shape (n, n_columns)
        The same, encoded.
    action : ndarray of shape (n, k)
        Explained actions by rank; -1 = none.
    parts : dict of str to PartAttribution
    margins : dict of str to ndarray of shape (n, n_actions)
        Served margin of every action by part.
    rewards : ndarray of shape (n, n_actions)
        Expected reward of every action.
    eligible : ndarray of bool of shape (n, n_actions)
    means : dict
        The account that contributions are held against, by part and design.
    language : str
        Of texts and charts, unless asked otherwise.
    notes : tuple of str
        What was left out, and why.
    """

    served: ServedModel
    groups: ConceptGroups
    features: tuple[str, ...]
    feature_groups: tuple[str, ...]
    rows: NDArray[np.int64]
    account: NDArray[Any]
    context: pd.DataFrame
    X: Floats
    action: NDArray[np.int64]
    parts: Mapping[str, PartAttribution]
    margins: Mapping[str, Floats]
    rewards: Floats
    eligible: NDArray[np.bool_]
    means: Mapping[str, dict[str, Floats]]
    language: str = "es"
    notes: tuple[str, ...] = field(default=())

    # -- what it knows -------------------------------------------------------------------------------------------
    @property
    def actions(self) -> ActionSpace:
        """The action space."""
        return self.served.actions

    def __len__(self) -> int:
        """Count the explained accounts."""
        return len(self.rows)

    @cached_property
    def baseline_reward(self) -> float:
        """Reward of the mean account, averaged over the contact actions on the margin."""
        start = {name: np.asarray(part.baseline) for name, part in self.parts.items()}
        return float(self.served.response(start)) + factor_effects(self.served.usual, self.actions)[0]

    @cached_property
    def reward_contributions(self) -> dict[str, Floats]:
        """Contributions in units of reward by part, each of shape (n, k, n_features).

        ``baseline_reward`` and all of them sum to the expected reward of the action.
        """
        safe = np.maximum(self.action, 0)
        end = {name: np.take_along_axis(margin, safe, axis=1) for name, margin in self.margins.items()}
        start = {name: np.full(safe.shape, self.parts[name].baseline) for name in end}
        slopes = reward_slopes(self.served, start, end)
        answer = {name: self.parts[name].contributions * slopes[name][:, :, None] for name in end}
        _, effects, contact = factor_effects(self.served.usual, self.actions)
        first = next(iter(answer))
        n_factors = len(self.actions.factors)
        answer[first][:, :, -2 - n_factors : -2] += effects[safe]
        answer[first][:, :, -2] += contact[safe]
        return answer

    def position_of(self, row: int) -> int:
        """Place of the account at ``row`` of the given frame among the explained ones."""
        found = np.flatnonzero(self.rows == row)
        if not found.size:
            raise InvalidInput.in_column(
                "row",
                "was not explained",
                values=[row],
                mend=f"Explained are {len(self)} rows, e.g. {self.rows[:5].tolist()}.",
            )
        return int(found[0])

    def action_index(self, action: int | Mapping[str, Any]) -> int:
        """Index of an action given as such or by its factors."""
        if isinstance(action, Mapping):
            return int(self.actions.index_of({name: [level] for name, level in action.items()})[0])
        if not 0 <= int(action) < len(self.actions):
            raise InvalidInput.in_column(
                "action", f"must lie in 0..{len(self.actions) - 1}", values=[action], mend="See actions.to_frame()."
            )
        return int(action)

    # -- tables --------------------------------------------------------------------------------------------------
    def to_frame(self) -> pd.DataFrame:
        """Every contribution as a row.

        Returns
        -------
        DataFrame
            ``row``, ``account``, ``rank``, the factors, ``part``, ``group``, ``feature``, ``value``, ``contribution``
            (on the margin), ``contribution_reward``. The rows of an action and part sum to its margin, those of an
            action to its expected reward; the feature ``(baseline)`` is where both start.
        """
        n_features = len(self.features)
        place, rank = np.nonzero(self.action >= 0)
        shown = self.action[place, rank]
        pieces = []
        for position, (name, part) in enumerate(self.parts.items()):
            margin = np.column_stack([np.full(len(place), part.baseline), part.contributions[place, rank]])
            start = self.baseline_reward if position == 0 else 0.0
            reward = np.column_stack([np.full(len(place), start), self.reward_contributions[name][place, rank]])
            repeated = np.repeat(np.arange(len(place)), n_features + 1)
            piece = pd.DataFrame(
                {
                    "row": self.rows[place][repeated],
                    "account": self.account[place][repeated],
                    "rank": rank[repeated] + 1,
                }
            )
            piece = pd.concat([piece, self.actions.describe(shown[repeated])], axis=1)
            piece["part"] = name
            piece["group"] = np.tile(np.array(["baseline", *self.feature_groups], dtype=object), len(place))
            piece["feature"] = np.tile(np.array([BASELINE, *self.features], dtype=object), len(place))
            piece["value"] = self._values(place, shown).ravel()
            piece["contribution"] = margin.ravel()
            piece["contribution_reward"] = reward.ravel()
            pieces.append(piece)
        return pd.concat(pieces, ignore_index=True)

    def _values(self, place: NDArray[np.int64], shown: NDArray[np.int64]) -> NDArray[np.object_]:
        table = np.full((len(place), len(self.features) + 1), None, dtype=object)
        columns = list(self.served.encoder.names)
        table[:, 1 : 1 + len(columns)] = self.context[columns].iloc[place].astype(object).to_numpy()
        described = self.actions.describe(shown).astype(object).to_numpy()
        table[:, 1 + len(columns) : 1 + len(columns) + described.shape[1]] = described
        return table

    def group_contributions(self) -> tuple[tuple[str, ...], Floats]:
        """Concepts, and the contributions in units of reward summed over parts by concept, shape (n, k, n_groups)."""
        names = tuple(dict.fromkeys(self.feature_groups))
        total = np.sum(list(self.reward_contributions.values()), axis=0)
        member = np.array([[group == name for name in names] for group in self.feature_groups], dtype=np.float64)
        return names, total @ member

    def global_frame(self, by: Any | None = None) -> pd.DataFrame:
        """How much each concept and each feature moves the explained actions of these accounts.

        Signed contributions are summed within a concept before the absolute value is taken. The actions of one account
        are averaged first, so that the standard error is one over accounts.

        Parameters
        ----------
        by : array-like of shape (n,) or None
            Segment of each explained account, e.g. its stage; None = all together.

        Returns
        -------
        DataFrame
            ``segment`` (where asked), ``part``, ``level`` ("group" or "feature"), ``group``, ``feature``,
            ``mean_abs_contribution`` (margin) and its ``standard_error``, ``mean_abs_reward`` and
            ``standard_error_reward``, ``n_accounts``; largest first within each part and level.
        """
        segments = np.zeros(len(self), dtype=object) if by is None else np.asarray(by, dtype=object)
        if len(segments) != len(self):
            raise InvalidInput(
                f"by has {len(segments)} entries for {len(self)} explained accounts.",
                column="by",
                mend="Give one segment an explained account, in the order of explanation.rows.",
            )
        names = tuple(dict.fromkeys(self.feature_groups))
        member = np.array([[group == name for name in names] for group in self.feature_groups], dtype=np.float64)
        shown = self.action >= 0
        pieces = []
        for part, attribution in self.parts.items():
            for level, matrix in (("group", member), ("feature", np.eye(len(self.features)))):
                margin = _mean_over_actions(np.abs(attribution.contributions @ matrix), shown)
                reward = _mean_over_actions(np.abs(self.reward_contributions[part] @ matrix), shown)
                for segment in pd.unique(segments):
                    rows = (segments == segment) & shown.any(axis=1)
                    n = int(rows.sum())
                    piece = pd.DataFrame(
                        {
                            "segment": segment,
                            "part": part,
                            "level": level,
                            "group": names if level == "group" else self.feature_groups,
                            "feature": None if level == "group" else self.features,
                            "mean_abs_contribution": margin[rows].mean(axis=0),
                            "standard_error": _standard_error(margin[rows]),
                            "mean_abs_reward": reward[rows].mean(axis=0),
                            "standard_error_reward": _standard_error(reward[rows]),
                            "n_accounts": n,
                        }
                    )
                    pieces.append(piece.sort_values("mean_abs_contribution", ascending=False, kind="stable"))
        frame = pd.concat(pieces, ignore_index=True)
        return frame.drop(columns="segment") if by is None else frame

    # -- one account ---------------------------------------------------------------------------------------------
    def contrast(self, a: int | Mapping[str, Any], b: int | Mapping[str, Any] | None = None, *, row: int) -> Contrast:
        """Why action ``a`` and not ``b`` for the account at ``row``.

        Parameters
        ----------
        a, b : int or mapping of factor to level
            Action index or factors; ``b=None`` takes the best other eligible action.
        row : int
            Position in the frame that was given to :func:`explain`.

        Returns
        -------
        Contrast
        """
        place = self.position_of(row)
        first = self.action_index(a)
        if b is None:
            others = np.where(self.eligible[place], self.rewards[place], -np.inf)
            others[first] = -np.inf
            if not np.isfinite(others.max()):
                raise InvalidInput(
                    "No other action is eligible for this account.", column="b", mend="Name the action to compare with."
                )
            second = int(others.argmax())
        else:
            second = self.action_index(b)
        return contrast_of(self, place, first, second)

    def reasons(
        self,
        row: int,
        language: str | None = None,
        *,
        rank: int = 1,
        against: Any | None = None,
        currency: str | None = None,
    ) -> list[str]:
        """At most four sentences that say why an action is preferred to another.

        Parameters
        ----------
        row : int
        language : str or None
            ``"es"``, ``"en"`` or a region of them; None = the explanation's.
        rank : int, default=1
            Which of the explained actions.
        against : action or None
            What to compare with; None = the best other eligible action.
        currency : str or None
            ISO code, where rewards are amounts.
        """
        action = self._explained_action(row, rank)
        return self.contrast(action, against, row=row).reasons(language or self.language, currency=currency)

    def plot(self, row: int, *, rank: int = 1, language: str | None = None) -> Figure:
        """Waterfall from the mean account to this one, by concept, in units of reward."""
        from recommender.explanation.charts import waterfall

        self._explained_action(row, rank)
        return waterfall(self, self.position_of(row), rank - 1, language or self.language)

    def to_shap(self, *, rank: int = 1, part: str | None = None) -> Any:
        """Contributions of one rank on the margin as :class:`shap.Explanation`, for its plots; imports shap.

        Accounts without an action of that rank are left out.
        """
        import warnings

        with warnings.catch_warnings():  # shap calls what matplotlib is about to retire
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            import shap

        name = next(iter(self.parts)) if part is None else part
        if name not in self.parts:
            raise InvalidInput.in_column("part", "is unknown", values=[part], mend=f"Use one of {list(self.parts)}.")
        rows = np.flatnonzero(self.action[:, rank - 1] >= 0)
        attribution = self.parts[name]
        data = np.full((len(rows), len(self.features)), np.nan)
        data[:, : self.X.shape[1]] = self.X[rows]
        return shap.Explanation(
            values=attribution.contributions[rows, rank - 1],
            base_values=np.full(len(rows), attribution.baseline),
            data=data,
            feature_names=list(self.features),
        )

    def _explained_action(self, row: int, rank: int) -> int:
        place = self.position_of(row)
        if not 1 <= rank <= self.action.shape[1] or self.action[place, rank - 1] < 0:
            raise InvalidInput.in_column(
                "rank", f"was not explained for row {row}", values=[rank], mend="Ask explain for a larger top_k."
            )
        return int(self.action[place, rank - 1])


def _mean_over_actions(values: Floats, shown: NDArray[np.bool_]) -> Floats:
    count = np.maximum(shown.sum(axis=1), 1)[:, None]
    return np.asarray((values * shown[:, :, None]).sum(axis=1) / count)


def _standard_error(values: Floats) -> Floats:
    n = len(values)
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(n)) if n > 1 else np.full(values.shape[1], np.nan)
