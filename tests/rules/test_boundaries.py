"""Every number of every rule pack, from both sides, by two readings: the engine's and the naive one's."""

from __future__ import annotations

import datetime as dt
import functools
import tomllib
from collections import Counter
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from recommender import ActionSpace
from recommender.reports import describe_pack
from recommender.rules import (
    CHANNELS,
    TONES,
    Pack,
    check_cases,
    eligibility,
    load_pack,
    pack_ids,
    pack_warnings,
    parse_pack,
)
from tests.rules import naive_law, naive_packs
from tests.rules.boundary_cases import batches, leaves, probes
from tests.rules.naive_clock import Asked
from tests.rules.probes import TICK, Probe
from tests.rules.unusual_packs import UNUSUAL

EVERY = (*pack_ids(), *UNUSUAL)
#: The law that an overlay is tried beside: hours and holidays, nothing that counts.
BESIDE = "PE"
#: Numbers that only the page of the pack repeats: no decision asks for them today.
SAID_ONLY = "incentive"
CONTACT_COLUMNS = [
    "account_id", "debtor_id", "sent_at", "channel", "initiated_by", "outcome", "status", "place", "purpose",
]  # fmt: skip


@functools.cache
def raw_pack(name: str) -> dict:
    """A pack as its file has it."""
    if name in UNUSUAL:
        return UNUSUAL[name]
    return tomllib.loads((resources.files("recommender.rules") / "packs" / f"{name}.toml").read_text("utf-8"))


def parsed(name: str) -> Pack:
    """A pack as the package has it."""
    return parse_pack(UNUSUAL[name]) if name in UNUSUAL else load_pack(name)


def setting(name: str) -> tuple[list[str], list[dict]]:
    """Packs and overlays that a pack is asked with."""
    if name in UNUSUAL:
        return [BESIDE], [UNUSUAL[name]]
    alone = "zones" in raw_pack(name).get("time", {})
    return ([name] if alone else [BESIDE, name]), []


@functools.cache
def chains(name: str) -> tuple[tuple[dict, ...], ...]:
    """Everything that holds then, each pack after what it extends."""
    packs, overlays = setting(name)
    names = dict.fromkeys(["FLOOR", *packs])
    return (*(_chain(raw_pack(one)) for one in names), *((raw,) for raw in overlays))


def _chain(pack: dict) -> tuple[dict, ...]:
    return (*(_chain(raw_pack(pack["extends"])) if "extends" in pack else ()), pack)


@functools.cache
def asked(name: str) -> list[Probe]:
    """The probes of a pack."""
    return probes(parsed(name), jurisdiction=BESIDE)


def askable(probe: Probe) -> bool:
    """Whether the engine knows the calendar of the instant; before 1901 it refuses to judge."""
    return probe.at.year > 1900


def question(probe: Probe, known_at: dt.datetime | None = None) -> Asked:
    """A probe as the oracle takes it."""
    known = probe.at if known_at is None else known_at
    return Asked(probe.account, probe.contacts, probe.at, known, probe.purpose, frozenset(probe.readings))


@functools.cache
def readings_of_the_oracle(name: str) -> list[dict[str, set[str]]]:
    """Rules that forbid each channel, for each probe."""
    return [naive_packs.failing(question(probe), chains(name)) for probe in asked(name)]


def lies_ahead(probe: Probe) -> bool:
    """Whether some contact's standing depends on when the question is asked."""
    return any(contact["status"] == "planned" and contact["outcome"] is None for contact in probe.contacts or ())


@pytest.mark.parametrize("name", EVERY)
def test_every_number_of_a_pack_is_seen_from_both_sides(name):
    """No number without probes, and the probes of each stand where its rule both holds and does not."""
    pack = parsed(name)
    numbers = {leaf for leaf in leaves(pack) if leaf[0] != SAID_ONLY}
    by_leaf: dict[tuple, set[bool]] = {leaf: set() for leaf in numbers}
    for probe, rules in zip(asked(name), readings_of_the_oracle(name), strict=True):
        if probe.leaf not in by_leaf:
            continue
        holds = probe.rule in rules[probe.channel]
        if probe.leaf[0] == "tones":
            tones = naive_packs.forbidden_tones(question(probe), chains(name))
            by_leaf[probe.leaf].update({probe.rule in found for found in tones.values()})
        elif probe.leaf[0] == "needs_human":
            by_leaf[probe.leaf].add(naive_packs.needs_person(question(probe), chains(name)))
        else:
            by_leaf[probe.leaf].add(holds)
    never = {leaf for leaf, value in leaves(pack).items() if leaf[0] == "caps" and leaf[-1] == "max" and value == 0}
    assert {leaf for leaf, seen in by_leaf.items() if len(seen) < 2} == never


