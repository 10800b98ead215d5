"""jobs wait for what is away"""

import sqlalchemy as sa
from alembic import op

revision = "job_patience"
down_revision = "job_hold"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("setbacks", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("job", sa.Column("give_up_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    op.drop_column("job", "give_up_at")
    op.drop_column("job", "setbacks")
