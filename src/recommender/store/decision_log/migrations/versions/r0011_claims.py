"""How many requests claim an Idempotency-Key; digest of the decision, and purpose, of what was kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; a key that was claimed before is claimed once, and of what was kept no decision is known."""
    op.add_column("idempotency_keys", sa.Column("claims", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("kept_states", sa.Column("source", sa.String(64)))
    op.add_column("kept_states", sa.Column("purpose", sa.String(32)))
    op.create_index("ix_kept_states_source", "kept_states", ["source"])


def downgrade() -> None:
    """Drop them: a late outcome of a decision that retention deleted is an orphan again."""
    op.drop_index("ix_kept_states_source", table_name="kept_states")
    op.drop_column("kept_states", "purpose")
    op.drop_column("kept_states", "source")
    op.drop_column("idempotency_keys", "claims")
