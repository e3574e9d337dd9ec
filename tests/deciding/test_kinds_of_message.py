"""The text attached to a contact is of the kind, tone, stage, channel and language that the contact is of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender.actions import ActionSpace
from recommender.deciding import Decider
from recommender.messages import STAGES, Catalogue, default_catalogue, stage_of
from recommender.rules import CHANNELS, KINDS, PURPOSES, TONES, eligibility, kind_of
from recommender.strategy import SeedStrategy

NOON = datetime(2026, 11, 17, 15, tzinfo=UTC)  # Tuesday 10:00 in Bogota
ALL = ActionSpace({"channel": list(CHANNELS), "tone": list(TONES), "message_kind": list(KINDS)}, no_contact=True)
DAYS = {"preventive": -3, "administrative": 10, "extrajudicial": 45, "judicial": 120}


def account(number=0, days=10, language="es", consents=CHANNELS, as_of=NOON, **more):
    """One whom the law lets reach by every channel."""
    due = ((as_of - timedelta(hours=5)).date() - timedelta(days=days)).isoformat()
    return {
        "account_id": f"A{number}", "debtor_id": f"D{number}", "country": "CO", "timezone": "America/Bogota",
        "due_date": due, "balance_minor": 9_000, "currency": "COP", "consented_channels": list(consents), "flags": [],
        "party": "debtor", "language": language,
    } | more  # fmt: skip


#: What each purpose speaks of, so on the day of ``NOON``.
SPOKEN = {
    "promise_follow_up": {"promise_on": "2026-11-18"},
    "payment_confirmation": {"last_paid_on": "2026-11-16"},
    "win_back": {"cured_on": "2026-11-16", "balance_minor": 0},
    "fraud_alert": {"fraud_noticed_on": "2026-11-16"},
    "requested_information": {"information_requested_on": "2026-11-16"},
}


def decider(space=ALL, **more):
    """The seed rules over a space."""
    return Decider(SeedStrategy(space), **more)


def every_choice(deciding, accounts, as_of=NOON):
    """Account, action and template of everything that may be chosen."""
    space = deciding.actions
    found = deciding.decide(accounts, as_of=as_of, packs=("CO",), contacts=[], top_k=len(space), explore=False)
    for row, (ranked, templates) in enumerate(zip(found.actions_ranked.tolist(), found.template_ids, strict=True)):
        for action, template in zip(ranked, templates, strict=True):
            if 0 <= action != space.no_contact_index:
                yield row, space.describe([action]).iloc[0], template


@pytest.mark.parametrize("purpose", PURPOSES)
def test_no_template_is_attached_to_an_action_of_another_kind(purpose):
    """Over all kinds, tones, channels, stages and languages: the template fits, and eligible means there is one."""
    accounts = [
        account(len(STAGES) * which + stage, DAYS[name], language)
        for which, language in enumerate(("es", "en", "pt", "es-CO"))
        for stage, name in enumerate(STAGES)
    ]
    catalogue, seen = default_catalogue(), set()
    accounts = [one | SPOKEN.get(purpose, {}) for one in accounts]
    for row, action, name in every_choice(decider(purpose=purpose), accounts):
        template = catalogue.get(name)
        assert template is not None, "what is eligible has a text"
        assert (template.kind, template.tone) == (action["message_kind"], action["tone"])
        assert action["channel"] in template.channels and purpose in template.purposes
        assert STAGES[row % len(STAGES)] in template.stages
        assert template.language == accounts[row]["language"][:2]
        seen.add((template.kind, row % len(STAGES)))
    offers = [(kind, STAGES[stage]) for kind, stage in seen if kind in ("flexible_offer", "incentive")]
    want = {("flexible_offer", "administrative"), ("flexible_offer", "extrajudicial"), ("incentive", "extrajudicial")}
    assert set(offers) == (want if purpose == "collection" else set())


def test_every_packaged_template_can_be_chosen():
    """Each has a situation in which a decision attaches it; hand-overs need the debtor's yes to the other channel."""
    accounts, chosen = [], set()
    for language in default_catalogue().languages:
        for days in DAYS.values():
            for consents in (CHANNELS, [name for name in CHANNELS if name != "whatsapp"]):
                accounts.append(account(len(accounts), days, language, consents))
    for purpose in PURPOSES:
        told = [one | SPOKEN.get(purpose, {}) for one in accounts]
        chosen |= {name for _, _, name in every_choice(decider(purpose=purpose), told)}
    assert chosen == {template.id for template in default_catalogue().templates}


def test_a_text_hands_over_only_to_a_channel_that_the_debtor_agreed_to():
    """Neither without consent nor after an opt-out."""
    told = {"consents": ["email"]}, {"flags": ["opt_out:whatsapp"]}, {}
    space = ActionSpace({"channel": ["email"], "tone": ["friendly"]}, no_contact=True)
    names = [name for _, _, name in every_choice(decider(space), [account(i, **one) for i, one in enumerate(told)])]
    plain = "es.overdue-notice.friendly.mail"
    assert names == [plain, plain, f"{plain}-to-whatsapp"]


