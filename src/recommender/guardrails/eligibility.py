"""Which actions a portfolio may be contacted with: the mask that a policy is normalised over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.errors import InvalidInput
from recommender.guardrails.contact_history import ContactHistory
from recommender.guardrails.evaluation import Law, Verdict, evaluate, rows_by_place, with_place
from recommender.guardrails.facts import Facts, facts_from_frame, owner_codes, texts
from recommender.guardrails.loading import RuleBook, check_in_force, parse_pack, rule_books
from recommender.guardrails.next_instant import NEVER, next_allowed
from recommender.guardrails.provenance import Provenance, provenance_of
from recommender.guardrails.schema import Pack
from recommender.guardrails.trade import human_needed, tones_allowed
from recommender.guardrails.vocabulary import CHANNELS, PURPOSES, TONES
from recommender.local_time import as_utc_us, local_time, next_occurrence, utc_us

__all__ = ["Catalogue", "Eligibility", "eligibility"]

_CHUNK_ROWS = 65_536


class Catalogue(Protocol):
    """What the guardrails ask of a message catalogue."""

    def available(self, purpose: str, language: str | None) -> NDArray[np.bool_]:
        """Whether there is an approved template, shape (n_stages, n_channels, n_tones)."""

    def stage_of(self, days_past_due: NDArray[np.int64]) -> NDArray[np.int64]:
        """Stage of the trade by days past due."""


@dataclass
class Eligibility:
    """What each account may be contacted with.

    Attributes
    ----------
    mask : ndarray of shape (n_accounts, n_actions), dtype bool
        ``NO_CONTACT`` is always True.
    contact_at : ndarray of shape (n_accounts, n_hours), dtype datetime64[us]
        UTC instants that the hours stand for; ``NaT`` where the debtor's day lacks the hour.
    needs_human : ndarray of shape (n_accounts,), dtype bool
        A person looks at these before anything is sent.
    provenance : Provenance
        Packs with versions and digests, versions of holidays and tz data, warnings.
    """

    mask: NDArray[np.bool_]
    contact_at: NDArray[np.datetime64]
    needs_human: NDArray[np.bool_]
    provenance: Provenance
    _removed: dict[str, int]
    _case: _Portfolio = field(repr=False)

    def counts(self) -> dict[str, int]:
        """Number of (account, action) pairs that each rule removes; a pair may count for several rules."""
        return dict(sorted(self._removed.items()))

    def rules(self, row: int, action: int) -> tuple[str, ...]:
        """Ids of every rule that removes an action of an account; empty where it is eligible."""
        return self._case.rules(row, action)

    def citations(self, row: int, action: int) -> tuple[str, ...]:
        """Law and article behind each rule that removes the action."""
        return tuple(self.provenance.citation(rule) for rule in self.rules(row, action))

    def next_allowed_at(self, row: int, action: int) -> datetime | None:
        """Earliest instant in the 60 days from the action's own at which its channel is allowed, or None."""
        return self._case.next_allowed_at(row, action)


def eligibility(
    accounts: pd.DataFrame,
    actions: ActionSpace,
    *,
    as_of: datetime | pd.Series | NDArray[np.datetime64],
    packs: Sequence[str] | None = None,
    contacts: pd.DataFrame | None = None,
    contact_at: NDArray[np.datetime64] | None = None,
    purpose: str = "collection",
    catalogue: Catalogue | None = None,
    overlays: Sequence[Pack | Mapping[str, Any] | str] = (),
    readings: Sequence[str] = (),
) -> Eligibility:
    """Judge every account x action; what is not plainly allowed is denied.

    Parameters
    ----------
    accounts : DataFrame
        Columns of the raw table ``accounts``; a missing column is a fact unknown for all, which denies.
    actions : ActionSpace
        Needs a factor ``channel``; ``hour`` and ``tone`` are used where they exist.
    as_of : datetime, or one instant an account
        Aware. Without a factor ``hour`` this is the instant of contact.
    packs : sequence of str, optional
        Pack ids that hold for all accounts; by default the column ``packs`` of ``accounts`` (lists, or text separated
        by ``;``) says so for each. An account without packs is under no known law and is denied.
    contacts : DataFrame or None
        Past and planned contacts: ``account_id``, ``sent_at``, ``channel`` and, where known, ``debtor_id``,
        ``initiated_by``, ``outcome``, ``status``. None means that nobody knows, which denies.
    contact_at : ndarray of shape (n_accounts, n_hours) or (n_accounts, 1), optional
        UTC instants of contact instead of the next occurrence of each hour.
    purpose : str, default="collection"
    catalogue : Catalogue, optional
        An action without an approved template is not eligible.
    overlays : sequence, optional
        Packs of the creditor, as :class:`Pack`, mapping or TOML text. They only tighten.
    readings : sequence of str, optional
        Ids of rules whose looser reading is used; recorded in the provenance.

    Returns
    -------
    Eligibility

    Raises
    ------
    InvalidInput
        For an action space without channel, an unknown purpose or a naive instant.
    PackError
        For unknown packs, or ones that have ended.
    """
    portfolio = _Portfolio.read(
        accounts, actions, as_of, packs, contacts, contact_at, purpose, catalogue, overlays, readings
    )
    mask = np.zeros((len(accounts), len(actions)), dtype=bool)
    removed: dict[str, int] = {}
    for rows, law in portfolio.parts():
        verdict = portfolio.judge(rows, law)
        mask[rows] = portfolio.spread(rows, verdict, law)
        for rule, count in verdict.removed.items():
            removed[rule] = removed.get(rule, 0) + count
    if actions.no_contact_index is not None:
        mask[:, actions.no_contact_index] = True
    human = np.zeros(len(accounts), dtype=bool)
    for rows, law in portfolio.parts():
        human[rows] = human_needed(law, portfolio.facts.take(rows), portfolio.first_day(rows))
    return Eligibility(mask, portfolio.contact_at(), human, portfolio.provenance(), removed, portfolio)


