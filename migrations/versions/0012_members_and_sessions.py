"""members can be deactivated, and see where they are signed in"""

import sqlalchemy as sa
from alembic import op

from tuneloop.kit.migration_operations import confine_to_agency

revision = "members_and_sessions"
down_revision = "key_limits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inactive_member",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("agency_id", sa.Uuid(), sa.ForeignKey("agency.id"), nullable=False, index=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("member_client_id", sa.Uuid(), sa.ForeignKey("client.id")),
        sa.Column("member_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deactivated_by", sa.Text(), nullable=False),
        sa.Column("deactivated_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("agency_id", "user_id"),
    )
    confine_to_agency("inactive_member")
    op.add_column("membership", sa.Column("last_sign_in_at", sa.DateTime(timezone=True)))
    op.add_column("membership", sa.Column("password_after", sa.DateTime(timezone=True)))
    for column in ("device", "address"):
        op.add_column("web_session", sa.Column(column, sa.Text(), nullable=False, server_default=""))
        op.alter_column("web_session", column, server_default=None)
    used = sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
    op.add_column("web_session", used)
    op.alter_column("web_session", "last_used_at", server_default=None)


def downgrade() -> None:
    for column in ("last_used_at", "address", "device"):
        op.drop_column("web_session", column)
    for column in ("password_after", "last_sign_in_at"):
        op.drop_column("membership", column)
    op.drop_table("inactive_member")
