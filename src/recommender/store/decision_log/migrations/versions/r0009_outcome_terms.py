"""The day that was promised and the moment that a call was asked for: a promise holds until its day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; older outcomes told neither."""
    op.add_column("outcomes", sa.Column("promise_date", sa.Date()))
    op.add_column("outcomes", sa.Column("callback_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop them: a promise holds for 14 days again, whatever day was told."""
    op.drop_column("outcomes", "callback_at")
    op.drop_column("outcomes", "promise_date")