@pytest.mark.parametrize("name", EVERY)
def test_a_portfolio_agrees_with_the_naive_reading_at_every_number(name):
    """The mask of every channel and tone, the count of every rule, and who needs a person."""
    packs, overlays = setting(name)
    toned = any(pack.get("tones") for chain in chains(name) for pack in chain)
    space = ActionSpace({"channel": CHANNELS, "tone": TONES} if toned else {"channel": CHANNELS})
    known = dict(zip(map(id, asked(name)), readings_of_the_oracle(name), strict=True))
    for (purpose, readings), group in batches(asked(name)).items():
        for batch, contacts_known in ((group, True), (group, False)):
            batch = [probe for probe in batch if askable(probe) and (probe.contacts is not None) == contacts_known]
            if not batch:
                continue
            as_of = min(probe.at for probe in batch)
            accounts, contacts = tables(batch)
            found = eligibility(
                accounts, space, as_of=as_of, packs=packs, overlays=overlays, purpose=purpose, readings=readings,
                contacts=contacts if contacts_known else None,
                contact_at=np.array([[probe.at.replace(tzinfo=None)] for probe in batch], dtype="datetime64[us]"),
            )  # fmt: skip
            want = np.empty(found.mask.shape, dtype=bool)
            removed: Counter[str] = Counter()
            for row, probe in enumerate(batch):
                rules = known[id(probe)]
                if lies_ahead(probe):
                    rules = naive_packs.failing(question(probe, as_of), chains(name))
                of_tone = {}
                if toned and probe.account["timezone"]:
                    of_tone = naive_packs.forbidden_tones(question(probe), chains(name))
                tones = [of_tone.get(tone, set()) for tone in TONES] if toned else [set()]
                cells = [rules[channel] | tone for channel in CHANNELS for tone in tones]
                want[row] = [not cell for cell in cells]
                for cell in cells:
                    removed.update(cell)
                if probe.account["timezone"]:
                    assert found.needs_human[row] == naive_packs.needs_person(question(probe), chains(name)), probe
            wrong = np.flatnonzero((found.mask != want).any(axis=1))
            assert [batch[row] for row in wrong[:2]] == []
            assert found.counts() == dict(sorted(removed.items()))


def tables(batch: list[Probe]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The probes as accounts of different debtors."""
    accounts, contacts = [], []
    for row, probe in enumerate(batch):
        own = probe.account["account_id"]
        accounts.append(probe.account | {"account_id": own and f"{own}-{row}", "debtor_id": f"D{row}"})
        for contact in probe.contacts or ():
            about = contact["account_id"]
            contacts.append(contact | {"account_id": about and f"{about}-{row}", "debtor_id": f"D{row}"})
    frame = pd.DataFrame(contacts, columns=CONTACT_COLUMNS, dtype=object)
    return pd.DataFrame(accounts, dtype=object), frame.assign(
        sent_at=pd.to_datetime(frame["sent_at"], utc=True, format="ISO8601")
    )


def case(probe: Probe, name: str, channel: str) -> dict:
    """A probe as one line of a check."""
    return {
        "packs": setting(name)[0], "at": probe.at.isoformat(), "channel": channel, "purpose": probe.purpose,
        "account": probe.account, "contacts": None if probe.contacts is None else list(probe.contacts),
    }  # fmt: skip


@pytest.mark.parametrize("name", EVERY)
def test_a_check_names_the_rules_that_the_naive_reading_names(name):
    """One by one: the same rules, and a next instant at which, and not a tick before, contact becomes legal."""
    overlays = setting(name)[1]
    chosen: dict[tuple[str, ...], list[tuple[Probe, set[str]]]] = {}
    for probe, rules in zip(asked(name), readings_of_the_oracle(name), strict=True):
        if askable(probe):
            chosen.setdefault(probe.readings, []).append((probe, rules[probe.channel]))
    for readings, group in chosen.items():
        cases = [case(probe, name, probe.channel) for probe, _ in group]
        verdicts = list(check_cases(cases, overlays=overlays, readings=readings))
        told = [(probe, want, v) for (probe, want), v in zip(group, verdicts, strict=True) if {*v["rules"]} != want]
        assert told[:2] == []
        assert [v["allowed"] for v in verdicts] == [not want for _, want in group]
        lifted = [
            (probe, dt.datetime.fromisoformat(verdict["next_allowed_at"]))
            for (probe, want), verdict in zip(group, verdicts, strict=True)
            if want and verdict["next_allowed_at"]
        ]
        for probe, instant in lifted[:: max(1, len(lifted) // 150)]:
            for at, open_ in ((instant, True), (instant - TICK, False)):
                then = Asked(probe.account, probe.contacts, at, probe.at, probe.purpose, frozenset(probe.readings))
                assert (not naive_packs.failing(then, chains(name))[probe.channel]) == open_, (probe, at)


@pytest.mark.parametrize("name", sorted(naive_law.ZONES))
def test_both_naive_readings_are_of_one_law(name):
    """The law as it was written down by hand, country by country, agrees with the packs read in plain Python."""
    every = list(zip(asked(name), readings_of_the_oracle(name), strict=True))
    in_force = raw_pack(name)["valid_from"]
    compared = 0
    for probe, rules in every[:: max(1, len(every) // 400)]:
        account = probe.account
        if probe.at.date() <= in_force or not account["timezone"] or account["phone_timezones"] or account["place"]:
            continue  # the hand-written law knows neither the beginnings of laws, nor workplaces, nor these zones
        told = case(probe, name, probe.channel)
        assert naive_law.permits(told, frozenset(probe.readings)) == (not rules[probe.channel]), probe
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("name", EVERY)
def test_the_age_of_a_review_is_counted_to_the_day(name):
    """On the last day that a review holds nobody is warned; on the next, and ever after, the pack is named."""
    pack = parsed(name)
    last = pack.reviewed_on + dt.timedelta(days=pack.review_max_age_days)
    assert pack_warnings([pack], last) == []
    (warning,) = pack_warnings([pack], last + dt.timedelta(days=1))
    assert f"Rule pack {pack.id} " in warning


def test_numbers_that_decide_nothing_are_at_least_said():
    """The range of an offer stands on the page of its pack."""
    for name in EVERY:
        for leaf, value in leaves(parsed(name)).items():
            if leaf[0] == SAID_ONLY:
                assert f" {value:g} " in describe_pack(parsed(name)), (name, leaf)
