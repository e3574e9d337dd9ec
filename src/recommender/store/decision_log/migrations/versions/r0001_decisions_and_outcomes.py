"""Decisions, what they share (provenances) and their outcomes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the three tables."""
    instant = sa.DateTime(timezone=True)
    op.create_table(
        "provenances",
        sa.Column("provenance_digest", sa.String(64), nullable=False),
        sa.Column("policy_version", sa.String(128), nullable=False),
        sa.Column("model_digest", sa.String(128)),
        sa.Column("action_space", sa.JSON(), nullable=False),
        sa.Column("action_space_digest", sa.String(64), nullable=False),
        sa.Column("rule_packs", sa.JSON(), nullable=False),
        sa.Column("holidays_version", sa.String(64)),
        sa.Column("tzdata_version", sa.String(64)),
        sa.Column("code_version", sa.String(128)),
        sa.PrimaryKeyConstraint("provenance_digest", name="pk_provenances"),
    )
    op.create_table(
        "decisions",
        sa.Column("decision_id", sa.String(128), nullable=False),
        sa.Column("request_key", sa.String(128)),
        sa.Column("request_position", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(128), nullable=False),
        sa.Column("debtor_id", sa.String(128), nullable=False),
        sa.Column("decided_at", instant, nullable=False),
        sa.Column("contact_at", instant),
        sa.Column("action", sa.Integer(), nullable=False),
        sa.Column("action_factors", sa.JSON(), nullable=False),
        sa.Column("propensity", sa.Double(), nullable=False),
        sa.Column("eligible", sa.LargeBinary(), nullable=False),
        sa.Column("ranking", sa.JSON(), nullable=False),
        sa.Column("context", sa.JSON(), nullable=False),
        sa.Column("fallback", sa.Boolean(), nullable=False),
        sa.Column("deterministic", sa.Boolean(), nullable=False),
        sa.Column("seed", sa.BigInteger()),
        sa.Column("shadow_action", sa.Integer()),
        sa.Column("shadow_expected_reward", sa.Double()),
        sa.Column("shadow_policy_version", sa.String(128)),
        sa.Column("provenance_digest", sa.String(64), nullable=False),
        sa.Column("content_digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", name="pk_decisions"),
        sa.ForeignKeyConstraint(
            ["provenance_digest"], ["provenances.provenance_digest"], name="fk_decisions_provenance_digest"
        ),
    )
    op.create_table(
        "outcomes",
        sa.Column("outcome_id", sa.String(128), nullable=False),
        sa.Column("decision_id", sa.String(128), nullable=False),
        sa.Column("occurred_at", instant, nullable=False),
        sa.Column("outcome", sa.String(32), nullable=False),
        sa.Column("amount_minor", sa.BigInteger()),
        sa.Column("currency", sa.String(3)),
        sa.Column("content_digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("outcome_id", name="pk_outcomes"),
    )
    for table, columns in _INDEXES:
        op.create_index(f"ix_{table}_{'_'.join(columns)}", table, list(columns))


def downgrade() -> None:
    """Drop them."""
    for table in ("outcomes", "decisions", "provenances"):
        op.drop_table(table)


_INDEXES = (
    ("decisions", ("request_key",)),
    ("decisions", ("account_id",)),
    ("decisions", ("debtor_id",)),
    ("decisions", ("decided_at", "decision_id")),
    ("outcomes", ("decision_id",)),
    ("outcomes", ("occurred_at",)),
)
