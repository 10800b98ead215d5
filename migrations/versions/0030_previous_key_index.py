"""API keys by the secret before the present one"""

from tuneloop.kit.migration_operations import create_index_concurrently, drop_index_concurrently

revision = "previous_key_index"
down_revision = "recording"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_concurrently("ix_api_key_previous_hash", "api_key", ["previous_hash"])


def downgrade() -> None:
    drop_index_concurrently("ix_api_key_previous_hash")
