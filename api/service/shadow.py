"""Shadow (apprentice) mode: what the challenger would have done, logged beside the champion's choice."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from api.service.deciding import Part
from api.service.metrics import Metrics
from api.service.serving import Served
from recommender.actions import ActionSpace
from recommender.store.decision_log import ShadowChoice

__all__ = ["Shadow"]

_log = structlog.get_logger(__name__)


class Shadow:
    """Asks the challenger and counts how often it agrees; its answers are never dispatched.

    Parameters
    ----------
    metrics : Metrics
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._lock = threading.Lock()
        self._compared: dict[str, list[int]] = {}
        self._failed = 0

    def choices(self, challenger: Served, decided: Part) -> list[ShadowChoice | None]:
        """Choice of the challenger for each decided account; None where it has none in the champion's terms.

        A challenger that fails costs its choices, never the answer.
        """
        n = len(decided.positions)
        try:
            theirs = decided.ask(strategy=challenger.strategy, top_k=1)
            action = _in_terms_of(decided.decided.actions, theirs.actions, theirs.action)
            first = theirs.expected_reward[:, 0].tolist()
        except Exception as error:  # noqa: BLE001 - an apprentice's mistake must not reach the customer
            _log.error("challenger failed", source=challenger.source, error=type(error).__name__)
            self._count(challenger, 0, 0, failed=n)
            return [None] * n
        known = action >= 0
        same = int((action[known] == decided.decided.action[known]).sum())
        self._count(challenger, int(known.sum()), same, failed=n - int(known.sum()))
        version = challenger.strategy.version_
        return [
            ShadowChoice(action=chosen, expected_reward=reward, policy_version=version) if chosen >= 0 else None
            for chosen, reward in zip(action.tolist(), first, strict=True)
        ]

    def to_dict(self, challenger: Served) -> dict[str, Any]:
        """Agreement of the challenger in use since it is asked."""
        compared, same = self._compared.get(challenger.strategy.version_, (0, 0))
        return {
            "policy_version": challenger.strategy.version_,
            "source": challenger.source,
            "compared": compared,
            "match_share": same / compared if compared else None,
            "failed": self._failed,
        }

    def _count(self, challenger: Served, compared: int, same: int, *, failed: int) -> None:
        with self._lock:
            counts = self._compared.setdefault(challenger.strategy.version_, [0, 0])
            counts[0] += compared
            counts[1] += same
            self._failed += failed
        for result, count in (("same", same), ("other", compared - same), ("failed", failed)):
            self._metrics.shadow(result, count)


def _in_terms_of(own: ActionSpace, theirs: ActionSpace, action: NDArray[np.int64]) -> NDArray[np.int64]:
    """Actions of another space as indices of ``own``; -1 where it has no such action."""
    if own == theirs:
        return action
    known = {tuple(sorted(row.items())): at for at, row in enumerate(_levels(own))}
    levels = _levels(theirs)
    return np.array([known.get(tuple(sorted(levels[at].items())), -1) for at in action.tolist()], dtype=np.int64)


def _levels(space: ActionSpace) -> list[dict[str, str | None]]:
    factors = list(space.factors.items())
    return [
        {name: None if code < 0 else repr(levels[code]) for (name, levels), code in zip(factors, codes, strict=True)}
        for codes in space.codes.tolist()
    ]
