"""several attempts of a cycle, each with a candidate, a gate, and a diagnosis of why it was turned down"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

APP_ROLE = "tuneloop_app"
UNIQUE = {
    "candidate": ("uq_candidate_cycle_id_method_blend", ["cycle_id", "method", "blend"]),
    "disagreement_run": ("uq_disagreement_run_cycle_id", ["cycle_id"]),
    "comparison": ("uq_comparison_cycle_id_look", ["cycle_id", "look"]),
}
"""What was unique in a cycle, and now is in an attempt."""


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


def by_attempt(table: str) -> None:
    name, columns = UNIQUE[table]
    op.add_column(table, sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"))
    op.drop_constraint(op.f(name), table, type_="unique")
    wider = [columns[0], "attempt", *columns[1:]]
    op.create_unique_constraint(op.f(f"uq_{table}_{'_'.join(wider)}"), table, wider)


def upgrade() -> None:
    op.add_column("retraining_cycle", sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"))
    for table in UNIQUE:
        by_attempt(table)
    op.add_column("candidate", sa.Column("parts", postgresql.JSONB(), nullable=False, server_default="[]"))
    op.add_column("approval", sa.Column("attempt", sa.Integer(), nullable=False, server_default="1"))
    op.drop_index("uq_approval_cycle_kind", table_name="approval")
    op.create_index("uq_approval_cycle_kind", "approval", ["cycle_id", "kind", "attempt"], unique=True)
    op.add_column("review_item", sa.Column("attempt", sa.Integer(), nullable=True))
    op.add_column("review_item", sa.Column("label_of", sa.Uuid(), nullable=True))
    op.create_foreign_key(
        op.f("fk_review_item_label_of_review_item"), "review_item", "review_item", ["label_of"], ["id"]
    )
    op.execute("update review_item set attempt = 1 where purpose = 'gate'")
    op.drop_index("uq_review_item_prediction", table_name="review_item")
    op.create_index(
        "uq_review_item_prediction",
        "review_item",
        ["prediction_id", "purpose", "cycle_id", "attempt"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("prediction_id is not null"),
    )
    op.create_table(
        "cycle_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("recipe", postgresql.JSONB(), nullable=False),
        sa.Column("source_id", sa.Uuid(), nullable=True),
        sa.Column("candidate_version_id", sa.Uuid(), nullable=True),
        sa.Column("seconds", postgresql.JSONB(), nullable=False),
        sa.Column("ended", sa.Text(), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("diagnosis", postgresql.JSONB(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_cycle_attempt_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_cycle_attempt_client_id_client")),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["retraining_cycle.id"], name=op.f("fk_cycle_attempt_cycle_id_retraining_cycle")
        ),
        sa.ForeignKeyConstraint(["source_id"], ["candidate.id"], name=op.f("fk_cycle_attempt_source_id_candidate")),
        sa.ForeignKeyConstraint(
            ["candidate_version_id"],
            ["adapter_version.id"],
            name=op.f("fk_cycle_attempt_candidate_version_id_adapter_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cycle_attempt")),
        sa.UniqueConstraint("cycle_id", "number", name=op.f("uq_cycle_attempt_cycle_id_number")),
    )
    op.create_index(op.f("ix_cycle_attempt_agency_id"), "cycle_attempt", ["agency_id"], unique=False)
    confine("cycle_attempt")


def downgrade() -> None:
    op.drop_table("cycle_attempt")
    op.execute("delete from review_label where item_id in (select id from review_item where attempt > 1)")
    op.execute("delete from review_item where attempt > 1")
    op.drop_index("uq_review_item_prediction", table_name="review_item")
    op.create_index(
        "uq_review_item_prediction",
        "review_item",
        ["prediction_id", "purpose", "cycle_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("prediction_id is not null"),
    )
    op.drop_column("review_item", "label_of")
    op.drop_column("review_item", "attempt")
    op.execute("delete from approval where attempt > 1")
    op.drop_index("uq_approval_cycle_kind", table_name="approval")
    op.drop_column("approval", "attempt")
    op.create_index("uq_approval_cycle_kind", "approval", ["cycle_id", "kind"], unique=True)
    op.drop_column("candidate", "parts")
    for table, (name, columns) in UNIQUE.items():
        op.execute(f"delete from {table} where attempt > 1")
        wider = [columns[0], "attempt", *columns[1:]]
        op.drop_constraint(op.f(f"uq_{table}_{'_'.join(wider)}"), table, type_="unique")
        op.drop_column(table, "attempt")
        op.create_unique_constraint(op.f(name), table, columns)
    op.drop_column("retraining_cycle", "attempt")
