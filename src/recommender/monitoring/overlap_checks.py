"""Checks of how the logging policy chose: propensities, overlap, and whether the context decides the action."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from recommender.history import LoggedFeedback
from recommender.learning import ContextEncoder
from recommender.monitoring.findings import Finding
from recommender.support import find_never_tried

__all__ = ["check_determinism", "check_never_tried", "check_propensities", "share_determined"]

ENOUGH_MATCHED = 50.0
_SAMPLE = 20_000
_ALL_BUT_CERTAIN = 0.98
_MOSTLY_UNLOGGED = 0.5
_FEWEST_FREE = 40
_MOST_REGIONS = 3


def check_never_tried(log: LoggedFeedback, random_state: int = 0) -> Iterator[Finding]:
    """Whether there are regions of the context in which the log never made a choice: a business rule, mostly."""
    if not len(log.context.columns) or len(np.unique(log.action)) < 2:
        return
    never_tried = find_never_tried(
        log.context,
        ContextEncoder.fit(log.context, log.categorical),
        log.actions,
        log.action,
        log.groups,
        eligible=log.eligible,
        propensity=log.propensity,
        random_state=random_state,
    )
    if not never_tried:
        return
    text = "; ".join(str(region) for region in never_tried.regions[:_MOST_REGIONS])
    more = f" and {len(never_tried.regions) - _MOST_REGIONS} more" if len(never_tried.regions) > _MOST_REGIONS else ""
    yield Finding(
        "never_tried",
        f"Some choices were never made in a part of the log: {text}{more}.",
        "Where a rule forbids them, say so: pass eligible= (the eligible column of the decisions table). Else nothing "
        "is known of them there: strategies abstain from them, and policies that rely on them are refused.",
        "care",
        "care",
        {
            "regions": [
                {
                    "where": region.where,
                    "choice": region.choice,
                    "chosen": region.n_chosen,
                    "decisions": region.n_decisions,
                    "upper_bound": region.upper_bound,
                }
                for region in never_tried.regions
            ]
        },
    )


def check_propensities(log: LoggedFeedback) -> Iterator[Finding]:
    """Whether propensities are there, add up, and leave something to weigh."""
    if log.propensity is None:
        yield Finding(
            "no_propensities",
            "Propensities were not logged; they will be estimated from the context.",
            "Log the probability of each action when it is chosen: estimates hold only if the context says all "
            "that the choice depended on.",
            "fine",
            "care",
        )
        return
    known = ~np.isnan(log.propensity)
    missing = float(np.mean(~known))
    if missing:
        yield Finding(
            "missing_propensities",
            f"{missing:.1%} of the propensities are missing; these are estimated and flagged.",
            "Find out which policy version did not log them.",
            "fine",
            "care" if missing > 0.05 else "fine",
            {"share": missing},
        )
    propensity = log.propensity[known]
    certain = float((propensity >= 0.999).mean())
    if certain > 0.95:
        yield Finding(
            "deterministic_policy",
            f"{certain:.0%} of the actions were chosen with certainty: no other policy can be compared on this log.",
            "Explore: let the policy choose at random in a few per cent of cases, and log the probability.",
            "care",
            "stop",
            {"share": certain},
        )
        return
    possible = np.full(len(log), log.n_actions) if log.eligible_sets is None else log.eligible_sets.sizes()
    weight = 1.0 / (possible[known] * propensity)
    matched = float(weight.sum() ** 2 / np.square(weight).sum())
    mean = float(weight.mean())
    error = float(weight.std() / np.sqrt(len(weight)))
    figures = {
        "mean_weight_uniform": mean,
        "effective_sample_size_uniform": matched,
        "smallest": float(propensity.min()),
        "certain_share": certain,
    }
    if certain > 0.3:
        yield Finding(
            "often_certain",
            f"{certain:.0%} of the actions were chosen with certainty.",
            "Those rows support no alternative; log exploration where there is more than one eligible action.",
            "fine",
            "care",
            figures,
        )
    if matched < ENOUGH_MATCHED:
        yield Finding(
            "little_overlap",
            f"To a policy that spreads its choice evenly these rows are worth {matched:,.0f} matched ones "
            f"(smallest propensity {propensity.min():.2g}).",
            "Evaluate only policies near the logging one, or explore more.",
            "fine",
            "care",
            figures,
        )
    if abs(mean - 1.0) > max(0.1, 4.0 * error):
        low = mean < 1.0
        yield Finding(
            "weights_do_not_add_up",
            f"The weights of an even choice average {mean:.3g}; with correct propensities and full support they "
            f"average 1 (standard error {error:.2g}).",
            "Some actions are never chosen in some contexts: log the eligible set."
            if low
            else "Propensities look too small: check that they are those of the action taken, after masking.",
            "fine",
            "care",
            figures,
        )


def check_determinism(log: LoggedFeedback, random_state: int = 0) -> Iterator[Finding]:
    """Whether the logged action is all but a function of the context.

    Where most propensities were logged these tell. A policy that always does the same in the same context can be
    learnt from with care (what the other actions would have done is guesswork), but nothing can be compared with it.
    """
    if log.propensity is not None and np.isnan(log.propensity).mean() < _MOSTLY_UNLOGGED:
        return
    if not len(log.context.columns) or len(np.unique(log.action)) < 2:
        if len(np.unique(log.action)) < 2:
            yield Finding(
                "one_action",
                "Every row has the same action.",
                "There is nothing to choose between: log more actions.",
                "stop",
                "stop",
            )
        return
    if log.eligible_sets is not None:
        # A single allowed action is the law's choice, not the policy's: such rows say nothing about how it chose.
        free = log.eligible_sets.sizes() > 1
        if free.sum() < _FEWEST_FREE:
            return
        log = log if free.all() else log.take(free)
    share, by_factor = share_determined(log, random_state)
    figures = {"share": share, "by_factor": by_factor}
    settled = [name for name, value in by_factor.items() if value > 0.9]
    if share > 0.9:
        yield Finding(
            "action_determined_by_context",
            f"In {share:.0%} of held-out rows the context all but decides the logged action.",
            "Nothing can be compared: explore at random in a few per cent of cases, and log the probability.",
            "care",
            "stop",
            figures,
        )
    elif settled or share > 0.5:
        what = f"The context all but decides the logged action in {share:.0%} of held-out rows"
        yield Finding(
            "action_near_determined",
            what + (f"; factor {', '.join(settled)} follows from it." if settled else "."),
            "Compare policies only where the log varied; explore the rest.",
            "care",
            "care",
            figures,
        )


def share_determined(log: LoggedFeedback, random_state: int = 0) -> tuple[float, dict[str, float]]:
    """Share of held-out rows whose logged action a tree on the context predicts with near certainty.

    Factor by factor, each given the context and the factors before it, so that the product is the action's probability.

    Returns
    -------
    share : float
    by_factor : dict of str to float
        The same for each factor on its own.
    """
    rng = np.random.default_rng(random_state)
    rows = rng.permutation(len(log))[:_SAMPLE]
    table = _numbers(log.context.iloc[rows], log.categorical)
    codes = log.actions.codes[log.action[rows]]
    held_out = np.arange(len(rows)) % 2 == 1
    joint = np.ones(int(held_out.sum()))
    by_factor = {}
    for position, name in enumerate(log.actions.factor_names):
        given = np.column_stack([table, codes[:, :position]])
        tree = DecisionTreeClassifier(min_samples_leaf=10, max_leaf_nodes=512, random_state=random_state)
        tree.fit(given[~held_out], codes[~held_out, position])
        column = np.searchsorted(tree.classes_, codes[held_out, position])
        column = np.where(np.isin(codes[held_out, position], tree.classes_), column, -1)
        chance = tree.predict_proba(given[held_out])
        taken = np.where(column >= 0, chance[np.arange(len(column)), column], 0.0)
        by_factor[name] = float((taken >= _ALL_BUT_CERTAIN).mean())
        joint *= taken
    return float((joint >= _ALL_BUT_CERTAIN).mean()), by_factor


def _numbers(context: pd.DataFrame, categorical: tuple[str, ...]) -> NDArray[np.float64]:
    columns = [
        pd.factorize(context[name], sort=True)[0].astype(np.float64)
        if name in categorical
        else context[name].to_numpy(dtype=np.float64, na_value=np.nan)
        for name in context.columns
    ]
    return np.column_stack(columns)
