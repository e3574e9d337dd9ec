"""Tables of the decision log, as SQLAlchemy Core metadata; the migrations build exactly these."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from recommender.errors import InvalidInput, RecommenderError
from recommender.tables import CASE_DECISIONS

__all__ = [
    "OF_CASES",
    "SCHEMA_REVISION",
    "SchemaMismatch",
    "UtcInstant",
    "contact_events",
    "decisions",
    "erased_decisions",
    "heartbeats",
    "idempotency_keys",
    "kept_states",
    "metadata",
    "offers",
    "outcomes",
    "provenances",
    "rate_counters",
    "removals",
]

SCHEMA_REVISION = "0013"


class SchemaMismatch(RecommenderError, RuntimeError):
    """The database is not at the schema revision that this code reads and writes."""


class UtcInstant(sa.types.TypeDecorator[datetime]):
    """An instant in UTC; a datetime without zone is refused, what is read back carries UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Convert to UTC; SQLite keeps no zone, so it gets the bare UTC reading."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidInput(
                f"An instant has no time zone; got {value.isoformat()}.",
                column="instant",
                mend="Attach one, e.g. datetime(..., tzinfo=timezone.utc).",
            )
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:  # noqa: ARG002
        """Attach UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _json() -> sa.JSON:
    # The text form on PostgreSQL too: jsonb rewrites numbers (1e22, -0.0), and a decision must read back as written.
    return sa.JSON(none_as_null=True)


# Named constraints, so that later migrations can address them on every database.
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# What many decisions share: one row a combination of model, rule packs, libraries and code.
provenances = sa.Table(
    "provenances",
    metadata,
    sa.Column("provenance_digest", sa.String(64), primary_key=True),
    sa.Column("policy_version", sa.String(128), nullable=False),
    sa.Column("model_digest", sa.String(128)),
    sa.Column("action_space", _json(), nullable=False),
    sa.Column("action_space_digest", sa.String(64), nullable=False),
    sa.Column("rule_packs", _json(), nullable=False),
    sa.Column("holidays_version", sa.String(64)),
    sa.Column("tzdata_version", sa.String(64)),
    sa.Column("code_version", sa.String(128)),
)

_KEYED = sa.text("request_key IS NOT NULL")

# An index costs a row as much as writing it does: of each there is the one that serves, and none of its beginnings.
decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("decision_id", sa.String(128), primary_key=True),
    sa.Column("request_key", sa.String(128)),
    sa.Column("request_position", sa.Integer, nullable=False),
    sa.Column("account_id", sa.String(128), nullable=False, index=True),
    sa.Column("debtor_id", sa.String(128), nullable=False),
    sa.Column("decided_at", UtcInstant, nullable=False),
    sa.Column("contact_at", UtcInstant),
    sa.Column("action", sa.Integer, nullable=False),
    sa.Column("action_factors", _json(), nullable=False),
    sa.Column("propensity", sa.Double, nullable=False),
    sa.Column("eligible", sa.LargeBinary, nullable=False),
    sa.Column("ranking", _json(), nullable=False),
    sa.Column("context", _json(), nullable=False),
    sa.Column("fallback", sa.Boolean, nullable=False),
    sa.Column("deterministic", sa.Boolean, nullable=False),
    sa.Column("seed", sa.BigInteger),
    sa.Column("shadow_action", sa.Integer),
    sa.Column("shadow_expected_reward", sa.Double),
    sa.Column("shadow_policy_version", sa.String(128)),
    sa.Column(
        "provenance_digest",
        sa.String(64),
        sa.ForeignKey(provenances.c.provenance_digest),
        nullable=False,
    ),
    sa.Column("content_digest", sa.String(64), nullable=False),
    sa.Column("purpose", sa.String(32)),
    sa.Index(None, "decided_at", "decision_id"),
    sa.Index(None, "debtor_id", "decided_at"),
    # Two workers that answer one request at once: the second one finds the first one's decision.
    sa.Index(
        "ux_decisions_request_key_account_id", "request_key", "account_id", unique=True,
        sqlite_where=_KEYED, postgresql_where=_KEYED,
    ),
)  # fmt: skip

# No foreign key to decisions: an outcome whose decision is unknown (yet) is kept, and found again as an orphan.
outcomes = sa.Table(
    "outcomes",
    metadata,
    sa.Column("outcome_id", sa.String(128), primary_key=True),
    sa.Column("decision_id", sa.String(128), nullable=False, index=True),
    sa.Column("occurred_at", UtcInstant, nullable=False, index=True),
    sa.Column("outcome", sa.String(32), nullable=False),
    sa.Column("amount_minor", sa.BigInteger),
    sa.Column("currency", sa.String(3)),
    sa.Column("replaces", sa.String(128), index=True),
    sa.Column("content_digest", sa.String(64), nullable=False),
    sa.Column("promise_date", sa.Date),
    sa.Column("callback_at", UtcInstant),
    sa.Column("source", sa.String(64)),
)

# Of outcomes that came when the log did not hold their decision, which are few: the digest of its id that kept states
# bear, too.
_WITHOUT_DECISION = outcomes.c.source.is_not(None)
sa.Index(None, outcomes.c.source, sqlite_where=_WITHOUT_DECISION, postgresql_where=_WITHOUT_DECISION)

# Few of millions; written out, since a partial index serves only who asks with its own words.
OF_CASES = outcomes.c.outcome.in_([sa.literal_column(f"'{word}'") for word in CASE_DECISIONS])
sa.Index("ix_outcomes_of_cases", outcomes.c.occurred_at, sqlite_where=OF_CASES, postgresql_where=OF_CASES)

# What became of each planned contact, append-only; the last step of a decision is its state.
contact_events = sa.Table(
    "contact_events",
    metadata,
    sa.Column("event_id", sa.String(128), primary_key=True),
    sa.Column("decision_id", sa.String(128), nullable=False, index=True),
    sa.Column("debtor_id", sa.String(128), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("at", UtcInstant, nullable=False),
    sa.Column("channel", sa.String(32)),
    sa.Column("reason", sa.String(64)),
    sa.Column("propensity", sa.Double),
    sa.Column("content_digest", sa.String(64), nullable=False),
    sa.Column("step", sa.Integer, nullable=False, server_default="0"),
    sa.Column("told_at", UtcInstant),
    sa.Column("dispatch_id", sa.String(128)),
    sa.Column("action", sa.Integer),
    sa.Column("eligible", sa.LargeBinary),
    sa.Column("checks", _json()),
)

# Offers that decisions made. The status is a state: what events and outcomes say of the decision, kept up with them, so
# that what may still be spent is one sum.
offers = sa.Table(
    "offers",
    metadata,
    sa.Column("decision_id", sa.String(128), primary_key=True),
    sa.Column("account_id", sa.String(128), nullable=False, index=True),
    sa.Column("debtor_id", sa.String(128), nullable=False, index=True),
    sa.Column("offer_id", sa.String(128), nullable=False),
    sa.Column("cost_minor", sa.Double),
    sa.Column("currency", sa.String(3)),
    sa.Column("made_at", UtcInstant, nullable=False),
    sa.Column("expires_at", UtcInstant),
    sa.Column("status", sa.String(16), nullable=False),
)

# What still acts of decisions that retention deleted: kind is heard (an outcome), contact (one that rules may count,
# with how far it got) or owner (whose account it is). The source is a digest of the decision's id: a late outcome, and
# an outcome of a decision that was never here, find by it whom they are about. The purpose is that of a contact.
kept_states = sa.Table(
    "kept_states",
    metadata,
    sa.Column("state_id", sa.String(128), primary_key=True),
    sa.Column("account_id", sa.String(128), nullable=False, index=True),
    sa.Column("debtor_id", sa.String(128), nullable=False, index=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("at", UtcInstant, nullable=False),
    sa.Column("channel", sa.String(32)),
    sa.Column("outcome", sa.String(32)),
    sa.Column("promise_date", sa.Date),
    sa.Column("callback_at", UtcInstant),
    sa.Column("source", sa.String(64), index=True),
    sa.Column("purpose", sa.String(32)),
)

# Digests of the ids of decisions that were erased, and of those of which retention kept nothing: what is told of one of
# them later is not kept as an orphan, which nobody could find again.
erased_decisions = sa.Table(
    "erased_decisions",
    metadata,
    sa.Column("source", sa.String(64), primary_key=True),
    sa.Column("erased_at", UtcInstant, nullable=False, index=True),
)

# Digests of the bodies that an Idempotency-Key stands for, by the digest of route and key; how many requests claim it.
idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    sa.Column("key_digest", sa.String(64), primary_key=True),
    sa.Column("body_digest", sa.String(64), nullable=False),
    sa.Column("claimed_at", UtcInstant, nullable=False),
    sa.Column("claims", sa.Integer, nullable=False, server_default="1"),
)

# One row a worker, written to show that the log can be written.
heartbeats = sa.Table(
    "heartbeats",
    metadata,
    sa.Column("worker", sa.String(64), primary_key=True),
    sa.Column("at", UtcInstant, nullable=False),
)

# Requests of a caller that were let in, by window of time; over all workers.
rate_counters = sa.Table(
    "rate_counters",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("window", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("used", sa.Integer, nullable=False),
)

# That something was removed, never about whom.
removals = sa.Table(
    "removals",
    metadata,
    sa.Column("removal_id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("removed_at", UtcInstant, nullable=False),
    sa.Column("requested_by", sa.String(128), nullable=False),
    sa.Column("decisions", sa.Integer, nullable=False),
    sa.Column("outcomes", sa.Integer, nullable=False),
)

Row = dict[str, Any]
