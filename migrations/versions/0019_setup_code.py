"""an agency is set up on a page, with a code that works once"""

import sqlalchemy as sa
from alembic import op

from tuneloop.kit.migration_operations import APP_ROLE

revision = "setup_code"
down_revision = "version_origin"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "setup_code",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("code_hash", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("code_hash"),
    )
    op.execute(f"grant select, insert, update, delete on setup_code to {APP_ROLE}")


def downgrade() -> None:
    op.drop_table("setup_code")