@dataclass
class _Portfolio:
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
    ) -> _Portfolio:
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
        laws = [Law.compile(chosen, purpose, frozenset(readings)) for chosen in books]
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
        )  # fmt: skip

    def parts(self) -> Iterator[tuple[NDArray[np.int64], Law]]:
        """Rows that share place and law, in chunks that keep memory flat."""
        for rows in rows_by_place(self.facts):
            for code in np.unique(self.law_of[rows]).tolist():
                chosen = rows[self.law_of[rows] == code]
                for start in range(0, len(chosen), _CHUNK_ROWS):
                    yield chosen[start : start + _CHUNK_ROWS], self.laws[code]

    def judge(self, rows: NDArray[np.int64], law: Law, *, keep: bool = False) -> Verdict:
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
            keep=keep,
        )

    def weights(self) -> NDArray[np.int64]:
        """Contact actions that one (instant, channel) cell stands for."""
        channel = self.actions.factors["channel"]
        hours = len(self.actions.factors.get("hour", (0,)))
        each = self.actions.n_contact_actions // (len(channel) * hours)
        return np.array([each if name in channel else 0 for name in CHANNELS], dtype=np.int64)

    def cells(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Instant, channel and tone position of each contact action; -1 for a channel or tone nobody knows."""
        space = self.actions
        codes = space.codes[: space.n_contact_actions]
        names = list(space.factors)

        def positions(factor: str, known: Sequence[str]) -> NDArray[np.int64]:
            table = np.array([known.index(str(v)) if v in known else -1 for v in space.factors[factor]])
            return table[codes[:, names.index(factor)]]

        hour = codes[:, names.index("hour")] if "hour" in names else np.zeros(len(codes), dtype=np.int64)
        tone = positions("tone", TONES) if "tone" in names else np.full(len(codes), -1)
        return hour, positions("channel", CHANNELS), tone

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
        tests: dict[str, Callable[..., NDArray[np.bool_]]] = {}
        late = self._days_past_due(rows)
        if "tone" in self.actions.factors:
            for name, allowed in tones_allowed(law, late).items():  # (rows, k, tones)
                tests[name] = lambda hour, _channel, tone, table=allowed: np.where(
                    tone >= 0, table[:, hour, np.maximum(tone, 0)], False
                )
        if self.catalogue is not None:
            catalogue = self.catalogue
            stage = catalogue.stage_of(late)
            tables = np.stack([catalogue.available(law.purpose, name) for name in self.language_names])
            language = self.languages[rows][:, None]

            def has_template(
                hour: NDArray[np.int64], channel: NDArray[np.int64], tone: NDArray[np.int64]
            ) -> NDArray[np.bool_]:
                if "tone" not in self.actions.factors:
                    return np.asarray(tables.any(axis=3)[language, stage[:, hour], channel])
                return np.asarray(tables[language, stage[:, hour], channel, tone] & (tone >= 0))

            tests["no-template"] = has_template
        return tests

    def _days_past_due(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Local days past due at each instant, shape (rows, k)."""
        zone = self.facts.places[int(self.facts.place_key[rows[0]])][0] or "UTC"
        return local_time(self.instant_us[rows], zone).day - self.facts.due_day[rows][:, None]

    def first_day(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Days past due at the first instant."""
        return self._days_past_due(rows).min(axis=1)

    def rules(self, row: int, action: int) -> tuple[str, ...]:
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

    def next_allowed_at(self, row: int, action: int) -> datetime | None:
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
        instants = self.instant_us.astype("datetime64[us]")
        instants[self.missing] = np.datetime64("NaT")
        return np.asarray(instants, dtype="datetime64[us]")

    def provenance(self) -> Provenance:
        on = datetime.fromtimestamp(self.as_of_us / 1e6, UTC).date()
        return provenance_of(self.all_packs, on, readings=self.readings, unmatched_contacts=self.unmatched)


def _books(
    accounts: pd.DataFrame, packs: Sequence[str] | None, overlays: Sequence[Pack]
) -> tuple[list[tuple[RuleBook, ...]], NDArray[np.int64]]:
    """Distinct sets of books and the position of each account's."""
    if packs is not None:
        return [rule_books(list(packs), overlays)], np.zeros(len(accounts), dtype=np.int64)
    if "packs" not in accounts:
        raise InvalidInput.missing_columns(["packs"], list(accounts), role="rule packs, as packs= was not given")
    asked = accounts["packs"].map(
        lambda value: value if isinstance(value, str) else ";".join(map(str, value)) if np.iterable(value) else ""
    )
    codes, names = pd.factorize(asked)
    sets = [[part.strip() for part in name.split(";") if part.strip()] for name in names]
    return [rule_books(chosen, overlays) for chosen in sets], codes.astype(np.int64)


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
        from recommender.local_time import is_timezone

        valid = zones.map({name: is_timezone(name) for name in zones.dropna().unique()}, na_action="ignore")
        zones = zones.where(valid.fillna(False).astype(bool), pd.Series(fallback.to_numpy()[law_of], dtype=object))
        found = next_occurrence([int(hour) for hour in hours], as_of, zones)
    missing = np.isnat(found)
    safe = np.where(missing, starts[:, None].astype("datetime64[us]"), found)
    return safe.astype(np.int64), missing
