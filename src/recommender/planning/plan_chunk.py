"""Plan one chunk: frames in, ranked legal decisions out. The same function runs here and on every worker."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recommender.actions import ActionSpace
from recommender.deciding import debtor_rounds, decide, planned_contacts
from recommender.errors import InvalidInput
from recommender.history import context_as_of
from recommender.intake import Stated, with_states
from recommender.messages import Catalogue
from recommender.planning.plan_inputs import ChunkInputs
from recommender.planning.plan_rows import RECORD, TEXTS, plan_rows
from recommender.rules import packs_of_place
from recommender.strategy import ContactStrategy, SeedStrategy

__all__ = ["PlanOrder", "PlannedChunk", "plan_chunk", "plan_schema"]

_NOBODY_CONTACTED = ("account_id", "sent_at", "channel", "initiated_by", "outcome", "status")
_DEBTOR = "debtor_"
_MAJORITY = 0.75


@dataclass(frozen=True)
class PlanOrder:
    """What is asked of a plan, beside accounts, history and strategy.

    Attributes
    ----------
    as_of : datetime
        Aware; moment of the decisions.
    packs : tuple of str or None
        Rule packs of every account; None = those of its country, CO if it names none.
    party : str or None
        Whom the contact points belong to, where the table does not say.
    no_contacts_yet : bool
        No account was ever contacted, so an absent history denies nothing.
    top_k : int
    explore : bool
    seed : int
    stated : Stated
        What the tables do not tell about their own spelling.
    other_accounts : bool
        The contacts hold those of accounts that are not planned for, too.
    overlays : tuple of str
        Rule packs of one's own as TOML; they can only tighten.
    templates : tuple of (str, str)
        Own catalogue of messages: names of files and their TOML; empty = the packaged one.
    record : bool
        Keep what the decision log wants to know of each decision.
    """

    as_of: datetime
    packs: tuple[str, ...] | None = None
    party: str | None = None
    no_contacts_yet: bool = False
    top_k: int = 3
    explore: bool = True
    seed: int = 0
    stated: Stated = field(default_factory=Stated)
    other_accounts: bool = False
    overlays: tuple[str, ...] = ()
    templates: tuple[tuple[str, str], ...] = ()
    record: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form, part of what a resumed plan must agree on."""
        told = asdict(self) | {"as_of": self.as_of.isoformat()}
        told |= {"overlays": list(self.overlays), "templates": [list(one) for one in self.templates]}
        return told | {"packs": None if self.packs is None else list(self.packs)}

    @cached_property
    def catalogue(self) -> Catalogue | None:
        """The own catalogue; None = the packaged one."""
        return Catalogue.from_toml(dict(self.templates)) if self.templates else None


@dataclass(frozen=True)
class PlannedChunk:
    """Decisions of a chunk.

    Attributes
    ----------
    ranked : Table
        As :class:`~recommender.deciding.Decided` with ``row`` counted over the portfolio, sorted by row and rank.
    summary : dict
        ``accounts``, ``idle`` (left alone), ``removed`` (rule -> pairs) and ``notes``.
    """

    ranked: pa.Table
    summary: dict[str, Any] = field(default_factory=dict)

    def described(self) -> bytes:
        """The summary as bytes."""
        return json.dumps(self.summary, sort_keys=True).encode()


