"""Arms of the standing experiment: drawn by debtor before anything is planned, and the random draws of exploration."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recommender.evaluation import assign
from recommender.planning.capacity_file import Arms

__all__ = ["ARMS", "draw_arms", "drawn_by", "explore", "uniform_of"]

ARMS = ("policy", "explore", "usual", "none")


def uniform_of(names: Sequence[str], *keys: object) -> NDArray[np.float64]:
    """Numbers in [0, 1) that hang on each name and the keys only, the same on every machine and day."""
    end = "".join(f"\0{key}" for key in keys).encode()
    hashes = [int.from_bytes(hashlib.sha256(str(name).encode() + end).digest()[:8], "big") for name in names]
    return np.array(hashes, dtype=np.uint64).astype(np.float64) / 2.0**64


def drawn_by(debtor: str) -> str:
    """Name under which a debtor of a plan is drawn: its id, and for an account without one the account's."""
    return debtor.removeprefix("debtor ") if debtor.startswith("debtor ") else debtor


def draw_arms(debtors: Sequence[str], arms: Arms) -> NDArray[np.str_]:
    """Arm of each debtor, the same in every plan of the experiment.

    The draw is that of :func:`recommender.evaluation.assign`, with the arms in the order of :data:`ARMS`: a control
    group of the same experiment and of share ``usual + none`` is made of the same debtors.

    Parameters
    ----------
    debtors : sequence of str
        Ids; a debtor may be repeated.
    arms : Arms

    Returns
    -------
    ndarray of str of shape (n,)
    """
    shares = (1.0 - arms.explore - arms.usual - arms.none, arms.explore, arms.usual, arms.none)
    drawn = {name: share for name, share in zip(ARMS, shares, strict=True) if share > 1e-12}
    return assign(debtors, arms.experiment, drawn)


def explore(
    eligible: NDArray[np.bool_],
    use: NDArray[np.float64],
    kind: NDArray[np.int64],
    room: NDArray[np.float64],
    numbers: NDArray[np.float64],
    accounts: NDArray[np.int64],
    picked: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Draw an action of each account, every eligible one with equal chance, thinned so that capacity suffices.

    An action that uses a scarce row is drawn less often, by a factor that is the same for all accounts; what is lost
    goes to no contact. The factor comes from expected uses and leaves four standard deviations of room, so propensities
    are known before anything is drawn and hang on no other account's draw.

    Parameters
    ----------
    eligible : ndarray of shape (m, n_actions), dtype bool
        Contacts only.
    use : ndarray of shape (n_kinds, n_actions, n_rows)
        Of capacities (no minimums).
    kind : ndarray of shape (m,)
    room : ndarray of shape (n_rows,)
    numbers : ndarray of shape (m,)
        In [0, 1).
    accounts : ndarray of shape (m,)
        How many accounts the debtor has in the arm: one of them is picked, each with the same chance.
    picked : ndarray of shape (m,), dtype bool
        Which was.

    Returns
    -------
    action : ndarray of shape (m,), dtype int64
        -1 for no contact.
    propensity : ndarray of shape (m,)
        Of the action drawn, before it was known which account is picked; of no contact where none was drawn.
    """
    n = eligible.sum(axis=1)
    chance = np.where(eligible, 1.0 / (np.maximum(n, 1) * accounts)[:, None], 0.0)
    expected, spread = np.zeros(len(room)), np.zeros(len(room))
    for code in np.unique(kind):
        by_action = chance[kind == code].sum(axis=0)
        expected += by_action @ use[code]
        spread += by_action @ use[code] ** 2
    margin = 4.0 * np.sqrt(spread)
    # thin by t: t * expected + sqrt(t) * margin <= room, solved for sqrt(t)
    root = (-margin + np.sqrt(margin**2 + 4.0 * expected * np.maximum(room, 0.0))) / np.maximum(2.0 * expected, 1e-300)
    keep = np.where(expected > 0, np.minimum(root, 1.0) ** 2, 1.0)
    thinned = np.where(use > 0, keep, 1.0).min(axis=2)  # (n_kinds, n_actions)
    thinned[(use > np.maximum(room, 0.0)).any(axis=2)] = 0.0
    chance *= thinned[kind]
    reach = np.cumsum(chance, axis=1)
    action = (reach * accounts[:, None] <= numbers[:, None]).sum(axis=1)
    none = ~picked | (action == eligible.shape[1])
    action = np.where(none, -1, action).astype(np.int64)
    drawn = chance[np.arange(len(kind)), np.maximum(action, 0)]
    return action, np.where(none, 1.0 - reach[:, -1], drawn)
