"""when a sender's key was found in its domain"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Senders that were used until now go on being used.
    proven_at = sa.Column("proven_at", sa.DateTime(timezone=True), nullable=True, server_default=sa.func.now())
    op.add_column("mail_sender", proven_at)
    op.alter_column("mail_sender", "proven_at", server_default=None)


def downgrade() -> None:
    op.drop_column("mail_sender", "proven_at")
