"""Offers made, as a state that every worker reads: filled from the decisions that made one."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_TAKEN_BACK = ("cancelled", "expired", "undelivered")
_TAKEN = ("promise_to_pay", "promise_kept", "paid", "paid_in_full")


def upgrade() -> None:
    """Create the table; what earlier decisions offered is open unless it was taken back or taken."""
    instant = sa.DateTime(timezone=True)
    table = op.create_table(
        "offers",
        sa.Column("decision_id", sa.String(128), nullable=False),
        sa.Column("account_id", sa.String(128), nullable=False),
        sa.Column("debtor_id", sa.String(128), nullable=False),
        sa.Column("offer_id", sa.String(128), nullable=False),
        sa.Column("cost_minor", sa.Double()),
        sa.Column("currency", sa.String(3)),
        sa.Column("made_at", instant, nullable=False),
        sa.Column("expires_at", instant),
        sa.Column("status", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_offers"),
    )
    op.create_index("ix_offers_account_id", "offers", ["account_id"])
    op.create_index("ix_offers_debtor_id", "offers", ["debtor_id"])
    if rows := _rows(op.get_bind()):
        op.bulk_insert(table, rows)


def _rows(connection: sa.Connection) -> list[dict[str, Any]]:
    instant, text = sa.DateTime(timezone=True), sa.String()
    decisions = sa.table(
        "decisions", sa.column("decision_id", text), sa.column("account_id", text), sa.column("debtor_id", text),
        sa.column("decided_at", instant), sa.column("contact_at", instant), sa.column("action_factors", sa.JSON()),
        sa.column("ranking", sa.JSON()),
    )  # fmt: skip
    events = sa.table(
        "contact_events", sa.column("decision_id", text), sa.column("kind", text), sa.column("step", sa.Integer())
    )
    outcomes = sa.table("outcomes", sa.column("decision_id", text), sa.column("outcome", text))
    made = sa.cast(decisions.c.action_factors, sa.String).like('%"offer"%')
    found = [
        row for row in connection.execute(sa.select(decisions).where(made))
        if (row.action_factors or {}).get("offer") not in (None, "none")
    ]  # fmt: skip
    if not found:
        return []
    changes = sa.select(events.c.decision_id, events.c.kind).where(events.c.kind != "refused").order_by(events.c.step)
    last = {row.decision_id: row.kind for row in connection.execute(changes)}
    taken = set(connection.scalars(sa.select(outcomes.c.decision_id).where(outcomes.c.outcome.in_(_TAKEN))))
    rows = []
    for row in found:
        ranking = json.loads(row.ranking) if isinstance(row.ranking, str) else row.ranking
        first = (ranking or [{}])[0]
        released = last.get(row.decision_id) in _TAKEN_BACK
        rows.append(
            {
                "decision_id": row.decision_id, "account_id": row.account_id, "debtor_id": row.debtor_id,
                "offer_id": str(row.action_factors["offer"]),
                "cost_minor": (first.get("values") or {}).get("offer_cost"), "currency": None,
                "made_at": row.contact_at or row.decided_at, "expires_at": None,
                "status": "released" if released else "accepted" if row.decision_id in taken else "open",
            }
        )  # fmt: skip
    return rows


def downgrade() -> None:
    """Drop it; the decisions still say what they offered."""
    op.drop_table("offers")
