"""``POST /v1/recommendations``: ranked, legal next-best actions for one or many accounts."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from fastapi import APIRouter, HTTPException

from api.deps import KeyDep, ServedDep, SettingsDep
from api.schemas import Account, RankedAction, Recommendation, RecommendationAnswer, RecommendationRequest
from recommender import __version__
from recommender.decisions import Decided, decide
from recommender.errors import InvalidInput
from recommender.store.privacy import refuse_contact_data

router = APIRouter(prefix="/v1", tags=["recommendations"], dependencies=[KeyDep])
_MOST_SEARCHED = 50  # accounts of a request for which the next legal instant is looked up
_FACTS = (
    "account_id",
    "debtor_id",
    "country",
    "subdivision",
    "timezone",
    "phone_timezones",
    "due_date",
    "balance_minor",
    "consented_channels",
    "flags",
    "party",
)


@router.post("/recommendations")
def recommend(request: RecommendationRequest, served: ServedDep, settings: SettingsDep) -> RecommendationAnswer:
    """Rank the next-best actions of each account.

    Rank 1 is the action to dispatch; its ``propensity`` is the probability with which it was drawn. Without a model
    the seed rules answer and say so. Unknown consent, flags, party or history deny: then the answer is NO_CONTACT.
    """
    if len(request.accounts) > settings.max_accounts:
        raise HTTPException(413, f"At most {settings.max_accounts:,} accounts in one request; send several.")
    as_of = request.as_of or datetime.now(UTC)
    accounts = accounts_frame(request.accounts, settings.packs)
    contacts = contacts_frame(request.accounts)
    known = np.array([account.contacts is not None for account in request.accounts])
    answers: list[Recommendation | None] = [None] * len(accounts)
    removed: Counter[str] = Counter()
    notes = dict.fromkeys([served.note] if served.note else [])
    packs: dict[str, Any] = {}
    for rows, history in ((np.flatnonzero(known), contacts), (np.flatnonzero(~known), None)):
        if not rows.size:
            continue
        decided = decide(
            accounts.iloc[rows].reset_index(drop=True),
            strategy=served.strategy,
            as_of=as_of,
            packs=settings.packs,
            contacts=history,
            top_k=request.top_k,
            explore=request.explore,
            seed=settings.seed if request.seed is None else request.seed,
        )
        for row, answer in zip(rows.tolist(), _recommendations(accounts.iloc[rows], decided), strict=True):
            answers[row] = answer
        removed.update(decided.eligibility.counts())
        notes |= dict.fromkeys(_notes(decided))
        packs = decided.eligibility.provenance.to_dict()
    packs.pop("sources", None)
    return RecommendationAnswer(
        as_of=as_of,
        policy_version=served.strategy.version_,
        code_version=__version__,
        packs=packs,
        removed_by_rule=dict(removed),
        notes=[note for note in notes if note],
        recommendations=[answer for answer in answers if answer is not None],
    )


def _notes(decided: Decided) -> list[str]:
    notes = list(decided.eligibility.provenance.warnings)
    if decided.missing_features:
        notes.append(f"features taken as missing: {', '.join(decided.missing_features)}")
    return notes


def accounts_frame(accounts: list[Account], packs: tuple[str, ...]) -> pd.DataFrame:
    """One row an account: facts and features side by side; a feature may not overwrite a fact."""
    rows = []
    for position, account in enumerate(accounts):
        refuse_contact_data(account.features, argument=f"accounts[{position}].features")
        facts = {name: getattr(account, name) for name in _FACTS}
        if clash := sorted(set(facts) & set(account.features) - {"balance_minor", "country"}):
            raise InvalidInput(
                f"accounts[{position}].features repeats the fact {clash[0]!r}.",
                column=clash[0],
                rows=[position],
                mend="Give it once, beside features.",
            )
        given = {name: value for name, value in account.features.items() if name not in facts or facts[name] is None}
        rows.append(
            {**facts, **given, "packs": account.packs or list(packs), "contacts_known": account.contacts is not None}
        )
    return pd.DataFrame(rows)


def contacts_frame(accounts: list[Account]) -> pd.DataFrame:
    """All contacts of the request in one frame."""
    rows = [contact.model_dump() for account in accounts for contact in account.contacts or []]
    columns = ["account_id", "sent_at", "channel", "initiated_by", "outcome", "status", "hour", "tone", "reward"]
    return pd.DataFrame(rows, columns=columns)


def _recommendations(accounts: pd.DataFrame, decided: Decided) -> list[Recommendation]:
    allowed = decided.eligibility
    eligible = allowed.mask.sum(axis=1)
    searched = 0
    answers = []
    for row, part in decided.ranked.groupby("row", sort=True):
        position = int(row)
        first = part.iloc[0]
        idle = eligible[position] <= 1
        searched += int(idle)
        answers.append(
            Recommendation(
                account_id=str(accounts["account_id"].iloc[position]),
                decision_id=first["decision_id"],
                policy=first["policy"],
                deterministic=bool(first["deterministic"]),
                actions=[_action(one, decided.actions.factor_names) for one in part.to_dict(orient="records")],
                eligible_actions=int(eligible[position]),
                needs_human=bool(allowed.needs_human[position]),
                next_allowed_at=_next_allowed(decided, position) if idle and searched <= _MOST_SEARCHED else None,
            )
        )
    return answers


def _next_allowed(decided: Decided, row: int) -> datetime | None:
    """Earliest instant at which any channel becomes legal for an account that is left alone now."""
    codes = decided.actions.codes[:, decided.actions.factor_names.index("channel")]
    first_of_channel = [int(np.flatnonzero(codes == code)[0]) for code in np.unique(codes[codes >= 0])]
    found = [decided.eligibility.next_allowed_at(row, action) for action in first_of_channel]
    return min((instant for instant in found if instant is not None), default=None)


def _action(row: dict[str, Any], factors: tuple[str, ...]) -> RankedAction:
    levels = {name: None if pd.isna(row[name]) else row[name] for name in factors}
    return RankedAction(
        rank=row["rank"],
        no_contact=all(level is None for level in levels.values()),
        factors=levels,
        contact_at=_instant(row["contact_at"]),
        expected_reward=_number(row["expected_reward"]),
        lo=_number(row["lo"]),
        hi=_number(row["hi"]),
        propensity=row["propensity"],
        evidence=row["evidence"],
        support=bool(row["support"]),
    )


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _instant(value: Any) -> datetime | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).to_pydatetime()
