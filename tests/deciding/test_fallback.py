"""Fallback chains: each next step legal after the failures before it, with the propensity of that moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.deciding import Decider, decide, fallback_chain
from recommender.strategy import SeedStrategy

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)
ACTIONS = ActionSpace(
    {"channel": ["sms", "call", "email"], "hour": [9, 11, 15, 17], "tone": ["friendly", "neutral"]}, no_contact=True
)
ACCOUNT = {
    "account_id": "A", "debtor_id": "D", "country": "CL", "timezone": "America/Santiago", "language": "es",
    "party": "debtor", "consented_channels": "sms;call;email", "balance_minor": 400_000, "flags": "",
    "due_date": "2026-11-05",
}  # fmt: skip
DECIDER = Decider(SeedStrategy(ACTIONS))


@pytest.mark.parametrize("seed", range(4))
def test_every_step_is_what_would_be_decided_then(seed: int) -> None:
    """Asked anew at the moment of a step, with the failures so far, decide() gives that step and propensity."""
    chain = fallback_chain(DECIDER, [ACCOUNT], as_of=MONDAY, packs=["CL"], contacts=[], seed=seed, steps=3)
    assert len(chain) >= 2
    sent: list[dict[str, object]] = []
    outcome = {"bounced": "bounced", "not_connected": "not_connected", "not_read": "delivered"}
    for step, following in zip(chain, [*chain[1:], None], strict=True):
        stale = {one["channel"] for one in sent if one["outcome"] == "bounced"}
        assert step.factors["channel"] not in stale
        open_ = ~ACTIONS.to_frame()["channel"].isin(stale).to_numpy(dtype=bool)
        made = decide(
            [ACCOUNT],
            strategy=DECIDER.strategy,
            as_of=step.as_of,
            packs=["CL"],
            contacts=sent,
            seed=seed,
            allowed=open_,
        )
        assert made.propensity[0, 0] == step.propensity
        assert made.contact_at(0, int(made.action[0])) == step.contact_at
        assert made.decision_ids[0] == step.decision_id
        if following is not None:
            assert following.as_of >= step.contact_at + timedelta(hours=24)
            sent.append(
                {"account_id": "A", "debtor_id": "D", "sent_at": step.contact_at, "initiated_by": "creditor",
                 "status": "sent", "outcome": outcome[following.after], **step.factors}
            )  # fmt: skip


def test_a_bounced_channel_is_stale_and_a_letter_ends_the_chain() -> None:
    """Everything that bounces is tried once; a channel without a way to fail is the last."""
    fails = dict.fromkeys(("sms", "call", "email"), "bounced")
    chain = fallback_chain(
        DECIDER, [ACCOUNT], as_of=MONDAY, packs=["CL"], contacts=[], steps=9, days=30, failures=fails
    )
    channels = [step.factors["channel"] for step in chain]
    assert len(channels) == len(set(channels)) == 3
    assert [step.after for step in chain] == [None, "bounced", "bounced"]
    once = fallback_chain(DECIDER, [ACCOUNT], as_of=MONDAY, packs=["CL"], contacts=[], failures={})
    assert len(once) == 1


@pytest.mark.parametrize(("failure", "steps"), [("bounced", 1), ("not_connected", 3), ("not_read", 3)])
def test_only_what_bounced_closes_its_channel(failure: str, steps: int) -> None:
    """Who did not answer a call, or did not read, may be asked again over the same channel."""
    space = ActionSpace({"channel": ["call"], "hour": [9, 15], "tone": ["neutral"]}, no_contact=True)
    calls = Decider(SeedStrategy(space))
    chain = fallback_chain(
        calls, [ACCOUNT], as_of=MONDAY, packs=["CL"], contacts=[], steps=3, days=30, failures={"call": failure}
    )
    assert len(chain) == steps


def test_nothing_legal_is_no_chain() -> None:
    """Somebody who may not be contacted has no step; what cannot be meant is refused."""
    shut = fallback_chain(
        DECIDER, pd.DataFrame([ACCOUNT | {"flags": "cease_contact"}]), as_of=MONDAY, packs=["CL"], contacts=[]
    )
    assert shut == []
    with pytest.raises(ValueError, match="one account"):
        fallback_chain(DECIDER, [ACCOUNT, ACCOUNT], as_of=MONDAY, packs=["CL"], contacts=[])
    with pytest.raises(ValueError, match="no way to fail"):
        fallback_chain(DECIDER, [ACCOUNT], as_of=MONDAY, packs=["CL"], contacts=[], failures={"sms": "lost"})


@pytest.mark.parametrize("days", [1, 2, 5])
def test_every_day_up_to_the_last_is_asked_and_none_after_it(monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Where nothing is legal, a day later is asked, with an account as many days older, the last day included."""
    asked = []
    account = ACCOUNT | {"flags": "cease_contact", "days_past_due": 18}
    account.pop("due_date")

    def decide_then(self: Decider, accounts: Any, **terms: Any) -> Any:
        asked.append(((terms["as_of"] - MONDAY) / timedelta(days=1), accounts.values("days_past_due")[0]))
        return at_once(self, accounts, **terms)

    at_once = Decider.decide
    monkeypatch.setattr(Decider, "decide", decide_then)
    assert fallback_chain(DECIDER, [account], as_of=MONDAY, packs=["CL"], contacts=[], days=days) == []
    assert asked == [(day, 18 + day) for day in range(days + 1)]


def test_a_step_may_fall_on_the_last_instant_of_the_days_and_not_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A contact that fails just when the days end has one more step; one that fails an instant later has none."""
    found = fallback_chain(DECIDER, [ACCOUNT], as_of=MONDAY, packs=["CL"], contacts=[], steps=1)
    assert len(found) == 1 and found[0].contact_at is not None
    wait = (MONDAY + timedelta(days=1) - found[0].contact_at) / timedelta(hours=1)
    asked = []

    def decide_then(self: Decider, accounts: Any, **terms: Any) -> Any:
        asked.append(terms["as_of"])
        return at_once(self, accounts, **terms)

    at_once = Decider.decide
    monkeypatch.setattr(Decider, "decide", decide_then)
    for more, n_asked in ((0.0, 2), (0.001, 1)):
        asked.clear()
        fallback_chain(
            DECIDER, [ACCOUNT], as_of=MONDAY, packs=["CL"], contacts=[], steps=2, days=1, wait_hours=wait + more
        )
        assert len([at for at in asked if at <= MONDAY + timedelta(days=1)]) == len(asked) == n_asked
