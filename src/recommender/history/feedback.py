"""The one currency between data, learning and evaluation: a log of decisions, checked once, on birth."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.columns import utc_moment
from recommender.errors import InvalidInput
from recommender.facts_table import facts_table
from recommender.history.birth import checked_fields
from recommender.history.eligible_sets import EligibleSets
from recommender.history.ladder import Climbed
from recommender.history.log_digest import content_digest, context_keys
from recommender.history.protected import protected_names
from recommender.history.row_identity import RowIdentity, identity_by_account_and_time

if TYPE_CHECKING:
    from recommender.history.prepared_log import PreparedLog

__all__ = ["LoggedFeedback", "ProtectedAttributeWarning"]

RewardKind = Literal["binary", "amount"]
_logger = logging.getLogger(__name__)


class ProtectedAttributeWarning(UserWarning):
    """A context column is named like a protected attribute."""


@dataclass(frozen=True, eq=False, repr=False)
class LoggedFeedback:
    """Logged decisions: context, action, reward and, where logged, propensity.

    Build one with :meth:`from_frame` or :meth:`from_tables`; every check happens there, so code that receives a
    ``LoggedFeedback`` does not check again.

    Attributes
    ----------
    actions : ActionSpace
    context : DataFrame of shape (n_decisions, n_features)
        What was known when the decision was made, with a fresh 0..n-1 index.
    categorical : tuple of str
        Context columns that hold categories.
    action : ndarray of shape (n_decisions,), dtype int64
        Index into ``actions``.
    reward : ndarray of shape (n_decisions,), dtype float64
        NaN where the outcome is not mature yet.
    reward_kind : {"binary", "amount"}
    propensity : ndarray of shape (n_decisions,) or None
        Probability with which the logging policy chose ``action``, after masking; NaN where it was not logged.
    account, cluster : ndarray of shape (n_decisions,), dtype int64, or None
        Codes into ``account_ids``; clusters are independent of each other (debtors).
    account_ids : ndarray of object or None
        Account id of each account code.
    time : ndarray of shape (n_decisions,) or None
        Instants as UTC datetime64 without a zone, other sortable values as given.
    order : ndarray of shape (n_decisions,), dtype float64, or None
        ``time`` on a number line: days for instants, the number itself for numbers, else the rank.
    known_order : ndarray of shape (n_decisions,), dtype float64, or None
        When each reward became known, on the same line; what an account's history may show from then on.
    eligible_sets : EligibleSets or None
        Actions that were allowed at each decision, in bits; :attr:`eligible` gives them as booleans.
    identity : RowIdentity or None
        Carried from the log the rows were taken from; None where they were born here, see :attr:`row_identity`.
    climbed : Climbed or None
        How far each decision climbed the outcome ladder: what the value ladder is learnt from.
    """

    actions: ActionSpace
    context: pd.DataFrame
    categorical: tuple[str, ...]
    action: NDArray[np.int64]
    reward: NDArray[np.float64]
    reward_kind: RewardKind
    propensity: NDArray[np.float64] | None = None
    account: NDArray[np.int64] | None = None
    account_ids: NDArray[np.object_] | None = None
    cluster: NDArray[np.int64] | None = None
    time: NDArray[Any] | None = None
    order: NDArray[np.float64] | None = None
    known_order: NDArray[np.float64] | None = None
    eligible_sets: EligibleSets | None = None
    identity: RowIdentity | None = None
    climbed: Climbed | None = None
    names: dict[str, str | None] = field(default_factory=dict)

    # -- birth ---------------------------------------------------------------------------------------------------
    @classmethod
    def from_frame(
        cls,
        contacts: pd.DataFrame,
        *,
        actions: ActionSpace | Sequence[str],
        context: Sequence[str],
        categorical: Sequence[str] = (),
        reward: str = "reward",
        propensity: str | None = None,
        account: str | None = None,
        time: str | None = None,
        cluster: str | None = None,
        eligible: Any | None = None,
        reward_kind: RewardKind | None = None,
        known_at: str | None = None,
        rung: str | None = None,
        paid: str | None = None,
        cost: str | None = None,
    ) -> Self:
        """Check a frame of past contacts and freeze it.

        Rows are never reordered or dropped.

        Parameters
        ----------
        contacts : DataFrame, Polars or Arrow frame, or list of mappings
            One row a decision, with one column for each action factor.
        actions : ActionSpace or sequence of str
            Names of columns stand for :meth:`ActionSpace.from_frame`: the levels that were logged.
        context : sequence of str
            Columns that were known before the decision.
        categorical : sequence of str, default=()
            Subset of ``context``; text columns of ``context`` are added to it.
        reward : str, default="reward"
            Column of rewards. NaN = not mature yet: kept, counted and left out of learning and evaluation.
        propensity : str or None
            Column of logged propensities in (0, 1]; nulls in part are estimated later and flagged. None = not logged.
        account, time : str or None
            With both, the account's own earlier contacts become features. ``time`` is any sortable column.
        cluster : str or None
            Column of independent units (debtors); defaults to ``account``, then to the row.
        eligible : array-like of bool of shape (n_decisions, n_actions), EligibleSets, or None
        reward_kind : {"binary", "amount"} or None
            None = binary when every mature reward is 0 or 1, else amount.
        known_at : str or None
            Column with the moment each reward became known, comparable with ``time``; default: right after ``time``.
        rung : str or None
            Column of the highest rung of the outcome ladder that was reached in the window: "none", "delivered",
            "reached" (a reply or the right party), "promise_to_pay", "promise_kept" or "paid"; null = unknown. With
            it the strategy learns the value ladder beside the reward.
        paid, cost : str or None
            Columns of the money that came in within the window and of what the contacts cost, in minor units.

        Returns
        -------
        LoggedFeedback

        Raises
        ------
        InvalidInput
            Names the column, the value, the rows and the mend.

        Warns
        -----
        ProtectedAttributeWarning
            When a context column is named like a protected attribute; the column stays, the caller decides.
        """
        fields = checked_fields(
            contacts, actions, context, categorical, reward=reward, propensity=propensity, account=account, time=time,
            cluster=cluster, eligible=eligible, reward_kind=reward_kind, known_at=known_at, rung=rung, paid=paid,
            cost=cost,
        )  # fmt: skip
        if protected := protected_names(fields["context"].columns):
            warnings.warn(
                f"Context columns {protected} are named like protected attributes; leave them out of the model unless "
                "counsel agreed (they may be used for audits).",
                ProtectedAttributeWarning,
                stacklevel=2,
            )
        return cls(**fields)

    @classmethod
    def from_tables(
        cls,
        accounts: pd.DataFrame | None,
        decisions: pd.DataFrame | None,
        contacts: pd.DataFrame,
        outcomes: pd.DataFrame | None = None,
        payments: pd.DataFrame | None = None,
        *,
        actions: ActionSpace,
        as_of: Any,
        reward: str = "right_party_contact",
        window_days: float = 14,
        **options: Any,
    ) -> Self:
        """Build a log from raw tables.

        :func:`recommender.history.build_feedback` takes the same arguments and also
        returns the quarantine and the report: use it to see what was set aside, which is counted in a logged warning.

        Parameters
        ----------
        accounts, decisions, contacts, outcomes, payments : DataFrame or None
            See :data:`recommender.tables.CONTRACTS` and ``data/README.md``.
        actions : ActionSpace
        as_of : instant with an offset
            Now, for this log.
        reward : str, default="right_party_contact"
            A rung of the outcome ladder, ``"response"``, ``"amount"``, ``"amount_gross"`` or ``"net_value"``.
        window_days : float, default=14
            Attribution window ``[decided_at, decided_at + window)``.
        **options
            Further arguments of :func:`recommender.history.build_feedback`.

        Raises
        ------
        InvalidInput
            A table that cannot be used: names the column, the value, the rows and the mend.
        """
        given = {"accounts": accounts, "decisions": decisions, "contacts": contacts, "outcomes": outcomes}
        from recommender.history.prepared_log import as_instant, prepare_log  # with all of intake: late

        prepared = prepare_log(
            given | {"payments": payments},
            actions=actions, as_of=as_instant(as_of), reward=reward, window_days=window_days, **options,
        )  # fmt: skip
        if len(prepared.quarantine):
            counts = prepared.report.counts
            broken = ", ".join(f"{row.table} {row.quarantined:,}" for row in counts.itertuples() if row.quarantined)
            _logger.warning(
                "Rows in quarantine: %s. build_feedback(...).quarantine names row, reason and mend.", broken
            )
        return cls.from_prepared(prepared)

    @classmethod
    def from_prepared(cls, prepared: PreparedLog, frame: pd.DataFrame | None = None) -> Self:
        """The whole of a prepared log in memory, checked; ``frame`` is what its ``frame()`` gave, if made already."""
        rows = prepared.frame() if frame is None else frame
        return cls.from_frame(rows, actions=prepared.actions, eligible=prepared.eligible, **prepared.roles)

    # -- views ---------------------------------------------------------------------------------------------------
    def __len__(self) -> int:
        """Count the decisions, immature ones included."""
        return len(self.action)

    @property
    def n_actions(self) -> int:
        """Number of actions, ``NO_CONTACT`` included."""
        return len(self.actions)

    @property
    def mature(self) -> NDArray[np.bool_]:
        """Where the reward is known."""
        return ~np.isnan(self.reward)

    @property
    def eligible(self) -> NDArray[np.bool_] | None:
        """Allowed actions as booleans of shape (n_decisions, n_actions), made afresh: take the rows you need first."""
        return None if self.eligible_sets is None else self.eligible_sets.array()

    @property
    def groups(self) -> NDArray[np.int64]:
        """Cluster code of each decision; every row its own where no cluster is known."""
        return np.arange(len(self), dtype=np.int64) if self.cluster is None else self.cluster

    @cached_property
    def row_identity(self) -> RowIdentity:
        """Which decision each row is, kept through ``take``, ``split`` and folds."""
        if self.identity is not None:
            return self.identity
        by_key = identity_by_account_and_time(self.account, self.account_ids, self.time)
        return by_key or RowIdentity(self.digest, np.arange(len(self), dtype=np.uint64))

    @property
    def has_account_history(self) -> bool:
        """Whether the account's own earlier contacts can be used."""
        return self.account is not None and self.order is not None

    def take(self, rows: NDArray[np.integer[Any]] | NDArray[np.bool_] | Sequence[int]) -> Self:
        """Decisions at the given positions (or where the mask is true), in that order."""
        chosen = np.asarray(rows)
        at = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(np.int64)
        if (chosen.dtype == bool and chosen.shape != (len(self),)) or (at.size and at.max() >= len(self)):
            raise InvalidInput(
                f"The log has {len(self):,} decisions; others were asked for.",
                column="rows",
                mend=f"Pass positions below {len(self):,}, or a mask of that length.",
            )

        by_row = ("action", "reward", "propensity", "account", "cluster", "time", "order", "known_order")
        picked: dict[str, Any] = {name: None if (held := getattr(self, name)) is None else held[at] for name in by_row}
        return replace(
            self,
            **picked,
            context=self.context.iloc[at].reset_index(drop=True),
            eligible_sets=None if self.eligible_sets is None else self.eligible_sets.take(at),
            identity=self.row_identity.take(at),
            climbed=None if self.climbed is None else self.climbed.take(at),
        )

    def split(self, at: Any) -> tuple[Self, Self]:
        """Split by time into the decisions before ``at`` and those from ``at`` on.

        Raises
        ------
        InvalidInput
            Without a time column, or when one side would be empty.
        """
        if self.time is None or self.order is None:
            mend = "Pass time=... to from_frame, or use log.folds(k)."
            raise InvalidInput("This log has no time column to split by.", column="time", mend=mend)
        series = pd.Series(self.time)
        if isinstance(series.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(series.dtype):
            series = pd.to_datetime(series, utc=True)
            at = utc_moment(at, "at")
        before = (series < at).to_numpy(dtype=bool)
        if before.all() or not before.any():
            raise InvalidInput.in_column(
                self.names.get("time") or "time",
                f"has every row {'before' if before.all() else 'at or after'} the split",
                values=[at],
                mend=f"Choose a moment inside {series.min()} .. {series.max()}.",
            )
        return self.take(before), self.take(~before)

    def sample_rows(self, rows: NDArray[np.int64], most: int | None, random_state: int = 0) -> NDArray[np.int64]:
        """All of ``rows``, or whole clusters drawn at random where there are more than ``most``."""
        if most is None or len(rows) <= most:
            return rows
        clusters, code = np.unique(self.groups[rows], return_inverse=True)
        order = np.random.default_rng(random_state).permutation(len(clusters))
        kept = np.zeros(len(clusters), dtype=bool)
        kept[order] = np.cumsum(np.bincount(code)[order]) <= most
        kept[order[0]] = True
        return rows[kept[code]]

    def fold_codes(self, k: int = 5, random_state: int = 0) -> NDArray[np.int64]:
        """Fold 0..k-1 of each decision; a cluster is never spread over two folds."""
        clusters, codes = np.unique(self.groups, return_inverse=True)
        if not 2 <= k <= len(clusters):
            mend = "Use between 2 folds and one a cluster."
            raise InvalidInput(f"Cannot make {k} folds of {len(clusters):,} clusters.", column="k", mend=mend)
        fold_of_cluster = np.random.default_rng(random_state).permutation(len(clusters)) % k
        return np.asarray(fold_of_cluster[codes], dtype=np.int64)

    def folds(self, k: int = 5, random_state: int = 0) -> list[tuple[Self, Self]]:
        """``k`` pairs (the rest, the held-out fold), by cluster."""
        fold = self.fold_codes(k, random_state)
        return [(self.take(fold != held_out), self.take(fold == held_out)) for held_out in range(k)]

    def to_frame(self) -> pd.DataFrame:
        """Context, action factors, reward and propensity side by side, for looking at."""
        frame = pd.concat([self.context, self.actions.describe(self.action)], axis=1)
        frame["reward"] = self.reward
        if self.propensity is not None:
            frame["propensity"] = self.propensity
        return frame

    def context_keys(self) -> NDArray[np.uint64]:
        """64-bit hash of each decision's context."""
        return context_keys(self.context, self.categorical)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content; equal logs have equal digests on any machine."""
        arrays = [self.action, self.reward, self.propensity, self.cluster, self.order]
        arrays += [] if self.climbed is None else list(self.climbed.arrays)
        return content_digest(self.actions, self.context, self.context_keys(), arrays, self.eligible_sets)

    @property
    def shape(self) -> tuple[int, int]:
        """Decisions and context columns: scikit-learn's splitters see a table of rows."""
        return len(self), self.context.shape[1]

    def __getitem__(self, rows: Any) -> Self:
        """The same as :meth:`take`, for scikit-learn's model selection (which asks for ``rows, ...``)."""
        wanted = rows[0] if isinstance(rows, tuple) else rows
        return self.take(np.arange(len(self))[wanted] if isinstance(wanted, slice) else np.atleast_1d(wanted))

    def _repr_html_(self) -> str:
        known = 0 if self.propensity is None else int((~np.isnan(self.propensity)).sum())
        facts = {
            "decisions": f"{len(self):,}, {int(self.mature.sum()):,} of them with a mature reward",
            "mean reward": f"{np.nanmean(self.reward) if self.mature.any() else np.nan:.4g} ({self.reward_kind})",
            "propensities": "not logged" if not known else f"{known:,} logged",
            "context": ", ".join(self.context.columns),
        }
        facts |= {name: ", ".join(map(str, levels)) for name, levels in self.actions.factors.items()}
        if self.time is not None and len(self):
            facts["period"] = f"{pd.Series(self.time).min()} to {pd.Series(self.time).max()}"
        return facts_table("LoggedFeedback", facts)

    def __repr__(self) -> str:
        """Say what is in the log, in one line."""
        mature = int(self.mature.sum())
        mean = float(np.nanmean(self.reward)) if mature else float("nan")
        known = "not logged" if self.propensity is None else f"{int((~np.isnan(self.propensity)).sum()):,} logged"
        return (
            f"LoggedFeedback({len(self):,} decisions, {mature:,} mature, mean reward {mean:.4g} ({self.reward_kind}), "
            f"{self.n_actions} actions, {self.context.shape[1]} context columns, propensities {known})"
        )
