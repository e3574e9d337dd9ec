"""Logs and records for the store's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from recommender.actions import ActionSpace
from recommender.store.decision_log.decisions import DecisionLog, DecisionRecord, Provenance
from tests.databases import empty_url, postgres_server  # noqa: F401

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def log(empty_url: str) -> Iterator[DecisionLog]:  # noqa: F811
    """An empty decision log on each kind of database."""
    with DecisionLog.create(empty_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def space() -> ActionSpace:
    """Three channels, three hours, left alone: ten actions, so that eligible bits do not fill their bytes."""
    return ActionSpace({"channel": ["call", "sms", "email"], "hour": [9, 13, 18]}, no_contact=True)


@pytest.fixture(scope="session")
def provenance(space: ActionSpace) -> Provenance:
    """Versions of a served strategy."""
    return Provenance(
        policy_version="7",
        actions=space,
        model_digest="ab" * 32,
        rule_packs={"CO": "cd" * 32, "house": "ef" * 32},
        holidays_version="0.109",
        tzdata_version="2026.1",
        code_version="0.1.0",
    )


@pytest.fixture
def decide(provenance: Provenance) -> Callable[..., DecisionRecord]:
    """Make a valid decision; keyword arguments replace its fields."""

    def make(number: int = 0, **changes: Any) -> DecisionRecord:
        fields: dict[str, Any] = {
            "decision_id": f"d{number:05d}",
            "account_id": f"a{number % 7}",
            "debtor_id": f"p{number % 3}",
            "decided_at": NOON + timedelta(minutes=number),
            "action": number % 10,
            "propensity": 0.25,
            "eligible": np.ones(10, dtype=bool),
            "context": {"stage": "extrajudicial", "days_past_due": 40 + number, "balance_minor": 1.5e6, "is_new": True},
            "provenance": provenance,
        }
        return DecisionRecord(**(fields | changes))

    return make
