"""Dispatches: what was re-checked, reserved and really sent, in the order it was told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_COLUMNS = ("step", "told_at", "dispatch_id", "action", "eligible", "checks")


def upgrade() -> None:
    """Add what a dispatch says beyond its kind."""
    op.add_column("contact_events", sa.Column("step", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("contact_events", sa.Column("told_at", sa.DateTime(timezone=True)))
    op.add_column("contact_events", sa.Column("dispatch_id", sa.String(128)))
    op.add_column("contact_events", sa.Column("action", sa.Integer()))
    op.add_column("contact_events", sa.Column("eligible", sa.LargeBinary()))
    op.add_column("contact_events", sa.Column("checks", sa.JSON()))


def downgrade() -> None:
    """Drop it."""
    for name in reversed(_COLUMNS):
        op.drop_column("contact_events", name)
