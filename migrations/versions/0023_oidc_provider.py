"""agencies sign people in through a provider of their own"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from tuneloop.kit.migration_operations import confine_to_agency

revision = "oidc_provider"
down_revision = "base_chat"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "oidc_provider",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("groups_claim", sa.Text(), nullable=False),
        sa.Column("roles", postgresql.JSONB(), nullable=False),
        sa.Column("only", sa.Boolean(), nullable=False),
        sa.Column("emergency_id", sa.Uuid(), sa.ForeignKey("person.id")),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("agency_id"),
    )
    confine_to_agency("oidc_provider")
    op.add_column("membership", sa.Column("oidc_subject", sa.Text()))
    by_provider = sa.Column("by_provider", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("web_session", by_provider)


def downgrade() -> None:
    op.drop_column("web_session", "by_provider")
    op.drop_column("membership", "oidc_subject")
    op.drop_table("oidc_provider")
