"""the tokenizer of each base, by which examples are measured when they come and when a retrain is proposed"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

APP_ROLE = "tuneloop_app"


def upgrade() -> None:
    op.create_table(
        "base_tokenizer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("base_id", sa.Uuid(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["base_id"], ["base_model.id"], name=op.f("fk_base_tokenizer_base_id_base_model"), ondelete="cascade"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_base_tokenizer")),
        sa.UniqueConstraint("base_id", name=op.f("uq_base_tokenizer_base_id")),
    )
    op.execute(f"grant select, insert, update, delete on base_tokenizer to {APP_ROLE}")


def downgrade() -> None:
    op.drop_table("base_tokenizer")
