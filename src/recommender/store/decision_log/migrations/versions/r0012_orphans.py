"""Digest of the decision of outcomes that came without it: an erasure finds them by it and reads no others."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from recommender.store.decision_log.late_outcomes import source_of

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_INDEX = "ix_outcomes_source"
_GIVEN = sa.text("source IS NOT NULL")
_ORPHANED = sa.text(
    "SELECT DISTINCT decision_id FROM outcomes o "
    "WHERE NOT EXISTS (SELECT 1 FROM decisions d WHERE d.decision_id = o.decision_id)"
)
_NAME = sa.text("UPDATE outcomes SET source = :source WHERE decision_id = :decision_id")


def upgrade() -> None:
    """Add the column, fill it in where the decision is not in the log, and index what is filled in."""
    op.add_column("outcomes", sa.Column("source", sa.String(64)))
    connection = op.get_bind()
    orphaned = connection.scalars(_ORPHANED).all()
    if orphaned:
        connection.execute(_NAME, [{"decision_id": one, "source": source_of(one)} for one in orphaned])
    op.create_index(_INDEX, "outcomes", ["source"], sqlite_where=_GIVEN, postgresql_where=_GIVEN)


def downgrade() -> None:
    """Drop it: an erasure reads all orphans again."""
    op.drop_index(_INDEX, table_name="outcomes")
    op.drop_column("outcomes", "source")
