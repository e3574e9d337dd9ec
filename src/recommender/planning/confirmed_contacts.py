"""Planned contacts through the one road from accounts to actions: judged again, with what is expected of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.columns import Columns
from recommender.currencies import minor_digits
from recommender.deciding import Decider, of_debtors, offer_terms
from recommender.errors import InvalidInput
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.chunk_accounts import with_debtors
from recommender.planning.contact_worth import worth_of_reward
from recommender.planning.earlier_contacts import EARLIER, EarlierContacts
from recommender.planning.plan_case import PlanCase, plan_case
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_inputs import ChunkInputs, PlanInputs
from recommender.planning.plan_rows import OFFER_TERMS, offer_columns
from recommender.planning.sent_today import SentToday
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["unlawful", "with_expectations"]


def with_expectations(
    contacts: pd.DataFrame,
    inputs: PlanInputs,
    strategy: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    capacity: CapacityOrder,
    sent: SentToday | None = None,
) -> pd.DataFrame:
    """Let a :class:`recommender.deciding.Decider` judge every planned contact, and add what it expects of it.

    Parameters
    ----------
    contacts : DataFrame
        Of a plan.
    inputs, strategy, order, capacity, sent
        What the plan was made from.

    Returns
    -------
    DataFrame
        With ``expected``, ``expected_low`` and ``expected_high``: what the account is expected to pay with this
        contact, in money, and its 95 % interval as the strategy knows it; missing where nothing was learnt. And the
        columns of the value ladder that it knows, as an answer shows them: of this contact alone. Where a price list
        is given, currency and end of its offer beside ``offer_cost``.

    Raises
    ------
    InvalidInput
        When a contact is not legal, which would be a fault of the planner: nothing is given out then.
    """
    parts = [
        _expected(case, planned, rows, strategy, capacity)
        for case, planned, rows in _in_time(contacts, None, inputs, strategy, order, capacity, sent)
    ]
    columns = ["expected", "expected_low", "expected_high"]
    kept = contacts.drop(columns="share")
    if not parts:
        none = {} if order.prices is None else dict.fromkeys(OFFER_TERMS)
        return kept.assign(**dict.fromkeys(columns, np.nan), **none)
    return kept.merge(pd.concat(parts, ignore_index=True), on=["row", "round"], how="left", validate="1:1")


def unlawful(
    contacts: pd.DataFrame,
    which: NDArray[np.bool_],
    inputs: PlanInputs,
    strategy: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    capacity: CapacityOrder,
) -> NDArray[np.bool_]:
    """Contacts that the law forbids once everything planned before them took place.

    Parameters
    ----------
    contacts : DataFrame
        Of a plan.
    which : ndarray of bool of shape (n_contacts,)
        Those to judge.
    inputs, strategy, order, capacity
        What the plan is made from.

    Returns
    -------
    ndarray of bool of shape (n_contacts,)
        False for what was not judged.
    """
    broken = np.zeros(len(contacts), dtype=bool)
    position = {key: at for at, key in enumerate(zip(contacts["row"], contacts["round"], strict=True))}
    for case, planned, rows in _in_time(contacts, which, inputs, strategy, order, capacity, None):
        action = planned["action"].to_numpy(dtype=np.int64) % strategy.actions_.n_contact_actions
        legal = case.judged().mask[np.arange(len(planned)), action]
        for row, turn in zip(rows[~legal], planned["round"][~legal], strict=True):
            broken[position[row, turn]] = True
    return broken


def _in_time(
    contacts: pd.DataFrame,
    which: NDArray[np.bool_] | None,
    inputs: PlanInputs,
    strategy: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    capacity: CapacityOrder,
    sent: SentToday | None,
) -> Iterator[tuple[PlanCase, pd.DataFrame, NDArray[np.int64]]]:
    """Planned contacts with their accounts, each knowing what is planned before it for its debtor and nothing after."""
    if contacts.empty:
        return
    turn = contacts.sort_values(["contact_at", "round"], kind="stable").groupby("debtor").cumcount().sort_index()
    wanted = np.ones(len(contacts), dtype=bool) if which is None else which
    groups = contacts.loc[wanted].groupby([contacts["day"], turn], sort=True)
    for chunk in inputs.chunks:
        part = inputs.read(chunk)
        if sent is not None:
            part = sent.known_to(part)
        for (day, number), mine in groups:
            accounts = _only(part, mine["row"])
            if not len(accounts.row):
                continue
            before = contacts.loc[turn < number, [one for one in EARLIER if one in contacts]]
            earlier = EarlierContacts(before, 2) if len(before) else None
            case = plan_case(accounts, strategy, order, inputs, capacity, day=int(str(day)) - 1, earlier=earlier)
            yield case, mine.set_index("row").loc[accounts.row], accounts.row


def _only(part: ChunkInputs, rows: pd.Series) -> ChunkInputs:
    """The chunk with the accounts that are contacted; contacts of their debtors' other accounts go on counting."""
    kept = np.flatnonzero(np.isin(part.row, rows.to_numpy()))
    accounts = part.accounts.iloc[kept].reset_index(drop=True)
    contacts = part.contacts
    if contacts is not None:
        contacts = of_debtors(Columns.of(with_debtors(contacts, part.accounts)), accounts).to_frame()
    return replace(part, row=part.row[kept], accounts=accounts, contacts=contacts)


