"""A portfolio read once: facts, history, instants and law of each account, judged part by part."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.local_time import as_utc_us, is_timezone, local_time, next_occurrence, utc_us
from recommender.rules.contact_history import ContactHistory
from recommender.rules.evaluation import Law, Verdict, evaluate, rows_by_place, with_place
from recommender.rules.facts import Facts, facts_from_frame, owner_codes, texts
from recommender.rules.loading import RuleBook, check_in_force, check_readings, parse_pack, rule_books
from recommender.rules.next_instant import NEVER, next_allowed
from recommender.rules.preferences import preference_overlay
from recommender.rules.provenance import Provenance, provenance_of
from recommender.rules.schema import Pack
from recommender.rules.trade import tones_allowed
from recommender.rules.vocabulary import CHANNELS, PURPOSES, TONES

__all__ = ["Catalogue", "Portfolio", "action_cells", "tone_and_template"]

_CHUNK_ROWS = 65_536


class Catalogue(Protocol):
    """What the guardrails ask of a message catalogue."""

    def available(self, purpose: str, language: str | None) -> NDArray[np.bool_]:
        """Whether there is an approved template, shape (n_stages, n_channels, n_tones)."""

    def stage_of(self, days_past_due: NDArray[np.int64]) -> NDArray[np.int64]:
        """Stage of the trade by days past due."""


@dataclass
class Portfolio:
    """Everything that judging rows of a portfolio needs."""

    actions: ActionSpace
    facts: Facts
    history: ContactHistory
    instant_us: NDArray[np.int64]
    missing: NDArray[np.bool_]
    laws: list[Law]
    law_of: NDArray[np.int64]
    catalogue: Catalogue | None
    languages: NDArray[np.int64]
    language_names: list[str | None]
    all_packs: list[Pack]
    readings: tuple[str, ...]
    as_of_us: int
    unmatched: int
    #: Row by row, when the decision was made; None where all are made at one instant and all contacts are known.
    starts_us: NDArray[np.int64] | None

    @classmethod
    def read(
        cls,
        accounts: pd.DataFrame,
        actions: ActionSpace,
        as_of: datetime | pd.Series | NDArray[np.datetime64],
        packs: Sequence[str] | None,
        contacts: pd.DataFrame | None,
        contact_at: NDArray[np.datetime64] | None,
        purpose: str,
        catalogue: Catalogue | None,
        overlays: Sequence[Pack | Mapping[str, Any] | str],
        readings: Sequence[str],
    ) -> Portfolio:
        """Read tables and packs; the arguments are those of ``eligibility``."""
        if "channel" not in actions.factors:
            raise InvalidInput.missing_columns(["channel"], list(actions.factors), role="action factor of the rules")
        if purpose not in PURPOSES:
            raise InvalidInput.in_column(
                "purpose", "is not known", values=[purpose], mend=f"Known purposes are {', '.join(PURPOSES)}."
            )
        if isinstance(packs, str):
            packs = [packs]
        n = len(accounts)
        starts = np.full(n, as_utc_us(as_of), dtype=np.int64) if isinstance(as_of, datetime) else utc_us(as_of, "as_of")
        facts = facts_from_frame(accounts, contacts_known=contacts is not None)
        extra = [item if isinstance(item, Pack) else parse_pack(item) for item in overlays]
        books, book_of = _books(accounts, packs, extra)
        loose = check_readings(readings, extra)
        laws = [Law.compile(chosen, purpose, loose) for chosen in books]
        every = list({pack.id: pack for chosen in books for book in chosen for pack in book.packs}.values())
        latest = int(starts.max()) if n else 0
        check_in_force(every, datetime.fromtimestamp(latest / 1e6, UTC).date())
        history, unmatched = _history(accounts, facts, contacts, starts)
        instants, missing = _instants(accounts, actions, as_of, starts, contact_at, laws, book_of)
        language = accounts["language"] if "language" in accounts else pd.Series([None] * n, dtype=object)
        codes, names = pd.factorize(language.astype(object))
        return cls(
            actions, facts, history, instants, missing, laws, book_of, catalogue,
            np.where(codes < 0, len(names), codes), [*map(str, names), None], every, tuple(readings), latest, unmatched,
            None if isinstance(as_of, datetime) else starts,
        )  # fmt: skip

    def parts(self) -> Iterator[tuple[NDArray[np.int64], Law]]:
        """Rows that share place and law, in chunks that keep memory flat."""
        for rows in rows_by_place(self.facts):
            for code in np.unique(self.law_of[rows]).tolist():
                chosen = rows[self.law_of[rows] == code]
                for start in range(0, len(chosen), _CHUNK_ROWS):
                    yield chosen[start : start + _CHUNK_ROWS], self.laws[code]

    def judge(self, rows: NDArray[np.int64], law: Law, *, keep: bool = False) -> Verdict:
        """Judge rows that share place and law."""
        instants, missing = self.instant_us[rows], self.missing[rows]
        if len(rows) > 1 and (instants == instants[0]).all():
            instants, missing = instants[:1], missing[:1]
        return evaluate(
            law,
            with_place(self.facts, rows),
            self.history,
            instants,
            missing=missing,
            weights=self.weights(),
            before_us=None if self.starts_us is None else self.starts_us[rows],
            keep=keep,
        )

    def weights(self) -> NDArray[np.int64]:
        """Contact actions that one (instant, channel) cell stands for."""
        channel = self.actions.factors["channel"]
        hours = len(self.actions.factors.get("hour", (0,)))
        each = self.actions.n_contact_actions // (len(channel) * hours)
        return np.array([each if name in channel else 0 for name in CHANNELS], dtype=np.int64)

    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Instant, channel and tone position of each contact action; see :func:`action_cells`."""
        return action_cells(self.actions)

    def spread(self, rows: NDArray[np.int64], verdict: Verdict, law: Law) -> NDArray[np.bool_]:
        """From (rows, instants, channels) to (rows, actions), with tones and templates."""
        hour, channel, tone = self.cells()
        n, k, n_channels = verdict.allowed.shape
        mask = np.zeros((n, len(self.actions)), dtype=bool)
        flat = verdict.allowed.reshape(n, k * n_channels)
        contact = flat[:, hour * n_channels + np.maximum(channel, 0)]
        unknown = int((channel < 0).sum()) * n
        if unknown:
            verdict.removed["input"] = verdict.removed.get("input", 0) + unknown
            contact &= channel >= 0
        for name, allowed in self.tone_and_template(rows, law).items():
            fits = allowed(hour, channel, tone)
            if not fits.all():
                verdict.removed[name] = verdict.removed.get(name, 0) + int(fits.size - np.count_nonzero(fits))
                contact &= fits
        mask[:, : self.actions.n_contact_actions] = contact
        return mask

    def tone_and_template(self, rows: NDArray[np.int64], law: Law) -> dict[str, Callable[..., NDArray[np.bool_]]]:
        """Tests of tone and template, each from action cells to (rows, actions)."""
        late = self.days_past_due(rows, law)
        return tone_and_template(self.actions, law, late, self.catalogue, self.languages[rows], self.language_names)

    def days_past_due(self, rows: NDArray[np.int64], law: Law) -> NDArray[np.int64]:
        """Local days past due at each instant, shape (rows, k)."""
        zone = self.facts.places[int(self.facts.place_key[rows[0]])][0] or next(iter(law.zones), "UTC")
        late: NDArray[np.int64] = local_time(self.instant_us[rows], zone).day - self.facts.due_day[rows][:, None]
        return late

    def rules(self, row: int, action: int) -> tuple[str, ...]:
        """Ids of the rules that remove an action of a row."""
        if action == self.actions.no_contact_index:
            return ()
        hour, channel, tone = (part[action : action + 1] for part in self.cells())
        rows, law = np.array([row]), self.laws[self.law_of[row]]
        if channel[0] < 0:
            return ("input",)
        verdict = self.judge(rows, law, keep=True)
        failing = [name for name, cells in verdict.failing.items() if cells[0, hour[0], channel[0]]]
        tests = self.tone_and_template(rows, law)
        return (*failing, *(name for name, test in tests.items() if not test(hour, channel, tone)[0, 0]))

    def removed(self, row: int) -> dict[str, NDArray[np.bool_]]:
        """Which contact actions of a row each rule removes, each of shape (n_contact_actions,)."""
        hour, channel, tone = self.cells()
        rows, law = np.array([row]), self.laws[self.law_of[row]]
        verdict = self.judge(rows, law, keep=True)
        found = {name: cells[0, hour, np.maximum(channel, 0)] for name, cells in verdict.failing.items()}
        for name, test in self.tone_and_template(rows, law).items():
            found[name] = ~test(hour, channel, tone)[0]
        found["input"] = (channel < 0) | found.get("input", np.zeros(len(channel), dtype=bool))
        return {name: actions for name, actions in found.items() if actions.any()}

    def next_allowed_at(self, row: int, action: int) -> datetime | None:
        """Earliest instant at which the channel of an action is allowed."""
        hour, channel, _ = (int(part[action]) for part in self.cells())
        law = self.laws[self.law_of[row]]
        if channel < 0:
            return None
        facts = with_place(self.facts, np.array([row]))
        found = next_allowed(law, facts, self.history, self.instant_us[row, hour : hour + 1], np.array([channel]))
        if found[0] == NEVER:
            return None
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(found[0]))

    def contact_at(self) -> NDArray[np.datetime64]:
        """UTC instants of the hours, ``NaT`` where the day lacks one."""
        instants = self.instant_us.astype("datetime64[us]")
        instants[self.missing] = np.datetime64("NaT")
        return np.asarray(instants, dtype="datetime64[us]")

    def provenance(self) -> Provenance:
        """What the verdicts rest on."""
        on = datetime.fromtimestamp(self.as_of_us / 1e6, UTC).date()
        return provenance_of(self.all_packs, on, readings=self.readings, unmatched_contacts=self.unmatched)


