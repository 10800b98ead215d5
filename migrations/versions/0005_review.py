"""review: where an item came from, who has it in hand, what became of it; use of share links"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("review_item", sa.Column("source", sa.Text(), nullable=False, server_default="reviewed"))
    op.alter_column("review_item", "source", server_default=None)
    op.add_column("review_item", sa.Column("claimed_by", sa.Text(), nullable=True))
    op.add_column("review_item", sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("review_item", sa.Column("outcome", sa.Text(), nullable=True))
    op.add_column("share_link", sa.Column("uses", sa.Integer(), nullable=False, server_default="0"))
    op.alter_column("share_link", "uses", server_default=None)
    op.add_column("share_link", sa.Column("used_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("share_link", "used_at")
    op.drop_column("share_link", "uses")
    op.drop_column("review_item", "outcome")
    op.drop_column("review_item", "claimed_until")
    op.drop_column("review_item", "claimed_by")
    op.drop_column("review_item", "source")
