"""A/B tests, and the arm that an answer belongs to"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

APP_ROLE = "tuneloop_app"


def confine(table: str) -> None:
    """Row-level security, as for every tenant table since 0001."""
    condition = (
        "agency_id = case current_setting('app.agency_id') when '*' then agency_id "
        "else current_setting('app.agency_id')::uuid end"
    )
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy tenant on {table} using ({condition}) with check ({condition})")
    op.execute(f"grant select, insert, update, delete on {table} to {APP_ROLE}")


def upgrade() -> None:
    op.create_table(
        "ab_test",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), nullable=False),
        sa.Column("production_version_id", sa.Uuid(), nullable=False),
        sa.Column("candidate_version_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("share", sa.Float(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("labels", sa.Integer(), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("started_from", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reading", postgresql.JSONB(), nullable=True),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_ab_test_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_ab_test_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_ab_test_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["retraining_cycle.id"], name=op.f("fk_ab_test_cycle_id_retraining_cycle")
        ),
        sa.ForeignKeyConstraint(
            ["production_version_id"],
            ["adapter_version.id"],
            name=op.f("fk_ab_test_production_version_id_adapter_version"),
        ),
        sa.ForeignKeyConstraint(
            ["candidate_version_id"],
            ["adapter_version.id"],
            name=op.f("fk_ab_test_candidate_version_id_adapter_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ab_test")),
    )
    op.create_index(op.f("ix_ab_test_agency_id"), "ab_test", ["agency_id"], unique=False)
    op.create_index(op.f("ix_ab_test_cycle_id"), "ab_test", ["cycle_id"], unique=False)
    op.create_index(
        "uq_ab_test_live",
        "ab_test",
        ["model_id"],
        unique=True,
        postgresql_where=sa.text("state in ('starting', 'running')"),
    )
    confine("ab_test")
    op.add_column("prediction", sa.Column("ab_test_id", sa.Uuid(), nullable=True))
    op.add_column("prediction", sa.Column("arm", sa.Text(), nullable=True))
    op.create_foreign_key(op.f("fk_prediction_ab_test_id_ab_test"), "prediction", "ab_test", ["ab_test_id"], ["id"])
    op.create_index(
        "ix_prediction_ab_test",
        "prediction",
        ["ab_test_id", "arm"],
        unique=False,
        postgresql_where=sa.text("ab_test_id is not null"),
    )


def downgrade() -> None:
    op.drop_index("ix_prediction_ab_test", table_name="prediction")
    op.drop_column("prediction", "arm")
    op.drop_column("prediction", "ab_test_id")
    op.drop_table("ab_test")
