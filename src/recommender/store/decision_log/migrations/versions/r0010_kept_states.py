"""What still acts of decisions that retention deleted; bodies of an Idempotency-Key; fewer indexes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
_CLAIMS = "ux_decisions_request_key_account_id"


def upgrade() -> None:
    """Add the tables; drop indexes that are beginnings of others, and claims of requests that name no key."""
    op.drop_index("ix_decisions_request_key", table_name="decisions")
    op.drop_index("ix_decisions_debtor_id", table_name="decisions")
    op.drop_index(_CLAIMS, table_name="decisions")
    keyed = sa.text("request_key IS NOT NULL")
    columns = ["request_key", "account_id"]
    op.create_index(_CLAIMS, "decisions", columns, unique=True, sqlite_where=keyed, postgresql_where=keyed)
    op.create_table(
        "kept_states",
        sa.Column("state_id", sa.String(128), nullable=False),
        sa.Column("account_id", sa.String(128), nullable=False),
        sa.Column("debtor_id", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("channel", sa.String(32)),
        sa.Column("outcome", sa.String(32)),
        sa.Column("promise_date", sa.Date()),
        sa.Column("callback_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("state_id", name="pk_kept_states"),
    )
    op.create_index("ix_kept_states_account_id", "kept_states", ["account_id"])
    op.create_index("ix_kept_states_debtor_id", "kept_states", ["debtor_id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("key_digest", sa.String(64), nullable=False),
        sa.Column("body_digest", sa.String(64), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_digest", name="pk_idempotency_keys"),
    )


def downgrade() -> None:
    """Drop them: what retention deleted acts no longer."""
    op.drop_table("idempotency_keys")
    op.drop_index("ix_kept_states_debtor_id", table_name="kept_states")
    op.drop_index("ix_kept_states_account_id", table_name="kept_states")
    op.drop_table("kept_states")
    op.drop_index(_CLAIMS, table_name="decisions")
    op.create_index(_CLAIMS, "decisions", ["request_key", "account_id"], unique=True)
    op.create_index("ix_decisions_debtor_id", "decisions", ["debtor_id"])
    op.create_index("ix_decisions_request_key", "decisions", ["request_key"])
