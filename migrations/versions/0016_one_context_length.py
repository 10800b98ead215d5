"""one context length for training, evaluation and serving: that of the serving host, which was 8192 tokens for all"""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("update base_model set context_length = 8192 where context_length > 8192 and upstream_url is null")


def downgrade() -> None:
    """What the models were made for is read from their files when they are registered again."""
