"""Why an account's actions are ranked as they are: tables, sentences, contrasts and pictures of explained accounts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.explanation.contrast import Contrast
from recommender.explanation.explained_accounts import ExplainedAccounts
from recommender.explanation.waterfall import waterfall_steps
from recommender.extras import needs
from recommender.facts_table import facts_table
from recommender.quiet import warnings_ignored
from recommender.reports import draw_step_bars

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BASELINE", "Explanation"]

Floats = NDArray[np.float64]

BASELINE = "(baseline)"
_SHOWN = 5


@dataclass(frozen=True, eq=False)
class Explanation(ExplainedAccounts):
    """What can be told from explained accounts; see :class:`ExplainedAccounts` for what it holds."""

    def __repr__(self) -> str:
        """Say what is explained, in one line."""
        return (
            f"Explanation({len(self):,} accounts, {self.action.shape[1]} ranked actions each, "
            f"{len(self.features)} features, parts: {', '.join(self.parts)})"
        )

    def _repr_html_(self) -> str:
        facts: dict[str, object] = {"explained": repr(self)}
        for row in self.rows[:_SHOWN].tolist():
            facts[f"account {self.account[self.position_of(row)]}"] = " ".join(self.reasons(row))
        if len(self) > _SHOWN:
            facts["and"] = f"{len(self) - _SHOWN:,} accounts more; see to_frame(), reasons(row), plot(row)"
        return facts_table("Explanation", facts)

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
        account_index, rank = np.nonzero(self.action >= 0)
        shown = self.action[account_index, rank]
        pieces = []
        for position, (name, part) in enumerate(self.parts.items()):
            margin = np.column_stack(
                [np.full(len(account_index), part.baseline), part.contributions[account_index, rank]]
            )
            start = self.baseline_reward if position == 0 else 0.0
            reward = np.column_stack(
                [np.full(len(account_index), start), self.reward_contributions[name][account_index, rank]]
            )
            repeated = np.repeat(np.arange(len(account_index)), n_features + 1)
            piece = pd.DataFrame(
                {
                    "row": self.rows[account_index][repeated],
                    "account": self.account[account_index][repeated],
                    "rank": rank[repeated] + 1,
                }
            )
            piece = pd.concat([piece, self.actions.describe(shown[repeated])], axis=1)
            piece["part"] = name
            piece["group"] = np.tile(np.array(["baseline", *self.feature_groups], dtype=object), len(account_index))
            piece["feature"] = np.tile(np.array([BASELINE, *self.features], dtype=object), len(account_index))
            piece["value"] = self._values(account_index, shown).ravel()
            piece["contribution"] = margin.ravel()
            piece["contribution_reward"] = reward.ravel()
            pieces.append(piece)
        return pd.concat(pieces, ignore_index=True)

    def _values(self, account_index: NDArray[np.int64], shown: NDArray[np.int64]) -> NDArray[np.object_]:
        table = np.full((len(account_index), len(self.features) + 1), None, dtype=object)
        columns = list(self.served.encoder.names)
        table[:, 1 : 1 + len(columns)] = self.context[columns].iloc[account_index].astype(object).to_numpy()
        described = self.actions.describe(shown).astype(object).to_numpy()
        table[:, 1 + len(columns) : 1 + len(columns) + described.shape[1]] = described
        return table

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
        account_index = self.position_of(row)
        first = self.action_index(a)
        if b is None:
            others = np.where(self.eligible[account_index], self.rewards[account_index], -np.inf)
            others[first] = -np.inf
            if not np.isfinite(others.max()):
                raise InvalidInput(
                    "No other action is eligible for this account.", column="b", mend="Name the action to compare with."
                )
            second = int(others.argmax())
        else:
            second = self.action_index(b)
        return Contrast.between(self, account_index, first, second)

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
        action = self.explained_action(row, rank)
        return self.contrast(action, against, row=row).reasons(language or self.language, currency=currency)

    def plot(self, row: int, *, rank: int = 1, language: str | None = None) -> Figure:
        """Waterfall from the mean account to this one, by concept, in units of reward."""
        self.explained_action(row, rank)
        return draw_step_bars(waterfall_steps(self, self.position_of(row), rank - 1, language or self.language))

    def to_shap(self, *, rank: int = 1, part: str | None = None) -> Any:
        """Contributions of one rank on the margin as :class:`shap.Explanation`, for its plots; imports shap.

        Accounts without an action of that rank are left out.
        """
        with warnings_ignored(PendingDeprecationWarning), needs("explain"):  # shap calls what matplotlib is to retire
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


def _mean_over_actions(values: Floats, shown: NDArray[np.bool_]) -> Floats:
    count = np.maximum(shown.sum(axis=1), 1)[:, None]
    return np.asarray((values * shown[:, :, None]).sum(axis=1) / count)


def _standard_error(values: Floats) -> Floats:
    n = len(values)
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(n)) if n > 1 else np.full(values.shape[1], np.nan)
