"""What events leave open, a debtor at a time, plainly: a second reading of "Events become states" (data/README.md).

It knows none of the project's code: lists, loops and aware datetimes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

_POINTS = (("call", "sms", "whatsapp"), ("email",))
_RIGHT_PARTY = ("right_party_contact", "promise_to_pay", "promise_kept")
_REACHED = (*_RIGHT_PARTY, "delivered", "read", "replied")


def closed_by(
    account: str,
    channel: str,
    at: datetime,
    heard: list[tuple[datetime, str, str, str]],
    balance: float,
    paid: list[tuple[datetime, float]],
    due: datetime,
) -> str | None:
    """Why a contact may not be made; None where nothing that was heard forbids it.

    Parameters
    ----------
    heard : list of (instant, account, channel, outcome)
        Of all accounts of the debtor.
    paid : list of (instant, amount)
        Of the account.
    """
    heard = sorted(heard)
    mine = [(when, word) for when, of, _, word in heard if of == account]
    over: dict[str, Any] = {}
    for _, _, by, word in heard:
        point = next(group for group in _POINTS if by in group)
        if word in ("opt_out", "opt_in"):
            kept = over.get("opted out", set()) - {by}
            over["opted out"] = kept | {by} if word == "opt_out" else kept
        elif word in ("wrong_party", "number_invalid"):
            over["not theirs"] = {*over.get("not theirs", ()), *point}
        if word in _RIGHT_PARTY:
            over["not theirs"] = over.get("not theirs", set()) - {*point}
    for why in ("opted out", "not theirs"):
        if channel in over.get(why, ()):
            return why
    counted = (*_REACHED, "bounced", "not_connected")
    tries = [(when, word) for when, _, by, word in heard if by == channel and word in counted]
    failed = 0
    for _, word in reversed(tries):
        if word in _REACHED:
            break
        failed += 1
    if failed >= 3 and at < tries[-1][0] + timedelta(days=30):
        return "rests"
    if any(word == "complaint" and at < when + timedelta(days=90) for when, _, _, word in heard):
        return "complaint"
    if any(word == "dispute" for _, _, _, word in heard):
        return "dispute"
    if any(word == "paid_in_full" for _, word in mine):
        return "paid in full"
    since = max(due, at - timedelta(days=30)) + timedelta(days=1)  # a day of grace on either side of what is counted
    if sum(amount for when, amount in paid if when >= since) >= balance:
        return "paid"
    promises = [(when, word) for when, word in mine if word.startswith("promise")]
    if promises and promises[-1][1] == "promise_to_pay" and at < promises[-1][0] + timedelta(days=14):
        return "promised"
    return None
