"""What was read of a portfolio: values of its contacts, facts of its accounts, what rules remove of a sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.planning.capacity_tables import AccountKinds

__all__ = ["CONTEXTS", "PortfolioValues", "RuleSample", "people_of_plan"]

CONTEXTS = "contexts.jsonl"
"""File beside the values with the context of each account, where the decisions are recorded."""


@dataclass(frozen=True)
class RuleSample:
    """Accounts of which is known what each rule removes: to price the rules.

    Attributes
    ----------
    position : ndarray of shape (m,)
        Among the accounts read.
    values : ndarray of shape (m, n_actions)
        In money, whether denied or not; -inf where no queue serves.
    removed : list of dict of str to ndarray of shape (n_actions,)
    details : dict of str to dict
        Rule -> ``kind`` and ``citation``.
    """

    position: NDArray[np.int64]
    values: NDArray[np.float32]
    removed: list[dict[str, NDArray[np.bool_]]]
    details: dict[str, dict[str, str]]


@dataclass
class PortfolioValues:
    """What was read of a portfolio, in the order of reading.

    Attributes
    ----------
    kinds : AccountKinds
    policy_path, aside_path : Path
        float32 values: of all accounts, -inf for those that the policy does not decide about; and of the others.
    aside : ndarray
        Accounts whose values are in ``aside_path``.
    usual_choice : ndarray of shape (n_usual, 12), dtype int16
        Actions of the seed rules, best first, for the accounts of the arm "usual" in order.
    facts : DataFrame
        ``row``, ``account_id``, ``debtor``, ``decision_id``, ``arm``, ``kind``, ``clock``, ``days_past_due``,
        ``language``, ``late`` (days past due at the first contact hour), ``next_day`` (set of the hours that fall on
        the day after), ``open_channels``, ``needs_human``.
    placed : DataFrame
        Appointments that the law allows: ``place``, ``action``, ``at``, ``reason``.
    unplaced : list of dict
    share : ndarray of shape (n, days), dtype float32
        Part of its worth that other contacts leave to one on each day; in the values already.
    shut_out : int
        Accounts that no contact is open for.
    open_sets : dict of int to ndarray of shape (n, bytes), dtype uint8
        Round -> packed bits of what is open on the first day, where the decisions are recorded.
    law : dict
        ``rule_packs`` (id -> digest), ``holidays``, ``tzdata`` that were judged by.
    """

    kinds: AccountKinds
    policy_path: Path
    aside_path: Path
    aside: NDArray[np.int64]
    usual_choice: NDArray[np.int16]
    facts: pd.DataFrame
    placed: pd.DataFrame
    unplaced: list[dict[str, Any]]
    rules: RuleSample
    removed: dict[str, int]
    notes: list[str]
    share: NDArray[np.float32]
    shut_out: int = 0
    open_sets: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    law: dict[str, Any] = field(default_factory=dict)

    def shut_out_text(self) -> str:
        """How many accounts no contact is open for, and which rules alone close everything; empty for none."""
        if not self.shut_out:
            return ""
        text = f"{self.shut_out:,} of {len(self.facts):,} accounts may not be contacted at all"
        all_gone = [rule for removed in self.rules.removed for rule, gone in removed.items() if gone.all()]
        counts = Counter(all_gone).most_common(3)
        of = len(self.rules.removed)
        why = "; ".join(f"{rule} denies everything to {count / of:.0%}" for rule, count in counts)
        return f"{text} (in a sample of {of:,}: {why})" if why else text


def people_of_plan(read: PortfolioValues) -> pd.DataFrame:
    """The queue of accounts that a person looks at first, contacted or not: why, and since when where it is known."""
    mine = read.facts.loc[read.facts["needs_human"]]
    columns = ["row", "account_id", "debtor", "human_reason", "human_since", "segment", "days_past_due", "decision_id"]
    return mine[columns].sort_values("row", ignore_index=True)