def test_the_template_is_of_the_stage_at_the_instant_of_contact():
    """Due today and decided in the evening: tomorrow at ten the debt is overdue, this evening it is not."""
    evening = datetime(2026, 11, 17, 22, 30, tzinfo=UTC)  # 17:30 in Bogota
    space = ActionSpace({"channel": ["sms"], "hour": [10, 18], "tone": ["friendly"]}, no_contact=True)
    for days in (0, 30, 90):
        for _, action, name in every_choice(decider(space), [account(days=days, as_of=evening)], evening):
            on_the_day = days + (action["hour"] == 10)
            assert stage_of(on_the_day) in default_catalogue().get(name).stages
            if days == 0:
                assert ("overdue" in name) == (action["hour"] == 10)


def test_a_purpose_settles_the_stages_and_is_part_of_the_decision():
    """A reminder before the due date finds nobody who is late; thanks go to who paid, also where nothing is owed."""
    paid = SPOKEN["payment_confirmation"]
    accounts = [account(0, -3), account(1, 10, **paid), account(2, 10, balance_minor=0, **paid)]
    contacted, ids = {}, set()
    for purpose in ("collection", "pre_due_reminder", "payment_confirmation"):
        contacted[purpose] = {row for row, _, _ in every_choice(decider(purpose=purpose), accounts)}
        found = decider(purpose=purpose).decide(accounts, as_of=NOON, packs=("CO",), contacts=[])
        ids |= set(found.decision_ids)
    assert contacted == {"collection": {0, 1}, "pre_due_reminder": {0}, "payment_confirmation": {1, 2}}
    assert len(ids) == 9


def test_a_kind_nobody_knows_is_not_eligible():
    """Spellings of logs are read; a word that is no kind has no template."""
    kinds = ["Flexible offer", "overdue", "poem"]
    space = ActionSpace({"channel": ["sms"], "tone": ["friendly"], "message_kind": kinds}, no_contact=True)
    found = eligibility([account()], space, as_of=NOON, packs=["CO"], contacts=[], catalogue=default_catalogue())
    assert found.mask.tolist() == [[True, True, False, True]]
    assert found.rules(0, 2) == ("no-template",)
    told = {action["message_kind"]: name for _, action, name in every_choice(decider(space), [account()])}
    assert told == {
        "Flexible offer": "es.flexible-offer.friendly.sms", "overdue": "es.overdue-notice.friendly.sms",
    }  # fmt: skip


@given(st.lists(st.sampled_from(default_catalogue().templates), min_size=1, unique=True), st.sampled_from(KINDS),
       st.sampled_from(TONES), st.sampled_from(CHANNELS), st.sampled_from(STAGES))  # fmt: skip
def test_availability_and_choice_agree_in_any_catalogue(templates, kind, tone, channel, stage):
    """What is available has a template, what is not has none: a naive search over the catalogue says the same."""
    catalogue = Catalogue(templates)
    language = templates[0].language
    fits = [one for one in templates if one.language == language and "collection" in one.purposes
            and one.kind == kind and one.tone == tone and channel in one.channels and stage in one.stages]  # fmt: skip
    plain = [one.id for one in fits if one.handover is None]
    over = [one.id for one in fits if one.handover is not None]
    cell = STAGES.index(stage), CHANNELS.index(channel), KINDS.index(kind), TONES.index(tone)
    assert catalogue.available("collection", language)[cell] == bool(plain)
    for agreed, want in ((0, plain), (1 << CHANNELS.index("whatsapp"), over + plain)):
        found = catalogue.template_ids(channel=[channel], tone=[tone], kind=[kind], days_past_due=[DAYS[stage]],
                                       language=[language], open_channels=[agreed])  # fmt: skip
        assert found == [want[0] if plain else None]
    assert kind_of(kind.replace("_", " ").title()) == kind
    assert np.count_nonzero([one is not None for one in found]) == bool(plain)


def test_a_follow_up_reminds_of_the_promise_and_win_back_needs_no_debt():
    """An open promise stops collection, not its own follow-up; a settled debt stops both, but not win-back, which is
    for who was late; a dispute stops all three.
    """
    cured = SPOKEN["win_back"]
    told = {}, {"flags": ["promise_open"]}, cured, {**cured, "flags": ["disputed"]}, {"balance_minor": 0}
    accounts = [account(i, 10, **one) for i, one in enumerate(told)]
    contacted = {
        purpose: {row for row, _, _ in every_choice(decider(purpose=purpose), accounts)}
        for purpose in ("collection", "promise_follow_up", "win_back")
    }
    assert contacted == {"collection": {0}, "promise_follow_up": {1}, "win_back": {2}}