def action_cells(space: ActionSpace) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Instant, channel and tone position of each contact action; -1 for a channel or tone nobody knows."""
    codes = space.codes[: space.n_contact_actions]
    names = list(space.factors)

    def positions(factor: str, known: Sequence[str]) -> NDArray[np.int64]:
        table = np.array([known.index(str(v)) if v in known else -1 for v in space.factors[factor]])
        return table[codes[:, names.index(factor)]]

    hour = codes[:, names.index("hour")] if "hour" in names else np.zeros(len(codes), dtype=np.int64)
    tone = positions("tone", TONES) if "tone" in names else np.full(len(codes), -1)
    return hour, positions("channel", CHANNELS), tone


def tone_and_template(
    space: ActionSpace,
    law: Law,
    late: NDArray[np.int64],
    catalogue: Catalogue | None,
    languages: NDArray[np.int64],
    language_names: Sequence[str | None],
) -> dict[str, Callable[..., NDArray[np.bool_]]]:
    """Tests of tone and template of rows that are ``late`` (rows, instants) days past due.

    Each goes from action cells (see :func:`action_cells`) to (rows, actions).
    """
    tests: dict[str, Callable[..., NDArray[np.bool_]]] = {}
    if "tone" in space.factors:
        for name, allowed in tones_allowed(law, late).items():  # (rows, k, tones)
            tests[name] = partial(_fits_tone, allowed)
    if catalogue is not None:
        stage = catalogue.stage_of(late)
        tables = np.stack([catalogue.available(law.purpose, name) for name in language_names])
        language = languages[:, None]

        def has_template(
            hour: NDArray[np.int64], channel: NDArray[np.int64], tone: NDArray[np.int64]
        ) -> NDArray[np.bool_]:
            if "tone" not in space.factors:
                toneless: NDArray[np.bool_] = np.logical_or.reduce(tables, axis=3)
                return np.asarray(toneless[language, stage[:, hour], channel])
            there: NDArray[np.bool_] = tables[language, stage[:, hour], channel, tone]
            return there & (tone >= 0)

        tests["no-template"] = has_template
    return tests


def _fits_tone(
    allowed: NDArray[np.bool_], hour: NDArray[np.int64], _channel: NDArray[np.int64], tone: NDArray[np.int64]
) -> NDArray[np.bool_]:
    return np.asarray(allowed[:, hour, np.maximum(tone, 0)] & (tone >= 0))


def _books(
    accounts: pd.DataFrame, packs: Sequence[str] | None, overlays: Sequence[Pack]
) -> tuple[list[tuple[RuleBook, ...]], NDArray[np.int64]]:
    """Distinct sets of books and the position of each account's."""
    wishes = _wishes(accounts)
    if packs is not None:
        asked = pd.Series([";".join(packs)] * len(accounts), dtype=object)
    elif "packs" in accounts:
        asked = accounts["packs"].reset_index(drop=True).astype(object).map(_joined)
    else:
        raise InvalidInput.missing_columns(["packs"], list(accounts), role="rule packs, as packs= was not given")
    codes, keys = pd.factorize(pd.MultiIndex.from_arrays([asked, wishes]) if len(accounts) else pd.Index([]))
    books = []
    for names, wish in keys:
        own = (preference_overlay(wish),) if wish else ()
        books.append(rule_books([part.strip() for part in names.split(";") if part.strip()], (*overlays, *own)))
    return books, codes.astype(np.int64)


