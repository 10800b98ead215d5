"""a base's own chat template"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "base_chat"
down_revision = "upload"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("base_model", sa.Column("chat", postgresql.JSONB(), nullable=True))


def downgrade() -> None:
    op.drop_column("base_model", "chat")
