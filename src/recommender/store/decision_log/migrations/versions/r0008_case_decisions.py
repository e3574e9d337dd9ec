"""What people decided about cases, found without reading every outcome."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_WORDS = "outcome IN ('contact_stopped', 'contact_resumed', 'contact_agreed', 'agreement_withdrawn')"


def upgrade() -> None:
    """Add the index."""
    op.create_index(
        "ix_outcomes_of_cases",
        "outcomes",
        ["occurred_at"],
        sqlite_where=sa.text(_WORDS),
        postgresql_where=sa.text(_WORDS),
    )


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("ix_outcomes_of_cases", table_name="outcomes")
