"""Queues that the plan could not use at all, and why: what a typing error in capacity.toml looks like afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from recommender.planning.capacity_tables import AccountKinds, capacity_rows, hours_of

__all__ = ["idle_queues"]


def idle_queues(kinds: AccountKinds) -> Iterator[str]:
    """A sentence a queue that no account can be contacted by, and one for agents whose hours no contact falls into.

    Parameters
    ----------
    kinds : AccountKinds
        Queues and clocks of the accounts of a plan.
    """
    rows = capacity_rows(kinds)
    queue = kinds.queue_of(np.arange(len(kinds.kinds)))
    usable = (rows.use <= np.maximum(rows.limit, 0.0)).all(axis=2)
    clocks = [kinds.agent_clock(clock)[0] for clock in range(len(kinds.clocks))]
    reached = {int(hour) for clock in clocks for hour in clock if hour >= 0}
    for number, one in enumerate(kinds.order.queue):
        strangers = [name for name in one.channels if name not in kinds.channels]
        mine = queue == number
        hours = {hour for hour in range(24) if np.nan_to_num(hours_of(one.agents)[hour]) > 0}
        lost = sorted(hours - reached)
        if len(strangers) == len(one.channels):
            yield (
                f"queue {one.name} has no contact: the strategy does not know {', '.join(strangers)}; it knows "
                f"{', '.join(kinds.channels)}"
            )
        elif not mine.any():
            only = f" that its 'only' {dict(one.only)} names" if one.only else ""
            yield f"queue {one.name} has no contact: an earlier queue has its channels, or there is no account{only}"
        elif one.agents is not None and hours and not hours & reached:
            yield (
                f"queue {one.name} has no contact: its agents work at {_clock(hours)}, contacts may be planned at "
                f"{_clock(reached)} of its timezone"
            )
        elif not (usable & mine).any():
            yield f"queue {one.name} has no contact: a single one needs more than there is in any hour, quota or budget"
        elif isinstance(one.agents, dict) and lost:
            yield f"agents of {one.name} at {_clock(set(lost))} are not used: no contact may be planned at these hours"


def _clock(hours: set[int]) -> str:
    return ", ".join(f"{hour:02d}:00" for hour in sorted(hours))