def _joined(value: object) -> str:
    if isinstance(value, str):
        return value
    return ";".join(map(str, value)) if isinstance(value, Iterable) else ""


def _wishes(accounts: pd.DataFrame) -> pd.Series:
    """Preferences of each account as JSON text, empty where there are none."""
    if "preferences" not in accounts:
        return pd.Series([""] * len(accounts), dtype=object)
    column = accounts["preferences"].reset_index(drop=True).astype(object)
    return column.map(
        lambda wish: (
            wish if isinstance(wish, str) else json.dumps(wish, sort_keys=True) if isinstance(wish, dict) else ""
        )
    )


def _history(
    accounts: pd.DataFrame, facts: Facts, contacts: pd.DataFrame | None, starts: NDArray[np.int64]
) -> tuple[ContactHistory, int]:
    """Contacts under the owner codes of the accounts, and how many belong to nobody in the table."""
    frame = pd.DataFrame({"account_id": [], "sent_at": []}) if contacts is None else contacts
    for name in ("account_id", "sent_at"):
        if name not in frame:
            raise InvalidInput.missing_columns([name], list(frame), role="contact history")
    n = len(accounts)
    both_accounts = pd.concat([_ids(accounts, "account_id"), _ids(frame, "account_id")], ignore_index=True)
    both_debtors = pd.concat([_ids(accounts, "debtor_id"), _ids(frame, "debtor_id")], ignore_index=True)
    _, account = owner_codes(both_debtors, both_accounts)
    # The accounts table says whose an account is; a contact's own debtor_id serves where its account is not there.
    of_account = pd.Series(facts.debtor, index=account[:n])
    of_account = of_account[(of_account.index >= 0) & ~of_account.index.duplicated()]
    named = accounts["debtor_id"].map(str, na_action="ignore") if "debtor_id" in accounts else None
    of_name = (
        pd.Series(dtype=np.int64)
        if named is None
        else pd.Series(facts.debtor, index=named.to_numpy()).pipe(lambda s: s[s.index.notna() & ~s.index.duplicated()])
    )
    debtor = pd.Series(account[n:]).map(of_account)
    debtor = debtor.fillna(both_debtors.iloc[n:].reset_index(drop=True).map(of_name))
    matched = debtor.notna().to_numpy()
    kept = frame.reset_index(drop=True)[matched]
    instants = utc_us(kept["sent_at"], "sent_at") if len(kept) else np.empty(0, dtype=np.int64)
    same = facts.account == account[:n]
    account_code = account[n:][matched]
    assert same.all() or not n  # noqa: S101 - both factorise the accounts first, in order
    return (
        ContactHistory.build(
            debtor=debtor[matched].to_numpy(dtype=np.int64),
            account=account_code,
            instant_us=instants,
            frame=kept,
            as_of_us=int(starts.min()) if n else 0,
        ),
        int((~matched).sum()),
    )


