"""Payments that were taken back: by a negative amount that equals them, or by an event that tells of it."""

from __future__ import annotations

from collections.abc import Sequence

from recommender.intake.event_records import LAG_DAYS
from recommender.local_time import DAY_US

__all__ = ["taken_back"]


def taken_back(paid: Sequence[tuple[int, float]], told: Sequence[int] = ()) -> tuple[set[int], set[int]]:
    """Which payments of one account do not stand.

    A negative amount takes back the latest earlier payment of its size. An event that tells of a reversal names no
    amount: it takes back the latest earlier payment that stands, unless a negative amount of the same days is the same
    reversal, told by another system.

    Parameters
    ----------
    paid : sequence of (int, float)
        Instants (microseconds) and amounts, in any order.
    told : sequence of int
        Instants of events that tell of a reversal.

    Returns
    -------
    gone : set of int
        Positions of the payments that were taken back, and of the negative amounts that did it.
    unmatched : set of int
        Positions of negative amounts that equal no earlier payment.
    """
    gone: set[int] = set()
    unmatched: set[int] = set()
    # In time; of one instant the payment comes before what takes it back.
    rows = sorted(range(len(paid)), key=lambda row: (paid[row][0], paid[row][1] < 0))
    of_size: dict[float, list[int]] = {}
    for row in rows:
        amount = paid[row][1]
        if not amount < 0:
            of_size.setdefault(amount, []).append(row)
        elif equal := of_size.get(-amount):
            gone |= {row, equal.pop()}
        else:
            unmatched.add(row)
    booked = [paid[row][0] for row in rows if paid[row][1] < 0]
    stands = [row for row in rows if row not in gone and not paid[row][1] < 0]
    for at in sorted(told):
        same = next((one for one in booked if abs(one - at) <= LAG_DAYS * DAY_US), None)
        earlier = [row for row in stands if paid[row][0] <= at]
        if same is not None:
            booked.remove(same)
        elif earlier:
            gone.add(earlier[-1])
            stands.remove(earlier[-1])
    return gone, unmatched
