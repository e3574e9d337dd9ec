"""A plan as the raw table of decisions: a row for every account, contacted or not, with its arm and propensity."""

from __future__ import annotations

from typing import Any

import pandas as pd

from recommender.actions import ActionSpace

__all__ = ["decisions_of"]


def decisions_of(
    contacts: pd.DataFrame, arms: pd.DataFrame, actions: ActionSpace, as_of: Any, policy_version: Any
) -> pd.DataFrame:
    """The plan as the raw table ``decisions``.

    Only in the arm ``explore`` something was drawn by chance, so only its rows can show what another policy would have
    earned; everything else has propensity 1 and is flagged. Learning may read all rows. Of the days after the first
    nothing is decided yet.

    Parameters
    ----------
    contacts, arms : DataFrame
        Of a plan.
    actions : ActionSpace
    as_of : str or None
        Moment of the decisions.
    policy_version : str or None

    Returns
    -------
    DataFrame
        ``decision_id``, ``account_id``, ``decided_at``, the factors (null: left alone), ``propensity``,
        ``policy_version``, ``arm``, ``deterministic``, ``contact_at``.
    """
    factors = list(actions.factors)
    today = contacts.loc[contacts["day"] == 1]
    of_contact = today[["decision_id", *factors, "contact_at", "propensity", "reason", "account_id", "arm"]]
    left_alone = arms.loc[~arms["row"].isin(today["row"])]  # a further contact is a decision of its own
    drawn = left_alone["arm"].eq("explore") & left_alone["propensity"].notna()
    alone = left_alone[["decision_id", "account_id", "arm"]].assign(
        propensity=left_alone["propensity"].where(drawn, 1.0), deterministic=~drawn
    )
    contacted = of_contact.assign(deterministic=of_contact["reason"] != "explore").drop(columns="reason")
    every = pd.concat([contacted, alone], ignore_index=True)
    every["decided_at"] = pd.Timestamp(as_of) if as_of is not None else pd.NaT
    every["policy_version"] = policy_version
    return every.sort_values(["account_id", "decision_id"], kind="stable", ignore_index=True)[
        ["decision_id", "account_id", "decided_at", *factors, "propensity", "policy_version", "arm", "deterministic",
         "contact_at"]
    ]  # fmt: skip
