"""One request decided: accounts to rankings, rankings to records, records to the log, and only then an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import pandas as pd

from api.answers import logged_recommendation, rankings, recommendation
from api.recording import Asked, decision_records
from api.request_frames import accounts_frame, contacts_frame
from api.schemas import Recommendation, RecommendationRequest
from api.serving import Served
from api.shadow import Shadow
from recommender.decisions import Decided, decide
from recommender.settings import Settings
from recommender.store.decisions import DecisionRecord

__all__ = ["Part", "decide_parts", "recommendations", "records_of"]


@dataclass(frozen=True)
class Part:
    """Accounts of a request that were decided in one call, because their history is known, or unknown, for all.

    Attributes
    ----------
    positions : list of int
        Places in the request.
    accounts : DataFrame
    decided : Decided
    ranked : list of lists of dict
        See :func:`api.answers.rankings`.
    ask : callable
        The same question to another strategy.
    asked : Asked
    """

    positions: list[int]
    accounts: pd.DataFrame
    decided: Decided
    ranked: list[list[dict[str, Any]]]
    ask: Callable[..., Decided]
    asked: Asked


def decide_parts(
    request: RecommendationRequest, positions: Sequence[int], as_of: datetime, served: Served, settings: Settings
) -> list[Part]:
    """Decide about the accounts at some positions of a request, in one vectorised call for each kind of history."""
    seed = settings.seed if request.seed is None else request.seed
    parts = []
    for is_known in (True, False):
        own = [position for position in positions if (request.accounts[position].contacts is not None) == is_known]
        if not own:
            continue
        chosen = [request.accounts[position] for position in own]
        accounts = accounts_frame(chosen, settings.packs, own)
        ask = partial(
            decide,
            accounts,
            as_of=as_of,
            packs=settings.packs,
            contacts=contacts_frame(chosen) if is_known else None,
            explore=request.explore,
            seed=seed,
        )
        decided = ask(strategy=served.strategy, top_k=request.top_k)
        brought = [frozenset(account.features) for account in chosen]
        asked = Asked(as_of, seed, request.request_key, own, brought)
        parts.append(Part(own, accounts, decided, rankings(decided), ask, asked))
    return parts


def records_of(part: Part, served: Served, challenger: Served | None, shadow: Shadow) -> list[DecisionRecord]:
    """What is to be written down, with the challenger's choice where there is one."""
    theirs = [None] * len(part.positions) if challenger is None else shadow.choices(challenger, part.decided, part.ask)
    return decision_records(part.accounts, part.decided, part.ranked, served, part.asked, theirs)


def recommendations(part: Part, logged: dict[str, DecisionRecord]) -> list[Recommendation]:
    """Answer the accounts of a part, from the log where it keeps them: so a repetition reads the same."""
    first = part.decided.ranked.loc[part.decided.ranked["rank"] == 1]
    eligible = part.decided.eligibility.mask.sum(axis=1).tolist()
    answers = []
    for row, (account_id, decision_id, policy, deterministic) in enumerate(
        zip(part.accounts["account_id"], first["decision_id"], first["policy"], first["deterministic"], strict=True)
    ):
        if decision_id in logged:
            answers.append(logged_recommendation(logged[decision_id]))
            continue
        answers.append(
            recommendation(
                part.ranked[row],
                actions=part.decided.actions,
                account_id=account_id,
                decision_id=decision_id,
                policy=policy,
                deterministic=bool(deterministic),
                eligible_actions=eligible[row],
            )
        )
    return answers
