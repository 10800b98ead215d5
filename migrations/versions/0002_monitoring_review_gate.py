"""monitoring, review and gate"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

APP_ROLE = "tuneloop_app"
TABLES = (
    "alert_event",
    "candidate",
    "data_finding",
    "disagreement_run",
    "document",
    "gate_look",
    "review_item",
    "review_label",
    "schedule",
    "share_link",
)
APPEND_ONLY = ("alert_event", "disagreement_run", "gate_look")


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
        "document",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_document_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_document_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_document_model_id_registered_model")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_document")),
        sa.UniqueConstraint("model_id", "sha256", name=op.f("uq_document_model_id_sha256")),
    )
    op.create_index(op.f("ix_document_agency_id"), "document", ["agency_id"], unique=False)
    op.create_table(
        "schedule",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("every_days", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("custom", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_schedule_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_schedule_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_schedule_model_id_registered_model")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule")),
        sa.UniqueConstraint("model_id", "task", name=op.f("uq_schedule_model_id_task")),
    )
    op.create_index(op.f("ix_schedule_agency_id"), "schedule", ["agency_id"], unique=False)
    op.create_index("ix_schedule_due", "schedule", ["next_at"], unique=False)
    op.create_table(
        "share_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=True),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_share_link_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_share_link_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_share_link_model_id_registered_model")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_link")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_share_link_token_hash")),
    )
    op.create_index(op.f("ix_share_link_agency_id"), "share_link", ["agency_id"], unique=False)
    op.create_index(op.f("ix_share_link_model_id"), "share_link", ["model_id"], unique=False)
    op.create_table(
        "alert_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("change", sa.Text(), nullable=False),
        sa.Column("level", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_alert_event_agency_id_agency")),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_alert_event_alert_id_alert")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_alert_event_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert_event")),
    )
    op.create_index(op.f("ix_alert_event_agency_id"), "alert_event", ["agency_id"], unique=False)
    op.create_index(op.f("ix_alert_event_alert_id"), "alert_event", ["alert_id"], unique=False)
    op.create_table(
        "candidate",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("blend", sa.Float(), nullable=False),
        sa.Column("dev", postgresql.JSONB(), nullable=False),
        sa.Column("chosen", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_candidate_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_candidate_client_id_client")),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["retraining_cycle.id"], name=op.f("fk_candidate_cycle_id_retraining_cycle")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidate")),
        sa.UniqueConstraint("cycle_id", "method", "blend", name=op.f("uq_candidate_cycle_id_method_blend")),
    )
    op.create_index(op.f("ix_candidate_agency_id"), "candidate", ["agency_id"], unique=False)
    op.create_table(
        "disagreement_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), nullable=False),
        sa.Column("production_digest", sa.Text(), nullable=False),
        sa.Column("candidate_digest", sa.Text(), nullable=False),
        sa.Column("queries", sa.Integer(), nullable=False),
        sa.Column("disagreements", sa.Integer(), nullable=False),
        sa.Column("agreed", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_disagreement_run_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_disagreement_run_client_id_client")),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["retraining_cycle.id"], name=op.f("fk_disagreement_run_cycle_id_retraining_cycle")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disagreement_run")),
        sa.UniqueConstraint("cycle_id", name=op.f("uq_disagreement_run_cycle_id")),
    )
    op.create_index(op.f("ix_disagreement_run_agency_id"), "disagreement_run", ["agency_id"], unique=False)
    op.create_table(
        "gate_look",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), nullable=False),
        sa.Column("example_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_gate_look_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_gate_look_client_id_client")),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["retraining_cycle.id"], name=op.f("fk_gate_look_cycle_id_retraining_cycle")
        ),
        sa.ForeignKeyConstraint(["example_id"], ["example.id"], name=op.f("fk_gate_look_example_id_example")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_gate_look_model_id_registered_model")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gate_look")),
        sa.UniqueConstraint("cycle_id", "example_id", name=op.f("uq_gate_look_cycle_id_example_id")),
    )
    op.create_index(op.f("ix_gate_look_agency_id"), "gate_look", ["agency_id"], unique=False)
    op.create_index(op.f("ix_gate_look_example_id"), "gate_look", ["example_id"], unique=False)
    op.create_index(op.f("ix_gate_look_model_id"), "gate_look", ["model_id"], unique=False)
    op.create_table(
        "review_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("priority", sa.Float(), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), nullable=True),
        sa.Column("cycle_id", sa.Uuid(), nullable=True),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("document_id", sa.Uuid(), nullable=True),
        sa.Column("messages", postgresql.JSONB(), nullable=False),
        sa.Column("answers", postgresql.JSONB(), nullable=False),
        sa.Column("inclusion_probability", sa.Float(), nullable=True),
        sa.Column("stratum", sa.Text(), nullable=True),
        sa.Column("wanted_labels", sa.Integer(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("example_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_review_item_agency_id_agency")),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_review_item_alert_id_alert")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_review_item_client_id_client")),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["retraining_cycle.id"], name=op.f("fk_review_item_cycle_id_retraining_cycle")
        ),
        sa.ForeignKeyConstraint(["document_id"], ["document.id"], name=op.f("fk_review_item_document_id_document")),
        sa.ForeignKeyConstraint(["example_id"], ["example.id"], name=op.f("fk_review_item_example_id_example")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_review_item_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(
            ["prediction_id"], ["prediction.id"], name=op.f("fk_review_item_prediction_id_prediction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_item")),
    )
    op.create_index(op.f("ix_review_item_agency_id"), "review_item", ["agency_id"], unique=False)
    op.create_index(op.f("ix_review_item_cycle_id"), "review_item", ["cycle_id"], unique=False)
    op.create_index(op.f("ix_review_item_example_id"), "review_item", ["example_id"], unique=False)
    op.create_index(op.f("ix_review_item_prediction_id"), "review_item", ["prediction_id"], unique=False)
    op.create_index(
        "uq_review_item_prediction",
        "review_item",
        ["prediction_id", "purpose", "cycle_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("prediction_id is not null"),
    )
    op.create_index("ix_review_item_queue", "review_item", ["model_id", "state", "priority"], unique=False)
    op.create_table(
        "data_finding",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("example_id", sa.Uuid(), nullable=True),
        sa.Column("item_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_by", sa.Text(), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_data_finding_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_data_finding_client_id_client")),
        sa.ForeignKeyConstraint(["example_id"], ["example.id"], name=op.f("fk_data_finding_example_id_example")),
        sa.ForeignKeyConstraint(["item_id"], ["review_item.id"], name=op.f("fk_data_finding_item_id_review_item")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_data_finding_model_id_registered_model")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_data_finding")),
    )
    op.create_index(op.f("ix_data_finding_agency_id"), "data_finding", ["agency_id"], unique=False)
    op.create_index(op.f("ix_data_finding_example_id"), "data_finding", ["example_id"], unique=False)
    op.create_index(op.f("ix_data_finding_item_id"), "data_finding", ["item_id"], unique=False)
    op.create_index("ix_data_finding_open", "data_finding", ["model_id", "state"], unique=False)
    op.create_table(
        "review_label",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("item_id", sa.Uuid(), nullable=False),
        sa.Column("labeller", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_review_label_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_review_label_client_id_client")),
        sa.ForeignKeyConstraint(["item_id"], ["review_item.id"], name=op.f("fk_review_label_item_id_review_item")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review_label")),
    )
    op.create_index(op.f("ix_review_label_agency_id"), "review_label", ["agency_id"], unique=False)
    op.create_index(op.f("ix_review_label_item_id"), "review_label", ["item_id"], unique=False)
    op.create_index(
        "uq_review_label_labeller",
        "review_label",
        ["item_id", "labeller"],
        unique=True,
        postgresql_where=sa.text("undone_at is null"),
    )
    op.add_column("alert", sa.Column("kind", sa.Text(), nullable=False, server_default="accuracy"))
    op.alter_column("alert", "kind", server_default=None)
    op.add_column("alert", sa.Column("level", sa.Text(), nullable=False, server_default="alert"))
    op.alter_column("alert", "level", server_default=None)
    op.add_column(
        "alert", sa.Column("notified_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
    )
    op.alter_column("alert", "notified_at", server_default=None)
    op.add_column("alert", sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column("alert", sa.Column("resolved_by", sa.Text(), nullable=True))
    op.add_column("alert", sa.Column("resolution", sa.Text(), nullable=True))
    op.drop_index(op.f("uq_alert_open"), table_name="alert", postgresql_where="(state = 'open'::text)")
    op.create_index(
        "uq_alert_open", "alert", ["model_id", "kind"], unique=True, postgresql_where=sa.text("state = 'open'")
    )
    op.create_index(op.f("ix_alert_model_id"), "alert", ["model_id"], unique=False)
    op.add_column("comparison", sa.Column("look", sa.Integer(), nullable=False, server_default="1"))
    op.alter_column("comparison", "look", server_default=None)
    op.create_unique_constraint(op.f("uq_comparison_cycle_id_look"), "comparison", ["cycle_id", "look"])
    op.add_column("example", sa.Column("added_by", sa.Text(), nullable=True))
    op.add_column("example", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("monitor", sa.Column("status", sa.Text(), nullable=False, server_default="no_data"))
    op.alter_column("monitor", "status", server_default=None)
    op.add_column(
        "monitor", sa.Column("status_since", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
    )
    op.alter_column("monitor", "status_since", server_default=None)
    op.add_column("monitor", sa.Column("noise", postgresql.JSONB(), nullable=True))
    op.add_column("monitor", sa.Column("calibration", postgresql.JSONB(), nullable=True))
    for table in TABLES:
        confine(table)
    for table in APPEND_ONLY:
        op.execute(f"revoke update, delete on {table} from {APP_ROLE}")


def downgrade() -> None:
    op.execute(f"drop table {', '.join(TABLES)}")
    op.drop_column("monitor", "calibration")
    op.drop_column("monitor", "noise")
    op.drop_column("monitor", "status_since")
    op.drop_column("monitor", "status")
    op.drop_column("example", "retired_at")
    op.drop_column("example", "added_by")
    op.drop_constraint(op.f("uq_comparison_cycle_id_look"), "comparison", type_="unique")
    op.drop_column("comparison", "look")
    op.drop_index(op.f("ix_alert_model_id"), table_name="alert")
    op.drop_index("uq_alert_open", table_name="alert", postgresql_where=sa.text("state = 'open'"))
    op.create_index(
        op.f("uq_alert_open"), "alert", ["model_id"], unique=True, postgresql_where="(state = 'open'::text)"
    )
    op.drop_column("alert", "resolution")
    op.drop_column("alert", "resolved_by")
    op.drop_column("alert", "snoozed_until")
    op.drop_column("alert", "notified_at")
    op.drop_column("alert", "level")
    op.drop_column("alert", "kind")
