"""What the managers' pages explore: expected results by segment and legal action, and what each legal rule costs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.errors import InvalidInput
from recommender.rules import eligibility
from recommender.strategy import STAGES, ContactStrategy, stage_of

__all__ = ["SITUATIONS", "explored", "legal_rules"]

SITUATIONS: tuple[str, ...] = ("now", "in_20_days", "broken_promise", "asked_whatsapp")
"""As the accounts are; twenty days later, nothing paid; with one more promise that was not kept; after they asked to be
written to by WhatsApp, where the accounts say what they prefer."""

_SEGMENTS = ("stage", "product", "segment")
_LATER_DAYS = 20
_FEWEST = 20  # accounts of a segment before anything is said of it


def explored(
    strategy: ContactStrategy,
    accounts: pd.DataFrame,
    *,
    as_of: datetime,
    contacts: pd.DataFrame | None,
    seed: int = 0,
    sample: int = 60,
) -> list[dict[str, Any]]:
    """Expected result of every action that the law leaves open, by country, segment and situation.

    Parameters
    ----------
    strategy : ContactStrategy
    accounts : DataFrame
        With the facts of rules and the columns of the model, ``country`` and ``currency``.
    as_of : aware datetime
    contacts : DataFrame or None
        As ``score --contacts``.
    seed : int
    sample : int
        Accounts looked at in each segment, drawn at random.

    Returns
    -------
    list of dict
        One a situation, country, segment and action: ``situation``, ``country``, ``currency``, ``dimension`` ("all",
        "stage", "product", "segment"), ``segment``, the factors, ``mean``, ``low``, ``high`` (means of the ends of the
        accounts' 95 % intervals: no account's errors are taken to cancel another's), ``evidence`` (mean logged tries on
        accounts like these), ``n_accounts`` (for whom it is legal) and ``n_sampled``. The best action of each channel
        also has ``less``, ``less_low``, ``less_high``, ``p_less``, ``p_alike``: by how much it is behind the best
        where both are legal, by the joint posterior of an account, and how likely that is; means over the accounts.
    """
    rows: list[dict[str, Any]] = []
    rng = np.random.default_rng(seed)
    for about, part in _segments(accounts):
        own = part.iloc[np.sort(rng.permutation(len(part))[:sample])].reset_index(drop=True)
        for situation in SITUATIONS if "preferred_channel" in accounts else SITUATIONS[:-1]:
            changed, moment = situated(own, situation, as_of)
            rows += _cells(strategy, changed, moment, contacts, {"situation": situation, **about})
    return rows


def situated(accounts: pd.DataFrame, situation: str, as_of: datetime) -> tuple[pd.DataFrame, datetime]:
    """Accounts in a situation, and its moment."""
    if situation == "in_20_days":
        days = accounts["days_past_due"].astype("float64") + _LATER_DAYS
        later = accounts.assign(days_past_due=days)
        if "stage" in accounts:
            later["stage"] = np.array(STAGES, dtype=object)[stage_of(days.to_numpy())]
        return later, as_of  # the facts move on; the law is that of a day like this one
    if situation == "broken_promise":
        more = {name: accounts[name].astype("float64").fillna(0.0) + 1.0
                for name in ("promises_12m", "late_payments_12m") if name in accounts}  # fmt: skip
        return accounts.assign(**more), as_of
    if situation == "asked_whatsapp":
        return accounts.assign(preferred_channel="whatsapp"), as_of
    return accounts, as_of


def _segments(accounts: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    """Groups of accounts of one country and currency that are large enough."""
    for (country, currency), own in accounts.groupby(["country", "currency"], sort=True):
        about = {"country": str(country), "currency": str(currency)}
        yield {**about, "dimension": "all", "segment": "all"}, own
        for dimension in _SEGMENTS:
            for segment, part in own.groupby(dimension, sort=True) if dimension in own else ():
                if len(part) >= _FEWEST:
                    yield {**about, "dimension": dimension, "segment": str(segment)}, part


def _cells(
    strategy: ContactStrategy,
    accounts: pd.DataFrame,
    as_of: datetime,
    contacts: pd.DataFrame | None,
    about: Mapping[str, Any],
) -> list[dict[str, Any]]:
    actions = strategy.actions_
    legal = eligibility(accounts, actions, as_of=as_of, packs=None, contacts=contacts).mask
    ranked = strategy.recommend(
        accounts, top_k=len(actions), eligible=_never_empty(legal, actions.no_contact_index), as_of=as_of, explore=False
    )
    ranked = ranked.loc[ranked["channel"].notna()]
    factors = list(actions.factors)
    wanted = ["expected_reward", "lo", "hi", "evidence"]
    grouped = ranked.groupby(factors, sort=True, observed=True)
    means, counts = grouped[wanted].mean(), grouped.size()
    index = dict(zip(means.index, actions.index_of(means.index.to_frame(index=False)).tolist(), strict=True))
    best = means.sort_values("expected_reward", ascending=False, kind="stable")
    best = best.loc[~best.index.to_frame()["channel"].duplicated()]
    against = _against_the_best(strategy, accounts, as_of, legal, [index[key] for key in best.index])
    return [
        {
            **about,
            **{name: _plain(level) for name, level in zip(factors, key, strict=True)},
            "mean": float(row["expected_reward"]),
            "low": _plain(row["lo"]),
            "high": _plain(row["hi"]),
            "evidence": float(row["evidence"]),
            "n_accounts": int(counts[key]),
            "n_sampled": len(accounts),
            **against.get(index[key], {}),
        }
        for key, row in means.iterrows()
    ]


def _against_the_best(
    strategy: ContactStrategy, accounts: pd.DataFrame, as_of: datetime, legal: NDArray[np.bool_], actions: list[int]
) -> dict[int, dict[str, float]]:
    """How far actions stay behind the first one, by action; nothing with a reward model of one's own."""
    if len(actions) < 2:
        return {}
    try:
        belief = strategy.joint_belief(accounts, as_of=as_of)
    except InvalidInput:
        return {}
    against = {}
    for action in actions[1:]:
        both = np.flatnonzero(legal[:, actions[0]] & legal[:, action])
        if len(both):
            pair = (np.full(len(accounts), actions[0]), np.full(len(accounts), action))
            known = belief.difference(*pair)
            values = {"less": known.expected, "less_low": known.lo, "less_high": known.hi,
                      "p_less": known.p_better, "p_alike": known.p_alike}  # fmt: skip
            against[action] = {name: float(one[both].mean()) for name, one in values.items()}
    return against


