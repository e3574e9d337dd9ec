"""What was decided as records of the decision log, and when two records say the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import numpy as np

from api.service.deciding import Part
from api.service.request_columns import NAMED
from api.service.serving import Served
from recommender import __version__
from recommender.deciding import Decided
from recommender.history import protected_names
from recommender.rules import PURPOSE_PACK, rule_books
from recommender.store.decision_log import (
    DecisionBatch,
    DecisionRecord,
    Provenance,
    ShadowChoice,
    checked_mappings,
    decision_batch,
)

__all__ = ["decision_records", "same_decision"]

_EXACT = 2**53
_FEW = 32  # numbers that a loop looks at faster than an array
_AS_THEY_ARE = {str, int, bool, type(None)}
_SITUATION = ("days_past_due", "stage", "balance_minor", "country")


def decision_records(part: Part, served: Served, shadows: Sequence[ShadowChoice | None]) -> list[DecisionRecord]:
    """One record an account; the propensity is that of what is dispatched: 1 where no chance took part."""
    decided, terms = part.decided, part.terms
    by_packs: dict[tuple[str, ...], Provenance] = {}
    provenances = []
    for packs in decided.accounts.values("packs"):
        key = tuple(packs)
        if (provenance := by_packs.get(key)) is None:
            provenance = by_packs[key] = _provenance(decided, served, key)
        provenances.append(provenance)
    actions, n = decided.action, len(part.positions)
    return decision_batch(
        DecisionBatch(
            decision_id=decided.decision_ids,
            account_id=decided.accounts.values("account_id"),
            debtor_id=decided.accounts.values("debtor_id"),
            decided_at=terms.as_of,
            action=actions,
            propensity=[1.0] * n if decided.deterministic else np.minimum(1.0, decided.propensity[:, 0]).tolist(),
            eligible=decided.eligibility.mask,
            context=_contexts(part, served),
            provenance=provenances,
            ranking=[one.kept for one in part.ranked],
            request_key=terms.request_key,
            request_position=[0] * n if terms.request_key is None else part.positions,
            contact_at=decided.contact_instants(np.arange(n), actions),
            fallback=decided.policy == "seed_rules",
            deterministic=decided.deterministic,
            seed=terms.seed,
            shadow=shadows,
            purpose=terms.purpose,
        )
    )


def _provenance(decided: Decided, served: Served, packs: tuple[str, ...]) -> Provenance:
    """Versions behind the decision of an account under these packs (and those that they bring along)."""
    own = {pack.id for book in rule_books(packs) for pack in book.packs} | ({PURPOSE_PACK} if packs else set())
    law = decided.eligibility.provenance
    digests = tuple(sorted((pack["id"], pack["digest"]) for pack in law.packs if pack["id"] in own))
    key = (digests, law.holidays, law.tzdata)
    if (cached := served.provenances.get(key)) is None:  # hashing an action space takes longer than deciding
        cached = served.provenances[key] = Provenance(
            policy_version=decided.policy_version,
            actions=decided.actions,
            model_digest=served.digest,
            rule_packs=dict(digests),
            holidays_version=law.holidays,
            tzdata_version=law.tzdata,
            code_version=__version__,
        )
    return cached


def _contexts(part: Part, served: Served) -> Sequence[Mapping[str, Any]]:
    """Context columns as the model saw them; under the seed rules all that a model could learn from later."""
    if served.is_model:
        names = sorted(str(name) for name in served.strategy.feature_names_in_)  # type: ignore[union-attr]
        columns = [_scalars(part.decided.accounts.values(name)) for name in names]
        free = part.brought - NAMED  # the door has looked at every feature, under this very name
        return checked_mappings(dict(zip(names, columns, strict=True)), "context", levels=True, free=free)
    brought = dict.fromkeys(name for names in part.features for name in sorted(names))
    protected = set(protected_names(list(brought)))
    kept = [name for name in dict.fromkeys([*_SITUATION, *brought]) if name not in protected]
    return [
        {name: _scalar(row.get(name)) for name in kept if name in row and (name in _SITUATION or name in features)}
        for row, features in zip(part.rows, part.features, strict=True)
    ]


def _scalars(values: list[Any]) -> list[Any]:
    kinds = set(map(type, values))
    if kinds <= _AS_THEY_ARE:
        return values
    if kinds == {float}:
        if len(values) <= _FEW:
            return [int(value) if value.is_integer() and abs(value) < _EXACT else value for value in values]
        numbers = np.array(values)
        whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < _EXACT)
        if not whole.any():
            return values
        if whole.all():
            return list(numbers.astype(np.int64).tolist())
        return [int(value) if is_whole else value for value, is_whole in zip(values, whole.tolist(), strict=True)]
    return [_scalar(value) for value in values]


def _scalar(value: Any) -> Any:
    """What a context may hold; lists as text and dates as ISO, as they are written in tables.

    A whole number is one whether it came as 5 or as 5.0: what stands beside it in a request must not tell.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, list | tuple):
        return ";".join(map(str, value))
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    return value


def same_decision(logged: DecisionRecord, again: DecisionRecord) -> bool:
    """Whether two records decide the same from the same facts, whoever asked, however many ranks were wanted.

    A probability may differ in its last digits: sums over other numbers of accounts are taken in another order. So may
    the versions of the programs at work: an update of the service between a request and its repetition is no fact.
    """
    if logged.action != again.action:
        return False
    rounded = math.isclose(logged.propensity, again.propensity, rel_tol=1e-9)
    as_held = replace(
        again,
        propensity=logged.propensity if rounded else again.propensity,
        provenance=_by_programs_of(logged.provenance, again.provenance),
        request_key=logged.request_key,
        request_position=logged.request_position,
        ranking=logged.ranking,
        shadow=logged.shadow,
        # Whose account it is may have become known since.
        debtor_id=logged.debtor_id if logged.debtor_id == logged.account_id else again.debtor_id,
    )
    return as_held == logged


def _by_programs_of(logged: Provenance, again: Provenance) -> Provenance:
    """Versions behind a decision, under the programs of another; the digest is of files as a version writes them."""
    if logged == again:
        return again
    return replace(again, **{name: getattr(logged, name) for name in _PROGRAMS})


_PROGRAMS = ("model_digest", "code_version", "holidays_version", "tzdata_version")
