"""Rules of the trade that overlays may carry: tones by stage, and accounts that need a person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recommender.rules.evaluation import Law
from recommender.rules.facts import Facts
from recommender.rules.vocabulary import PARTIES, TONES

__all__ = ["human_needed", "incentive_range", "tones_allowed"]


def tones_allowed(law: Law, days_past_due: NDArray[np.int64]) -> dict[str, NDArray[np.bool_]]:
    """Tones that each tone ladder allows, keyed by rule id.

    Parameters
    ----------
    law : Law
    days_past_due : ndarray of shape (n, k)

    Returns
    -------
    dict of str to ndarray of shape (n, k, n_tones)
        Empty where no pack speaks of tones. A stretch of days that no rule of a pack covers allows no tone.
    """
    answers = {}
    for book, _ in law.books:
        for pack in book.packs:
            if not pack.tones:
                continue
            allowed = np.zeros((*days_past_due.shape, len(TONES)), dtype=bool)
            for rule in pack.tones:
                inside = np.ones(days_past_due.shape, dtype=bool)
                if rule.from_days is not None:
                    inside &= days_past_due >= rule.from_days
                if rule.to_days is not None:
                    inside &= days_past_due <= rule.to_days
                allowed |= inside[:, :, None] & np.array([tone in rule.tones for tone in TONES])
            answers[f"{pack.id.lower()}-tone"] = allowed
    return answers


def human_needed(law: Law, facts: Facts, days_past_due: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Accounts that a person looks at first, shape (n,)."""
    needed = np.zeros(len(facts), dtype=bool)
    for book, _ in law.books:
        for pack in book.packs:
            for rule in pack.needs_human:
                needed |= np.isin(facts.party, [PARTIES.index(name) for name in rule.parties])
                if rule.from_days is not None:
                    needed |= days_past_due >= rule.from_days
    return needed


def incentive_range(law: Law, days_past_due: int) -> tuple[float, float] | None:
    """Per cent that a message may offer, or None where some pack allows no offer at this stage."""
    low, high, spoken = 0.0, 100.0, False
    for book, _ in law.books:
        for pack in book.packs:
            if pack.incentive is not None:
                spoken = True
                if days_past_due < pack.incentive.from_days:
                    return None
                low, high = max(low, pack.incentive.min_percent), min(high, pack.incentive.max_percent)
    return (low, high) if spoken and low <= high else None