def _ids(frame: pd.DataFrame, name: str) -> pd.Series:
    return texts(frame[name]) if name in frame else pd.Series([None] * len(frame), dtype=object)


def _instants(
    accounts: pd.DataFrame,
    actions: ActionSpace,
    as_of: datetime | pd.Series | NDArray[np.datetime64],
    starts: NDArray[np.int64],
    contact_at: NDArray[np.datetime64] | None,
    laws: list[Law],
    law_of: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Instants of contact, shape (n_accounts, n_hours or 1), and where the debtor's day lacks the hour."""
    hours = actions.factors.get("hour")
    if contact_at is not None:
        found = np.asarray(contact_at, dtype="datetime64[us]")
        wanted = (len(accounts), 1 if hours is None else len(hours))
        if found.shape not in (wanted, (len(accounts), 1)):
            raise InvalidInput(
                f"contact_at has shape {found.shape}, expected {wanted}.",
                column="contact_at",
                mend="Give one instant an hour.",
            )
        found = np.broadcast_to(found, wanted)
    elif hours is None:
        found = starts[:, None].astype("datetime64[us]")
    else:
        zones = (
            accounts["timezone"].reset_index(drop=True)
            if "timezone" in accounts
            else pd.Series([None] * len(accounts), dtype=object)
        )
        zones = zones.astype(object)
        fallback = pd.Series([next(iter(law.zones), "UTC") for law in laws], dtype=object)
        valid = zones.isin([name for name in zones.dropna().unique() if is_timezone(name)])
        zones = zones.where(valid, pd.Series(fallback.to_numpy()[law_of], dtype=object))
        found = next_occurrence([int(hour) for hour in hours], as_of, zones)
    missing = np.isnat(found)
    safe = np.where(missing, starts[:, None].astype("datetime64[us]"), found)
    return safe.astype(np.int64), missing