def legal_rules(
    strategy: ContactStrategy,
    accounts: pd.DataFrame,
    *,
    as_of: datetime,
    contacts: pd.DataFrame | None,
    seed: int = 0,
    sample: int = 600,
) -> list[dict[str, Any]]:
    """What each rule of the law or the house holds back: how much better the best action would be without it alone.

    Returns
    -------
    list of dict
        One a country and rule that binds: ``country``, ``rule``, ``citation``, ``share`` (of accounts whose best action
        it alone removes), ``lost`` (mean over all accounts of the sample), ``low``, ``high`` (95 %, debtors
        independent), ``n_accounts``. Dearest first.
    """
    rules: list[dict[str, Any]] = []
    rng = np.random.default_rng(seed)
    actions = strategy.actions_
    for country, part in accounts.groupby("country", sort=True):
        own = part.iloc[np.sort(rng.permutation(len(part))[:sample])].reset_index(drop=True)
        judged = eligibility(own, actions, as_of=as_of, packs=None, contacts=contacts)
        rewards = strategy.expected_reward(own, as_of=as_of)
        best = np.where(judged.mask, rewards, -np.inf).max(axis=1)
        lost: dict[str, NDArray[np.float64]] = {}
        for row in range(len(own)):
            removed = judged.removed(row)
            by = np.sum(list(removed.values()), axis=0) if removed else np.zeros(len(actions))
            for rule, gone in removed.items():
                alone = gone & (by == 1)
                if alone.any():
                    more = rewards[row, alone].max() - best[row]
                    lost.setdefault(rule, np.zeros(len(own)))[row] = max(0.0, float(more))
        debtor = pd.factorize(own["debtor_id"])[0] if "debtor_id" in own else np.arange(len(own))
        for rule, values in lost.items():
            mean, half = _clustered_mean(values, debtor)
            rules.append(
                {
                    "country": str(country),
                    "rule": rule,
                    "citation": judged.detail(rule).citation,
                    "share": float((values > 0).mean()),
                    "lost": mean,
                    "low": max(0.0, mean - half),
                    "high": mean + half,
                    "n_accounts": len(own),
                }
            )
    return sorted(rules, key=lambda one: (one["country"], -one["lost"]))


def _clustered_mean(values: NDArray[np.float64], cluster: NDArray[np.int64]) -> tuple[float, float]:
    """Mean and half of its 95 % interval, accounts of a debtor taken together."""
    mean = float(values.mean())
    sums = np.bincount(cluster, (values - mean) / len(values))
    n = len(sums)
    return mean, 1.96 * math.sqrt(n / max(n - 1, 1) * float(np.sum(sums**2)))


def _never_empty(mask: NDArray[np.bool_], idle: int | None) -> NDArray[np.bool_]:
    """Leaving alone is always open."""
    if idle is not None:
        mask = mask.copy()
        mask[:, idle] = True
    return mask


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
