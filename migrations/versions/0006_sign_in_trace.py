"""failed sign-ins are counted"""

import sqlalchemy as sa
from alembic import op

revision = "sign_in_trace"
down_revision = "job_turns"
branch_labels = None
depends_on = None

APP_ROLE = "tuneloop_app"


def upgrade() -> None:
    op.create_table(
        "sign_in_trace",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False, index=True),
        sa.UniqueConstraint("subject"),
    )
    op.execute(f"grant select, insert, update, delete on sign_in_trace to {APP_ROLE}")


def downgrade() -> None:
    op.drop_table("sign_in_trace")
