"""Rate limits that the workers share: how many requests of a caller were let in, window by window."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the counters."""
    op.create_table(
        "rate_counters",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("window", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", "window", name="pk_rate_counters"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("rate_counters")
