"""examples by the answer that they were made of"""

from tuneloop.kit.migration_operations import create_index_concurrently, drop_index_concurrently

revision = "examples_by_answer"
down_revision = "schema_floor"
branch_labels = None
depends_on = None


def upgrade() -> None:
    create_index_concurrently("ix_example_prediction_id", "example", ["prediction_id"])


def downgrade() -> None:
    drop_index_concurrently("ix_example_prediction_id")
