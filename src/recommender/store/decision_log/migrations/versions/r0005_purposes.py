"""Purposes: what a decision is for; a debtor may be thanked and reminded at one moment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the purpose; null is collection, which is all there was."""
    op.add_column("decisions", sa.Column("purpose", sa.String(32)))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("decisions", "purpose")
