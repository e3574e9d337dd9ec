"""Planned contacts through the one road from accounts to actions: judged again, with what is expected of each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from recommender.deciding import decide
from recommender.errors import InvalidInput
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.chunk_accounts import prepared_accounts
from recommender.planning.earlier_contacts import EarlierContacts
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_inputs import ChunkInputs, PlanInputs
from recommender.planning.portfolio_values import worth_of_reward
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["with_expectations"]


def with_expectations(
    contacts: pd.DataFrame,
    inputs: PlanInputs,
    strategy: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    capacity: CapacityOrder,
) -> pd.DataFrame:
    """Let :func:`recommender.deciding.decide` judge every planned contact, and add what it expects of it.

    Parameters
    ----------
    contacts : DataFrame
        Of a plan.
    inputs, strategy, order, capacity
        What the plan was made from.

    Returns
    -------
    DataFrame
        With ``expected``, ``expected_low`` and ``expected_high``: what the account is expected to pay with this
        contact, in money, and its 95 % interval as the strategy knows it; missing where nothing was learnt.

    Raises
    ------
    InvalidInput
        When a contact is not legal, which would be a fault of the planner: nothing is given out then.
    """
    parts = []
    for number, mine in contacts.groupby("round", sort=True):
        before = contacts.loc[contacts["round"] < number, ["account_id", "debtor", "contact_at", "channel"]]
        earlier = EarlierContacts(before, int(str(number))) if len(before) else None
        for chunk in inputs.chunks:
            part = _only(inputs.read(chunk), mine["row"])
            if len(part.row):
                parts.append(_expected(part, mine, strategy, order, inputs, capacity, earlier))
    columns = ["expected", "expected_low", "expected_high"]
    if not parts:
        return contacts.assign(**dict.fromkeys(columns, np.nan))
    return contacts.merge(pd.concat(parts, ignore_index=True), on=["row", "round"], how="left", validate="1:1")


def _only(part: ChunkInputs, rows: pd.Series) -> ChunkInputs:
    """The chunk with the accounts that are contacted."""
    kept = np.flatnonzero(np.isin(part.row, rows.to_numpy()))
    return replace(part, row=part.row[kept], accounts=part.accounts.iloc[kept].reset_index(drop=True))


def _expected(
    part: ChunkInputs,
    contacts: pd.DataFrame,
    strategy: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    inputs: PlanInputs,
    capacity: CapacityOrder,
    earlier: EarlierContacts | None,
) -> pd.DataFrame:
    packs = capacity.packs or order.packs
    frame, history, _ = prepared_accounts(
        part,
        strategy,
        as_of=order.as_of,
        packs=packs,
        party=order.party,
        no_contacts_yet=order.no_contacts_yet,
        currencies=inputs.currencies,
        stopped=order.stopped,
    )
    if earlier is not None:
        history = earlier.joined(history, frame)
    planned = contacts.set_index("row").loc[part.row]
    action = planned["action"].to_numpy(dtype=np.int64)
    wanted = np.zeros((len(frame), len(strategy.actions_)), dtype=bool)
    wanted[np.arange(len(frame)), action] = True
    decided = decide(
        frame,
        strategy=strategy,
        as_of=order.as_of,
        packs=list(packs or ["CO"]),
        contacts=history,
        top_k=2,
        explore=False,
        seed=order.seed,
        allowed=wanted,
    )
    at, rank = np.nonzero(decided.actions_ranked == action[:, None])
    if not np.array_equal(at, np.arange(len(frame))):
        lost = np.setdiff1d(np.arange(len(frame)), at)
        rules = sorted({rule for row in lost[:5] for rule in decided.eligibility.rules(int(row), int(action[row]))})
        raise InvalidInput.in_column(
            "account_id",
            f"is planned against the law ({', '.join(rules)})",
            values=frame["account_id"].iloc[lost],
            rows=part.row[lost].tolist(),
            mend="Report this as a bug; nothing was written.",
        )
    worth = worth_of_reward(frame, strategy, capacity)
    if earlier is not None:
        worth = worth * np.where(earlier.unmet(planned["debtor"]), 1.0, capacity.later_contact_share)
    told = {"expected": decided.expected_reward, "expected_low": decided.lo, "expected_high": decided.hi}
    return pd.DataFrame(
        {"row": part.row, "round": planned["round"].to_numpy()}
        | {name: values[at, rank] * worth for name, values in told.items()}
    )
