"""The week ahead of one account of a portfolio, read and judged as a plan reads and judges it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from recommender.deciding import Decider, WeekAhead, week_ahead
from recommender.errors import InvalidInput
from recommender.planning.chunk_accounts import prepared_accounts
from recommender.planning.plan_chunk import PlanOrder
from recommender.planning.plan_inputs import PlanInputs
from recommender.planning.plan_run import CHUNK_ROWS, PlanFiles
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["account_week"]


def account_week(
    files: PlanFiles,
    account: str,
    model: ContactStrategy | SeedStrategy,
    order: PlanOrder,
    *,
    channel: str,
    days: int = 7,
) -> WeekAhead:
    """Hours of the days ahead of one account over one channel.

    Parameters
    ----------
    files : PlanFiles
    account : str
        Its id, as the table has it.
    model : ContactStrategy or SeedStrategy
    order : PlanOrder
        As for a plan of the moment.
    channel : str
    days : int, default=7

    Raises
    ------
    InvalidInput
        When no row has that id, or a table cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix="week.") as folder:
        inputs = PlanInputs.prepare(
            Path(folder) / "inputs", as_of=order.as_of, chunk_rows=CHUNK_ROWS, stated=order.stated,
            no_contacts_yet=order.no_contacts_yet,
            other_accounts=order.other_accounts, channels=model.actions_.factors.get("channel", ()), **vars(files),
        )  # fmt: skip
        for chunk in inputs.chunks:
            part = inputs.read(chunk)
            if account not in set(part.accounts["account_id"].astype("str")):
                continue
            frame, known, _ = prepared_accounts(
                part, model, as_of=order.as_of, packs=order.packs, party=order.party,
                no_contacts_yet=order.no_contacts_yet, currencies=inputs.currencies, house=order.beside,
            )  # fmt: skip
            one = frame[frame["account_id"].astype("str") == account].head(1).reset_index(drop=True)
            return week_ahead(
                Decider(
                    model, purpose=order.purpose, catalogue=order.catalogue,
                    offers=part.offers.desk(order.prices, order.authority), without=order.switched_off,
                ),
                one, channel=channel,
                as_of=order.as_of, packs=order.law(), contacts=known, overlays=order.overlays,
                days=days,
            )  # fmt: skip
    raise InvalidInput.in_column(
        "account", "is in no row of the accounts", values=[account], mend="Write the id as the table has it."
    )