def plan_chunk(
    inputs: ChunkInputs, model: ContactStrategy | SeedStrategy, order: PlanOrder, currencies: Mapping[str, int]
) -> PlannedChunk:
    """Decide about the accounts of a chunk, a debtor's second account knowing what is planned for the first.

    Parameters
    ----------
    inputs : ChunkInputs
        All accounts of its debtors, and their history.
    model : ContactStrategy or SeedStrategy
    order : PlanOrder
    currencies : mapping of currency to number of amounts
        Over the whole portfolio.

    Returns
    -------
    PlannedChunk
    """
    frame = inputs.accounts
    if order.packs is None and "packs" not in frame.columns and "country" in frame.columns:
        frame = frame.assign(packs=_packs_by_place(frame))
    elif order.packs is not None:
        frame = frame.drop(columns="packs", errors="ignore")
    if order.party is not None and "party" not in frame.columns:
        frame = frame.assign(party=order.party)
    if isinstance(model, ContactStrategy):
        frame = _with_context(frame, inputs, model, order.as_of, currencies)
    history = pd.DataFrame(columns=list(_NOBODY_CONTACTED)) if order.no_contacts_yet else inputs.contacts
    known = None if history is None else _with_debtors(history, frame)
    frame, states = with_states(
        frame, contacts=known, outcomes=inputs.outcomes, payments=inputs.payments, as_of=order.as_of
    )
    stopped = Counter(
        name.partition(":")[0] for state in states for name in {one.partition(":")[0] for one in state.names}
    )
    turn = debtor_rounds(frame)
    parts: list[pd.DataFrame] = []
    removed: Counter[str] = Counter()
    notes: dict[str, None] = {}
    for number in range(int(turn.max()) + 1):
        place = np.flatnonzero(turn == number)
        part = frame.iloc[place].reset_index(drop=True)
        mine = known if known is None or len(place) == len(frame) else _of_debtors(known, part)
        try:
            decided = decide(
                part,
                strategy=model,
                as_of=order.as_of,
                packs=list(order.packs or ["CO"]),
                contacts=mine,
                top_k=order.top_k,
                explore=order.explore,
                seed=order.seed,
                overlays=order.overlays,
                catalogue=order.catalogue,
            )
        except InvalidInput as error:
            if error.column not in part.columns or not error.rows:
                raise
            rows = inputs.row[place][list(error.rows)]
            raise InvalidInput(
                f"{error.problem} (Counted over all accounts from 0: {', '.join(map(str, rows[:5]))}.)",
                column=error.column,
                rows=rows.tolist(),
                mend=error.mend,
            ) from error
        if known is not None and number < int(turn.max()):  # what is planned counts for the debtor's other accounts
            planned = planned_contacts(decided)
            known = pd.concat([known, pd.DataFrame(planned)], ignore_index=True) if planned else known
        told = plan_rows(decided, model, record=order.record)
        parts.append(told.assign(row=inputs.row[place][told["row"].to_numpy()]))
        removed.update({rule: count for rule, count in decided.eligibility.counts().items() if count})
        notes |= dict.fromkeys(decided.eligibility.provenance.warnings)
        if decided.missing_features:
            notes[f"features taken as missing: {', '.join(decided.missing_features)}"] = None
    ranked = pd.concat(parts, ignore_index=True).sort_values(["row", "rank"], ignore_index=True)
    first = ranked.loc[ranked["rank"] == 1]
    summary = {
        "accounts": len(frame),
        "idle": int(first[next(iter(model.actions_.factors))].isna().sum()),
        "removed": dict(sorted(removed.items())),
        "states": dict(sorted(stopped.items())),
        "notes": list(notes),
    }
    schema = plan_schema(ranked, model.actions_)
    return PlannedChunk(_arrow(ranked, schema), summary)


def plan_schema(ranked: pd.DataFrame, actions: ActionSpace) -> pa.Schema:
    """Column types of a plan: those of the action space, not of the values that a chunk happens to hold."""
    typed = ranked.head(0).copy()
    for name, levels in actions.factors.items():
        typed[name] = typed[name].astype(_level_kind(levels))
    for name in ("decision_id", "template_id", "policy", *TEXTS, *([RECORD] if RECORD in typed else [])):
        typed[name] = typed[name].astype("str")
    if typed["account"].dtype == object:
        typed["account"] = typed["account"].astype("str")
    for name in ("expected_reward", "lo", "hi", "propensity", "evidence"):
        typed[name] = typed[name].astype(np.float64)
    return _arrow(typed).schema


def _arrow(frame: pd.DataFrame, schema: pa.Schema | None = None) -> pa.Table:
    with warnings.catch_warnings():  # pyarrow asks instants for .values, which pandas 3.1 warns of
        warnings.simplefilter("ignore", DeprecationWarning)
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    # what pandas notes about its types must not hang on the values of a chunk
    return table if schema is None else table.replace_schema_metadata(schema.metadata)


def _level_kind(levels: Sequence[Any]) -> str:
    """Nullable type of a factor: NO_CONTACT has none."""
    if all(isinstance(level, bool) for level in levels):
        return "boolean"
    if all(isinstance(level, int) and not isinstance(level, bool) for level in levels):
        return "Int64"
    return "float64" if all(isinstance(level, int | float) for level in levels) else "str"


