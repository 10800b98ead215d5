"""job hold: names of jobs that wait until a person lets them go"""

import sqlalchemy as sa
from alembic import op

revision = "job_hold"
down_revision = "jobs_to_do"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_hold",
        sa.Column("id", sa.Uuid(), primary_key=True),
        sa.Column("jobs", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("released_at", sa.DateTime(timezone=True)),
    )
    op.execute("grant select, insert, update, delete on job_hold to tuneloop_app")


def downgrade() -> None:
    op.drop_table("job_hold")
