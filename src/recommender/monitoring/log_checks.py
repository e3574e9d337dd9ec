"""Checks of what a log holds: rewards, context, leaks, duplicates, thin cells, delay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from recommender.errors import shorten
from recommender.history import LoggedFeedback, leakage_suspects, protected_names
from recommender.intake import personal_columns
from recommender.monitoring.findings import Finding

__all__ = ["check_clusters", "check_context", "check_delay", "check_duplicates", "check_leaks", "check_rewards"]
__all__ += ["check_thin_cells"]

FEWEST_ROWS = 200
FEWEST_SUCCESSES = 30
FEWEST_IN_ACTION = 30
FEWEST_IN_LEVEL = 100
FEWEST_CLUSTERS = 100


def check_rewards(log: LoggedFeedback) -> Iterator[Finding]:
    """Enough rows whose outcome is known, of both kinds."""
    reward = log.reward[log.mature]
    figures = {"rows": len(log), "mature": len(reward), "mean": float(reward.mean()) if len(reward) else None}
    if np.ptp(reward) == 0:
        yield Finding(
            "constant_reward",
            f"The reward is {reward[0]:g} in all {len(reward):,} mature rows.",
            "Check how outcomes were joined; nothing can be learnt from a constant.",
            "stop",
            "stop",
            figures,
        )
        return
    rare = int(min((reward > 0).sum(), (reward <= 0).sum()))
    figures["rarer_kind"] = rare
    if len(reward) < FEWEST_ROWS or rare < FEWEST_SUCCESSES:
        few = len(reward) < 50 or rare < 5
        yield Finding(
            "few_outcomes",
            f"{len(reward):,} mature rows, of which {rare:,} are of the rarer kind (success or failure).",
            "Collect more, lengthen the window, or reward a lower rung of the ladder.",
            "stop" if few else "care",
            "stop" if few else "care",
            figures,
        )
    if log.reward_kind == "amount":
        positive = reward[reward > 0]
        top = float(np.sort(positive)[-max(1, len(positive) // 100) :].sum() / positive.sum()) if len(positive) else 0.0
        if top > 0.25:
            yield Finding(
                "heavy_tail",
                f"The largest 1 % of the positive amounts hold {top:.0%} of the money.",
                "Read intervals, not means; consider capping amounts, or rewarding payment rather than money.",
                "care",
                "care",
                {"share_of_top_percent": top},
            )


def check_context(log: LoggedFeedback) -> Iterator[Finding]:
    """Columns that carry nothing, look like ids, or may not be used."""
    context = log.context
    if not len(context.columns):
        yield Finding("no_context", "There is no context column.", "Only one action for all can be learnt.", "care")
        return
    empty = [name for name in context if context[name].isna().all()]
    constant = [name for name in context if name not in empty and len(context[name].unique()) == 1]
    if empty or constant:
        yield Finding(
            "idle_columns",
            f"{len(empty)} columns hold no value and {len(constant)} a single one: {shorten([*empty, *constant])}.",
            "Harmless; leave them out, or check the join that should have filled them.",
            figures={"empty": empty, "constant": constant},
        )
    sparse = {
        name: share for name in context if name not in empty and (share := float(context[name].isna().mean())) > 0.5
    }
    if sparse:
        text = ", ".join(f"{name} {share:.0%}" for name, share in list(sparse.items())[:5])
        yield Finding(
            "mostly_missing",
            f"{len(sparse)} columns are missing in most rows: {text}.",
            "Missing is a value to the model; make sure it means the same in training and when scoring.",
            figures={"missing": sparse},
        )
    names = [name for name in log.categorical if context[name].nunique() > max(50, len(context) // 3)]
    if names:
        yield Finding(
            "id_like_columns",
            f"Columns {shorten(names)} have about as many values as rows.",
            "Leave ids out of the context; name them as account or cluster instead.",
            "care",
            figures={"columns": names},
        )
    if protected := protected_names(list(context.columns)):
        yield Finding(
            "protected_attributes",
            f"Columns {shorten(protected)} are named like protected attributes.",
            "Leave them out of the context; keep them aside for audits.",
            "care",
            figures={"columns": protected},
        )
    if personal := personal_columns(context):
        yield Finding(
            "contact_data",
            f"Columns {shorten(personal)} look like contact data of people.",
            "Leave them out of the context: a model learns people by heart there, and the decision log refuses them.",
            "care",
            figures={"columns": personal},
        )


def check_leaks(log: LoggedFeedback) -> Iterator[Finding]:
    """Context that may have been written after the contact."""
    suspects = leakage_suspects(log.context, log.reward, [str(name) for name in log.context.columns])
    for name, why in suspects.items():
        by_name = why.startswith("is named")
        yield Finding(
            "leak",
            f"Column {name!r} {why}.",
            "Leave it out unless it was known before the decision.",
            "care" if by_name else "stop",
            "care",
            {"column": name},
        )


def check_duplicates(log: LoggedFeedback) -> Iterator[Finding]:
    """Decisions that are in the log twice."""
    rows = log.context.assign(_action=log.action, _reward=log.reward)
    if log.account is not None:
        rows = rows.assign(_account=log.account)
    if log.order is not None:
        rows = rows.assign(_order=log.order)
    known = log.account is not None and log.order is not None
    same = int(rows.duplicated().sum())
    if same and known:
        yield Finding(
            "duplicates",
            f"{same:,} rows repeat another in account, instant, action, context and reward.",
            "Drop the repeats: they count as evidence twice.",
            "care" if same > 0.001 * len(log) else "fine",
            "care" if same > 0.001 * len(log) else "fine",
            {"rows": same},
        )
    elif same:
        yield Finding(
            "equal_rows",
            f"{same:,} rows equal another in context, action and reward; without account and instant they may be "
            "different people.",
            "Name an account and a time column to tell.",
            figures={"rows": same},
        )
    if known:
        instant = pd.DataFrame({"account": log.account, "order": log.order, "action": log.action})
        twice = int(instant.duplicated(["account", "order"], keep=False).sum())
        if twice > 0.01 * len(log):
            yield Finding(
                "same_instant",
                f"{twice:,} rows share account and instant with another row.",
                "They do not see each other in their features; check whether one of them was not carried out.",
                "care",
                figures={"rows": twice},
            )


def check_thin_cells(log: LoggedFeedback) -> Iterator[Finding]:
    """Actions and levels with little evidence."""
    mature = log.mature
    counts = np.bincount(log.action[mature], minlength=log.n_actions)
    possible = np.ones(log.n_actions, dtype=bool) if log.eligible_sets is None else log.eligible_sets.ever()
    thin = int(((counts < FEWEST_IN_ACTION) & possible).sum())
    never = int(((counts == 0) & possible).sum())
    figures = {"actions": log.n_actions, "thin": thin, "never": never}
    if thin:
        yield Finding(
            "thin_cells",
            f"{thin:,} of {int(possible.sum()):,} possible actions have fewer than {FEWEST_IN_ACTION} mature rows, "
            f"{never:,} have none.",
            "The factors share strength across actions; explore the thin ones, or merge levels (hours into blocks).",
            "care" if thin > 0.5 * possible.sum() else "fine",
            "care" if never > 0.2 * possible.sum() else "fine",
            figures,
        )
    codes = log.actions.codes[log.action[mature]]
    weak = {
        f"{name}={level}": int(n)
        for position, (name, levels) in enumerate(log.actions.factors.items())
        for level, n in zip(
            levels, np.bincount(codes[codes[:, position] >= 0, position], minlength=len(levels)), strict=True
        )
        if n < FEWEST_IN_LEVEL
    }
    if weak:
        text = ", ".join(f"{name} ({n:,})" for name, n in list(weak.items())[:6])
        yield Finding(
            "thin_levels",
            f"{len(weak)} levels have fewer than {FEWEST_IN_LEVEL} mature rows: {text}.",
            "Expect wide intervals for them; explore them or leave them out of the action space.",
            "care",
            "care",
            {"levels": weak},
        )


def check_delay(log: LoggedFeedback) -> Iterator[Finding]:
    """How long outcomes take, and whether the youngest rows are ripe."""
    immature = float(1.0 - log.mature.mean())
    if immature > 0:
        yield Finding(
            "immature",
            f"{immature:.1%} of the rows wait for their outcome; they are kept and left out of learning.",
            "" if immature < 0.3 else "Shorten the window or wait: much of the log cannot be used yet.",
            "care" if immature >= 0.3 else "fine",
            figures={"share": immature},
        )
    if log.order is None or log.known_order is None:
        return
    success = log.mature & (log.reward > 0)
    delay = (log.known_order - log.order)[success]
    delay = delay[np.isfinite(delay)]
    if len(delay) and delay.max() > 0:
        window = float((log.known_order - log.order)[log.mature & np.isfinite(log.known_order)].max())
        half, most = float(np.median(delay)), float(np.quantile(delay, 0.9))
        late = float((delay > 0.9 * window).mean())
        yield Finding(
            "outcome_delay",
            f"Half of the successes are known after {half:.3g}, nine in ten after {most:.3g}, within a window of "
            f"{window:.3g} (days for instants).",
            "" if late < 0.08 or log.reward_kind == "amount" else "Many come at the very end: lengthen the window.",
            "care" if late >= 0.08 and log.reward_kind != "amount" else "fine",
            figures={"median": half, "p90": most, "window": window, "late_share": late},
        )
    ripe = np.flatnonzero(log.mature)
    if len(ripe) >= 1000:
        ranked = ripe[np.argsort(log.order[ripe], kind="stable")]
        young, before = ranked[-len(ranked) // 20 :], ranked[-len(ranked) // 4 : -len(ranked) // 20]
        recent, usual = float((log.reward[young] > 0).mean()), float((log.reward[before] > 0).mean())
        error = np.sqrt(usual * (1 - usual) / len(young)) if 0 < usual < 1 else 0.0
        if recent < 0.6 * usual and usual - recent > 4 * error:
            yield Finding(
                "unripe_rewards",
                f"The youngest 5 % of the rows succeed in {recent:.2%} of cases, those before in {usual:.2%}.",
                "Their outcomes may not have arrived: set the reward to null until the window has closed.",
                "care",
                "care",
                {"recent": recent, "before": usual},
            )


def check_clusters(log: LoggedFeedback) -> Iterator[Finding]:
    """Whether rows can be told apart by debtor."""
    if log.cluster is None:
        yield Finding(
            "no_account",
            "There is no account or cluster column: rows are taken as independent, and no account history is used.",
            "Name the account, and the debtor as cluster; repeated contacts otherwise make intervals too narrow.",
            "care",
            "care",
        )
        return
    n = int(log.groups.max()) + 1
    if n < FEWEST_CLUSTERS:
        yield Finding(
            "few_clusters",
            f"The {len(log):,} rows belong to {n:,} independent units only.",
            "Intervals by unit need about a hundred; add accounts.",
            "care",
            "care",
            {"clusters": n},
        )
