"""which answers a Slack message shows"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("slack_message", sa.Column("answers", postgresql.JSONB(), nullable=False, server_default="[]"))
    op.alter_column("slack_message", "answers", server_default=None)


def downgrade() -> None:
    op.drop_column("slack_message", "answers")
