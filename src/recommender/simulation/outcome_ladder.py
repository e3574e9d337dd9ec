"""How far each contact climbs the outcome ladder, and what it sets in motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recommender.simulation.personas import CHANNELS, TONES
from recommender.simulation.signals import Floats
from recommender.tables import OUTCOMES

__all__ = ["Climb", "climb"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

MINUTE, HOUR, DAY = 60, 3_600, 86_400
_VOICE = np.isin(CHANNELS, ("call", "ivr"))
_CODE = {name: code for code, name in enumerate(OUTCOMES)}


@dataclass(frozen=True)
class Climb:
    """Rungs reached, as parallel arrays, and the consequences of each contact.

    Attributes
    ----------
    contact : ndarray of int
        Position of the contact of each rung.
    outcome : ndarray of int
        Position in :data:`recommender.tables.OUTCOMES`.
    after_s : ndarray of int
        Seconds after the contact was sent.
    noticed : ndarray of bool of shape (n,)
        The debtor saw or heard the contact: it works on as a halo even without an answer.
    pays_after_s : ndarray of int of shape (n,)
        Seconds until a payment that this contact brought about; -1 for none.
    promised, opted_out, complained : ndarray of bool of shape (n,)
    """

    contact: Ints
    outcome: Ints
    after_s: Ints
    noticed: Bools
    pays_after_s: Ints
    promised: Bools
    opted_out: Bools
    complained: Bools


def climb(
    *,
    channel: Ints,
    tone: Ints,
    stage: Ints,
    responded: Bools,
    reachable: Bools,
    fatigue: Floats,
    willing: Bools,
    rng: np.random.Generator,
) -> Climb:
    """Draw the ladder of ``n`` contacts, given who responds.

    Parameters
    ----------
    channel, tone, stage : ndarray of int of shape (n,)
    responded, reachable, willing : ndarray of bool of shape (n,)
    fatigue : ndarray of shape (n,)
        Recent contacts with the debtor, decayed; drives opt-outs and complaints.
    rng : Generator
    """
    n = len(channel)
    voice = _VOICE[channel]
    chance = rng.random((9, n))
    contact: list[Ints] = []
    outcome: list[Ints] = []
    after: list[Ints] = []

    def reach(name: str, where: Bools, seconds: NDArray[np.generic] | int) -> None:
        rows = np.flatnonzero(where)
        contact.append(rows)
        outcome.append(np.full(len(rows), _CODE[name], dtype=np.int64))
        after.append(np.broadcast_to(np.asarray(seconds, dtype=np.int64), (n,))[rows])

    reach("attempted", np.ones(n, dtype=bool), 0)
    missed = voice & ~responded
    reach("not_connected", missed & (chance[0] < 0.70), 30)
    reach("wrong_party", missed & (chance[0] >= 0.70) & (chance[0] < 0.76), 45)
    reach("right_party_contact", voice & responded, 60)

    bounced = ~voice & (~reachable | ((chance[0] < 0.015) & ~responded))
    delivered = ~voice & ~bounced
    reach("bounced", bounced, 20)
    reach("delivered", delivered, 5)
    read_rate = np.array([0.0, 0.0, 0.55, 0.25, 0.0])[channel]
    read = delivered & (read_rate > 0) & (responded | (chance[1] < read_rate))
    reply_s = np.minimum(np.exp(rng.normal(np.log(1.5 * HOUR), 1.4, n)), 6 * DAY).astype(np.int64) + 60
    read_s = (reply_s * 0.6).astype(np.int64) + 20
    reach("read", read, read_s)
    reach("replied", ~voice & responded, reply_s)

    answered_s = np.where(voice, 60, reply_s)
    promised = responded & (chance[2] < np.where(voice, 0.55, 0.35))
    reach("promise_to_pay", promised, answered_s + 3 * MINUTE)
    kept = promised & (chance[3] < np.where(willing, 0.70, 0.40))
    directly = responded & ~promised & (chance[3] < np.where(willing, 0.45, 0.25))
    promised_days = 1.0 + 9.0 * chance[4]
    direct_days = np.minimum(np.exp(rng.normal(0.0, 1.2, n)), 30.0)
    pays_after = np.where(kept, promised_days, direct_days) * DAY + answered_s + 10 * MINUTE
    pays_after_s = np.where(kept | directly, pays_after, -1.0).astype(np.int64)

    pressure = np.exp(0.5 * fatigue) * np.array([0.7, 1.0, 1.8, 2.5])[tone]
    noticed = responded | read | (delivered & (chance[5] < 0.6)) | (missed & (chance[5] < 0.15))
    opted_out = noticed & (chance[6] < 0.0015 * pressure)
    too_soon = np.where((stage <= 1) & (tone >= TONES.index("firm")), 4.0, 1.0)
    complained = noticed & (chance[7] < 0.0006 * pressure * too_soon)
    reach("opt_out", opted_out, np.minimum(answered_s, HOUR) + 5 * MINUTE)
    reach("complaint", complained, 2 * HOUR)
    return Climb(
        contact=np.concatenate(contact),
        outcome=np.concatenate(outcome),
        after_s=np.concatenate(after),
        noticed=noticed,
        pays_after_s=pays_after_s,
        promised=kept,
        opted_out=opted_out,
        complained=complained,
    )