def _expected(
    case: PlanCase,
    planned: pd.DataFrame,
    rows: NDArray[np.int64],
    strategy: ContactStrategy | SeedStrategy,
    capacity: CapacityOrder,
) -> pd.DataFrame:
    frame, order = case.frame, case.order
    action = planned["action"].to_numpy(dtype=np.int64) % strategy.actions_.n_contact_actions
    wanted = np.zeros((len(frame), len(strategy.actions_)), dtype=bool)
    wanted[np.arange(len(frame)), action] = True
    decider = Decider(
        strategy, purpose=order.purpose, catalogue=order.catalogue, offers=case.desk, without=order.switched_off
    )
    decided = decider.decide(
        frame,
        as_of=order.as_of,
        packs=case.packs,
        contacts=case.history,
        top_k=2,
        explore=False,
        seed=order.seed,
        allowed=wanted,
        overlays=order.overlays,
    )
    at, rank = np.nonzero(decided.actions_ranked == action[:, None])
    if not np.array_equal(at, np.arange(len(frame))):
        lost = np.setdiff1d(np.arange(len(frame)), at)
        rules = sorted({rule for row in lost[:5] for rule in decided.eligibility.rules(int(row), int(action[row]))})
        raise InvalidInput.in_column(
            "account_id",
            f"is planned against the law ({', '.join(rules)})",
            values=frame["account_id"].iloc[lost],
            rows=rows[lost].tolist(),
            mend="Report this as a bug; nothing was written.",
        )
    share = planned["share"].to_numpy(dtype=np.float64)
    ladder = {name: values[at, rank] for name, values in decided.values.items()}
    beliefs = {"expected": decided.expected_reward, "expected_low": decided.lo, "expected_high": decided.hi}
    if order.objective.name in ("reward", "gain"):
        worth = worth_of_reward(frame, strategy, capacity)
        money = {name: values[at, rank] * worth for name, values in beliefs.items()}
    else:  # nobody has to say what a reward is worth
        minor = 1.0 if capacity.currency is None else 10.0 ** -minor_digits(capacity.currency)
        unknown = np.full(len(frame), np.nan)
        ends = {"expected": "", "expected_low": "_lo", "expected_high": "_hi"}
        money = {name: ladder.get(f"expected_amount{end}", unknown) * minor for name, end in ends.items()}
    expected = {name: value * share for name, value in money.items()}
    told = {} if case.desk is None else offer_columns(offer_terms(decided, case.desk, at.tolist(), action.tolist()))
    return pd.DataFrame({"row": rows, "round": planned["round"].to_numpy()} | expected | ladder | told)
