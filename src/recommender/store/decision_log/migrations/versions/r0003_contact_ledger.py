"""The contact ledger: what became of each planned contact, and one live claim for each (request key, account)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the claims; corrections of outcomes name what they replace."""
    op.create_table(
        "contact_events",
        sa.Column("event_id", sa.String(128), nullable=False),
        sa.Column("decision_id", sa.String(128), nullable=False),
        sa.Column("debtor_id", sa.String(128), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("channel", sa.String(32)),
        sa.Column("reason", sa.String(64)),
        sa.Column("propensity", sa.Double()),
        sa.Column("content_digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name="pk_contact_events"),
    )
    for columns in (("decision_id",), ("debtor_id",)):
        op.create_index(f"ix_contact_events_{columns[0]}", "contact_events", list(columns))
    op.create_table(
        "heartbeats",
        sa.Column("worker", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("worker", name="pk_heartbeats"),
    )
    op.create_index("ux_decisions_request_key_account_id", "decisions", ["request_key", "account_id"], unique=True)
    op.create_index("ix_decisions_debtor_id_decided_at", "decisions", ["debtor_id", "decided_at"])
    op.add_column("outcomes", sa.Column("replaces", sa.String(128)))
    op.create_index("ix_outcomes_replaces", "outcomes", ["replaces"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_outcomes_replaces", "outcomes")
    op.drop_column("outcomes", "replaces")
    op.drop_index("ix_decisions_debtor_id_decided_at", "decisions")
    op.drop_index("ux_decisions_request_key_account_id", "decisions")
    op.drop_table("heartbeats")
    op.drop_table("contact_events")
