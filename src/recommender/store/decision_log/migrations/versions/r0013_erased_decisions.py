"""Digests of the ids of decisions that were erased: what is told of one of them later is not kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from recommender.store.decision_log.schema import UtcInstant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_INDEX = "ix_erased_decisions_erased_at"


def upgrade() -> None:
    """Add the table; of what was erased before, no id is known any more."""
    op.create_table(
        "erased_decisions",
        sa.Column("source", sa.String(64), primary_key=True),
        sa.Column("erased_at", UtcInstant, nullable=False),
    )
    op.create_index(_INDEX, "erased_decisions", ["erased_at"])


def downgrade() -> None:
    """Drop it: an outcome of an erased decision is an orphan again."""
    op.drop_index(_INDEX, table_name="erased_decisions")
    op.drop_table("erased_decisions")