def _packs_by_place(accounts: pd.DataFrame) -> list[str]:
    """Rule packs of each account by its country and subdivision."""
    subdivision = accounts["subdivision"] if "subdivision" in accounts.columns else pd.Series(None, accounts.index)
    places = pd.MultiIndex.from_arrays([accounts["country"].astype(object), subdivision.astype(object)])
    codes, found = pd.factorize(places)
    named = [tuple(name if isinstance(name, str) else None for name in place) for place in found]
    packs = [";".join(packs_of_place(country, part, ("CO",))) for country, part in named]
    return [packs[code] for code in codes]


def _with_debtors(contacts: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Name the debtor of each contact by its account, where the accounts say so; else the contact's own holds.

    A contact that names a debtor although its account has none counts for both, whichever of the two a chunk holds.
    """
    if "debtor_id" not in accounts.columns or not len(contacts):
        return contacts
    owner = (
        accounts.assign(_key=accounts["account_id"].astype(str)).drop_duplicates("_key").set_index("_key")["debtor_id"]
    )
    account = contacts["account_id"].astype(str)
    debtor = account.map(owner)
    if "debtor_id" not in contacts.columns:
        return contacts.assign(debtor_id=debtor)
    named = contacts.assign(debtor_id=debtor.fillna(contacts["debtor_id"]))
    twice = (account.isin(owner.index) & debtor.isna() & named["debtor_id"].isin(owner.dropna())).to_numpy()
    if not twice.any():
        return named
    for_the_debtor = named.loc[twice].assign(account_id=[f"{name}\0" for name in account[twice]])
    return pd.concat([named, for_the_debtor], ignore_index=True)


def _of_debtors(contacts: pd.DataFrame, accounts: pd.DataFrame) -> pd.DataFrame:
    """Contacts of the given accounts and of their debtors' other accounts."""
    mine = _among(contacts["account_id"].astype(str), accounts["account_id"].astype(str))
    if "debtor_id" in contacts.columns and "debtor_id" in accounts.columns:
        mine |= _among(contacts["debtor_id"], accounts["debtor_id"].dropna())
    return contacts.loc[mine].reset_index(drop=True)


def _among(values: pd.Series, wanted: pd.Series) -> NDArray[np.bool_]:
    """``values.isin(wanted)``; of texts without making a Python object of each."""
    if not all(isinstance(column.dtype, pd.StringDtype) for column in (values, wanted)):
        return np.asarray(values.isin(wanted), dtype=bool)
    found = pc.is_in(pa.array(values.array), value_set=pa.array(wanted.array).cast(pa.array(values.array).type))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _with_context(
    accounts: pd.DataFrame,
    inputs: ChunkInputs,
    strategy: ContactStrategy,
    as_of: datetime,
    currencies: Mapping[str, int],
) -> pd.DataFrame:
    """Add the context that ``ingest`` derives from raw tables, as of now, where the model wants it.

    The same function made the training log, so a feature means the same in both.
    """
    missing = [str(name) for name in strategy.feature_names_in_ if name not in accounts.columns]
    contacts = inputs.contacts
    if not missing or contacts is None or not {"contact_id", "account_id"} <= set(contacts.columns):
        return accounts
    context = context_as_of(
        inputs.states,
        contacts,
        inputs.outcomes,
        inputs.payments,
        actions=strategy.actions_,
        as_of=as_of,
        account_ids=accounts["account_id"].tolist(),
        currency=_one_currency(currencies),
    )
    # Counts by debtor exist where some debtor of the chunk has several accounts; else they are those of the account.
    own = {name: name.removeprefix(_DEBTOR) for name in missing if name.startswith(_DEBTOR)}
    if inputs.states is not None and "debtor_id" in accounts.columns:
        for name, single in own.items():
            if name not in context.columns and single in context.columns:
                context[name] = context[single]
    found = [name for name in missing if name in context.columns]
    return pd.concat([accounts.reset_index(drop=True), context[found].reset_index(drop=True)], axis=1)


def _one_currency(currencies: Mapping[str, int]) -> str | None:
    if not currencies:
        return None
    main, most = max(currencies.items(), key=lambda item: (item[1], item[0]))
    if most < _MAJORITY * sum(currencies.values()):
        raise InvalidInput.in_column(
            "currency",
            "mixes currencies, and amounts of different currencies cannot be added",
            values=[f"{code}: {count:,} rows" for code, count in currencies.items()],
            mend="Score one strategy a currency.",
        )
    return main
