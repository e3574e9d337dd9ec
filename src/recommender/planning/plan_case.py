"""Accounts of a chunk on a day of the plan: as the law judges them and as the model values them, for every reader."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.columns import Columns
from recommender.deciding import (
    Accounts,
    ModelContext,
    OfferChoice,
    aged,
    calendar_read_by,
    counts_contacts,
    model_history,
)
from recommender.messages import default_catalogue
from recommender.offers import OfferDesk
from recommender.planning.capacity_file import CapacityOrder
from recommender.planning.chunk_accounts import prepared_accounts
from recommender.planning.earlier_contacts import EarlierContacts
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_inputs import ChunkInputs, PlanInputs
from recommender.rules import Eligibility, eligibility
from recommender.strategy import ContactStrategy, SeedStrategy, seed_rule_scores

__all__ = ["PlanCase", "order_of_day", "plan_case"]


class PlanCase:
    """Some accounts, their history with what is planned ahead of this question, and what is asked about them.

    Attributes
    ----------
    frame : DataFrame
    history : DataFrame or None
        None = unknown, which denies.
    order : PlanOrder
        Of the day.
    packs : list of str
        For accounts that name none.
    desk : OfferDesk or None
        With what the debtors were offered before; None = nothing is offered.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        history: pd.DataFrame | None,
        order: PlanOrder,
        packs: list[str],
        strategy: ContactStrategy | SeedStrategy,
        desk: OfferDesk | None = None,
    ) -> None:
        self.frame, self.history, self.order, self.packs, self.desk = frame, history, order, packs, desk
        self._strategy = strategy
        self._accounts = Columns.of(frame)
        catalogue = order.catalogue or default_catalogue()
        self.offers = OfferChoice(strategy.actions_, desk, catalogue, order.purpose)

    def judged(self) -> Eligibility:
        """What each account may be contacted with."""
        allowed = eligibility(
            self.frame,
            self._strategy.actions_,
            as_of=self.order.as_of,
            packs=None if "packs" in self.frame.columns else self.packs,
            contacts=self.history,
            catalogue=self.order.catalogue or default_catalogue(),
            purpose=self.order.purpose,
            overlays=self.order.overlays,
        )
        return self.offers.narrowed(allowed, self._accounts, self.order.as_of)

    @property
    def counts_contacts(self) -> bool:
        """Whether the model's values have what was sent lately in them."""
        return counts_contacts(self.history, self._strategy)

    def offer_costs(self) -> NDArray[np.float64] | None:
        """What the offer of each action is expected to cost beyond the reward, in minor units; None for nothing.

        Shape (n, n_actions). Points of the seed rules know no money.
        """
        strategy = self._strategy
        if isinstance(strategy, SeedStrategy) or not self.offers.is_offered or self.desk is None:
            return None
        history = None if self.history is None else Columns.of(self.history)
        X = ModelContext(strategy).of(Accounts.of(self.frame), history, self.order.as_of)
        return self.offers.paid_later(strategy, self._accounts, X, beyond_money=strategy.money_ != "other")

    def rewards(self) -> NDArray[np.float64]:
        """Incremental reward of each action (points of the seed rules), shape (n, n_actions)."""
        strategy = self._strategy
        if isinstance(strategy, SeedStrategy):
            return seed_rule_scores(self.frame, strategy.actions_, as_of=self.order.as_of)
        missing = [str(name) for name in strategy.feature_names_in_ if name not in self.frame.columns]
        return strategy.expected_reward(
            self.frame.assign(**dict.fromkeys(missing, np.nan)),
            history=model_history(self.history, strategy),
            as_of=self.order.as_of,
            incremental=strategy.actions_.no_contact_index is not None,
        )


def order_of_day(order: PlanOrder, day: int) -> PlanOrder:
    """The order as it is asked some days later."""
    return order if day == 0 else replace(order, as_of=order.as_of + timedelta(days=day))


def plan_case(
    part: ChunkInputs,
    strategy: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    inputs: PlanInputs,
    capacity: CapacityOrder,
    *,
    day: int = 0,
    earlier: EarlierContacts | None = None,
) -> PlanCase:
    """Prepare the accounts of a chunk for a day of the plan.

    Parameters
    ----------
    part : ChunkInputs
    strategy : ContactStrategy or SeedStrategy
    order : PlanOrder
        Of the first day.
    inputs : PlanInputs
    capacity : CapacityOrder
        Its ``packs`` hold before those of the order.
    day : int, default=0
        Days after the first. What the calendar does to a column is known ahead (:func:`recommender.deciding.aged`);
        everything else is as it is known now.
    earlier : EarlierContacts, optional
        Planned contacts that the law counts.

    Returns
    -------
    PlanCase
    """
    today = order_of_day(order, day)
    packs = capacity.packs or order.packs
    later = part
    if day:
        later = replace(part, accounts=aged(Columns.of(part.accounts), order.as_of, today.as_of).to_frame())
    frame, history, _ = prepared_accounts(
        later,
        strategy,
        as_of=today.as_of,
        packs=packs,
        party=order.party,
        no_contacts_yet=order.no_contacts_yet,
        currencies=inputs.currencies,
        stopped=order.stopped,
        house=order.beside,
    )
    if earlier is not None:
        history = earlier.joined(history, frame, order.purpose)
    frame = Accounts.of(frame.reset_index(drop=True)).situated(today.as_of, calendar_read_by(strategy)).to_frame()
    desk = part.offers.desk(order.prices, order.authority, () if earlier is None else earlier.offers(frame))
    return PlanCase(frame, history, today, order.law(packs), strategy, desk)
