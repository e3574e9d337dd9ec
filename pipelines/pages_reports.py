"""Reports that the managers' pages read, as JSON: off-policy evaluation, price of rules, what drives results."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipelines.rule_masks import lever_masks, pack_mask
from pipelines.segment_values import explored, legal_rules
from recommender.columns import Columns
from recommender.deciding import Segments, default_segments
from recommender.evaluation import decide as ask_gate
from recommender.explanation import explain_portfolio, what_moved
from recommender.history import LoggedFeedback
from recommender.intake import with_states
from recommender.proof import OffPolicyEvaluator, PolicyReport
from recommender.rules import HOUSE_PACKS, under_house
from recommender.store.decision_log import DecisionLog, read_feedback_frame
from recommender.strategy import ContactStrategy, applies_to

__all__ = ["drivers_document", "evaluation_document", "moved_document", "rule_costs_document"]

_FORMAT = 1
_CALIBRATION_GROUPS = 10
_MONTH_DAYS = 30
_SPLIT_BY = ("stage", "product", "country", "segment")


def evaluation_document(
    evaluator: OffPolicyEvaluator, strategy: ContactStrategy, *, slice_by: Sequence[str] = (), confidence: float = 0.95
) -> dict[str, Any]:
    """What the strategy, the seed rules and the best single action would have earned on a log, and the gate's answer.

    Returns
    -------
    dict
        ``format``, ``made_at``, ``policy_version``, ``confidence``, ``log`` (window, sizes), ``reward_kind``,
        ``policies``: list of ``name``, ``role`` and ``report`` (:meth:`PolicyReport.to_dict`), the strategy first;
        ``gate`` and ``calibration`` (see :func:`calibration_curve`).
    """
    log = evaluator.log
    slices = {name: log.context[name].to_numpy() for name in slice_by}
    own = evaluator.evaluate(strategy, confidence=confidence, slices=slices or None)
    gate = ask_gate(own, calibration_error=_promised_error(evaluator, strategy, own))
    policies = [{"name": "strategy", "role": "served", "report": own.to_dict()}]
    others = ["best_constant"]
    if applies_to(log.actions, list(log.context.columns)):
        others.insert(0, "seed_rules")
    for name in others:
        report = evaluator.evaluate(name, confidence=confidence)
        policies.append({"name": name, "role": "baseline", "report": report.to_dict()})
    mature = log.reward[log.mature]
    return {
        "format": _FORMAT,
        "made_at": datetime.now(UTC).isoformat(),
        "policy_version": strategy.version_,
        "confidence": confidence,
        "reward_kind": log.reward_kind,
        "log": {**_window(log.time), "n_decisions": len(log), "n_mature": len(mature), "n_debtors": _n(log.groups)},
        "logging_value": float(mature.mean()),
        "policies": policies,
        "gate": gate.to_dict(),
        "calibration": calibration_curve(evaluator, strategy),
    }


def calibration_curve(evaluator: OffPolicyEvaluator, strategy: ContactStrategy) -> list[dict[str, float]]:
    """Predicted and observed reward of the logged actions, by tenth of the prediction, with 95 % intervals."""
    part = evaluator.part
    predicted = strategy.log_expected_reward(part)[np.arange(len(part)), part.action]
    edges = np.quantile(predicted, np.linspace(0.0, 1.0, _CALIBRATION_GROUPS + 1)[1:-1])
    group = np.searchsorted(np.unique(edges), predicted)
    answer = []
    for number in np.unique(group):
        here = group == number
        n, mean = int(here.sum()), float(part.reward[here].mean())
        half = 1.96 * float(part.reward[here].std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
        answer.append(
            {
                "predicted": float(predicted[here].mean()),
                "observed": mean,
                "low": max(0.0, mean - half),
                "high": mean + half,
                "n": n,
            }
        )
    return answer


def rule_costs_document(
    evaluator: OffPolicyEvaluator, strategy: ContactStrategy, packs: Sequence[tuple[Path, str]] = ()
) -> dict[str, Any]:
    """What the policy loses without each level of each factor, and under each rule pack.

    Parameters
    ----------
    evaluator : OffPolicyEvaluator
    strategy : ContactStrategy
    packs : sequence of (log file, pack id)
        Packs to price; the file of the evaluator's log holds the facts of the accounts.
    """
    masks = dict(lever_masks(evaluator.log.actions))
    masks |= {f"pack {pack}": pack_mask(path, evaluator.log, pack) for path, pack in packs}
    table = evaluator.price_of_rules(strategy, masks)
    rows = [{name: _plain(value) for name, value in row.items()} for row in table.to_dict(orient="records")]
    log = evaluator.log
    return {
        "format": _FORMAT,
        "made_at": datetime.now(UTC).isoformat(),
        "policy_version": strategy.version_,
        "reward_kind": log.reward_kind,
        "log": {**_window(log.time), "n_decisions": len(log)},
        "rules": rows,
    }


def drivers_document(
    strategy: ContactStrategy,
    accounts: pd.DataFrame,
    *,
    as_of: datetime,
    contacts: pd.DataFrame | None = None,
    seed: int = 0,
    sample: int = 1_000,
    house: Sequence[str] = HOUSE_PACKS,
    segments: Segments | None = None,
) -> dict[str, Any]:
    """What drives results over the portfolio, what works for which segment under the law, and what the law costs.

    ``house`` names the packs that hold beside the law of each account; ``segments`` are your own rules of segments, by
    default those of the package.

    Returns
    -------
    dict
        ``explanation``: :meth:`GlobalExplanation.to_dict`; ``cells`` (columns of
        :func:`pipelines.segment_values.explored`) and ``rules`` (:func:`pipelines.segment_values.legal_rules`) where
        the accounts hold the facts that rules read.
    """
    rules = default_segments() if segments is None else segments
    accounts = accounts.assign(segment=rules.of(Columns.of(accounts)))
    by = [
        name for name in ("stage", "product", "country", "segment", *strategy.actions_.factor_names) if name != "hour"
    ]
    explained = explain_portfolio(
        strategy,
        accounts,
        by=[name for name in by if name in accounts.columns or name in strategy.actions_.factors],
        sample=sample,
        random_state=seed,
        as_of=as_of,
        groups=None,
    )
    return {
        "format": _FORMAT,
        "made_at": datetime.now(UTC).isoformat(),
        "policy_version": strategy.version_,
        "explanation": explained.to_dict(),
        **_under_law(strategy, under_house(accounts, house), as_of=as_of, contacts=contacts, seed=seed),
    }


def moved_document(
    strategy: ContactStrategy,
    log: DecisionLog,
    accounts: pd.DataFrame,
    *,
    seed: int = 0,
    sample: int = 1_000,
    segments: Segments | None = None,
) -> dict[str, Any]:
    """What moved the expected result of the contacts of the last 30 days against the 30 before, by concept.

    A log of less than two months is cut in halves of whole days. Product, country and segment are those that
    ``accounts`` have today where a decision does not hold them.

    Returns
    -------
    dict
        ``since``, ``at``, ``until``: the two periods; ``rows``: columns of
        :func:`recommender.explanation.what_moved`. Empty where the log holds less than two days.
    """
    newest = log.newest()["last_decision"]
    if newest is None:
        return {}
    until = pd.Timestamp(newest).tz_convert("UTC").floor("D") + timedelta(days=1)
    frame, roles = read_feedback_frame(
        log,
        strategy.actions_,
        "right_party_contact",
        1.0,
        until.to_pydatetime(),
        since=(until - timedelta(days=2 * _MONTH_DAYS)).to_pydatetime(),
        other_spaces="drop",
    )
    time = pd.to_datetime(frame[roles["time"]], utc=True)
    days = min(_MONTH_DAYS, math.ceil((until - time.min()) / timedelta(days=1)) // 2)
    if days < 1:
        return {}
    rules = default_segments() if segments is None else segments
    known = accounts.drop_duplicates("account_id").reset_index(drop=True)
    known = known.assign(segment=rules.of(Columns.of(known)))
    known.index = known["account_id"].astype("str")
    by = {}
    for name in _SPLIT_BY:
        if name in roles["context"]:
            by[name] = frame[name]
        elif name in known:
            by[name] = frame[roles["account"]].astype("str").map(known[name])
    by |= {name: frame[name] for name in strategy.actions_.factor_names if name != "hour"}
    at = until - timedelta(days=days)
    rows = what_moved(
        strategy, LoggedFeedback.from_frame(frame, **roles), at=at, days=days, by=by, sample=sample, random_state=seed
    )
    return {
        "since": (at - timedelta(days=days)).isoformat(),
        "at": at.isoformat(),
        "until": until.isoformat(),
        "rows": {name: [_plain(one) for one in rows[name].tolist()] for name in rows},
    }


def _under_law(
    strategy: ContactStrategy, accounts: pd.DataFrame, *, as_of: datetime, contacts: pd.DataFrame | None, seed: int
) -> dict[str, Any]:
    """What the law leaves open and what it costs; nothing where the accounts do not say where they are."""
    if not {"country", "currency"} <= set(accounts.columns) or "channel" not in strategy.actions_.factors:
        return {}
    if contacts is not None:  # what they brought stops contacts here as in a decision
        accounts, _ = with_states(accounts, contacts=contacts, as_of=as_of)
    cells = explored(strategy, accounts, as_of=as_of, contacts=contacts, seed=seed)
    names = list(dict.fromkeys(name for cell in cells for name in cell))
    return {
        "cells": {name: [cell.get(name) for cell in cells] for name in names},  # by column: there are thousands
        "rules": legal_rules(strategy, accounts, as_of=as_of, contacts=contacts, seed=seed),
    }


def _promised_error(evaluator: OffPolicyEvaluator, strategy: ContactStrategy, report: PolicyReport) -> float | None:
    """How far what the model promises for its own policy lies outside the estimate's interval, relative to it."""
    probabilities = evaluator.probabilities(strategy)
    low, high, value = (float(report.default[name]) for name in ("ci_low", "ci_high", "value"))
    if probabilities is None or not np.isfinite([low, high]).all() or value == 0:
        return None
    promised = float((probabilities * strategy.log_expected_reward(evaluator.part)).sum(axis=1).mean())
    return (promised - min(max(promised, low), high)) / abs(value)


def _window(time: Any) -> dict[str, str]:
    if time is None:
        return {}
    moments = pd.to_datetime(pd.Series(time), utc=True)
    return {"first": moments.min().isoformat(), "last": moments.max().isoformat()}


def _n(groups: Any) -> int:
    return len(np.unique(groups))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
