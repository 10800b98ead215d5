"""people have a second factor, and agencies may ask for it"""

import sqlalchemy as sa
from alembic import op

from tuneloop.kit.migration_operations import APP_ROLE

revision = "second_factor"
down_revision = "setup_code"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What guards forms is derived from the session's token from now on; the release before finds a hash of it."""
    op.create_table(
        "second_factor",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("person.id"), nullable=False),
        sa.Column("sealed_secret", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True)),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.UniqueConstraint("user_id"),
    )
    op.create_table(
        "recovery_code",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("person.id"), nullable=False, index=True),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("code_hash"),
    )
    op.execute(f"grant select, insert, update, delete on second_factor, recovery_code to {APP_ROLE}")
    op.add_column(
        "agency", sa.Column("second_factor_required", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("membership", sa.Column("second_factor_reset_at", sa.DateTime(timezone=True)))
    op.add_column("web_session", sa.Column("second_factor_at", sa.DateTime(timezone=True)))
    op.execute("update web_session set csrf_token = encode(sha256(convert_to(csrf_token, 'UTF8')), 'hex')")


def downgrade() -> None:
    op.drop_column("web_session", "second_factor_at")
    op.drop_column("membership", "second_factor_reset_at")
    op.drop_column("agency", "second_factor_required")
    for table in ("recovery_code", "second_factor"):
        op.drop_table(table)
