"""first schema"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


APP_ROLE = "tuneloop_app"
TENANT_KEYS = {
    "adapter_version": "agency_id",
    "agency": "id",
    "alert": "agency_id",
    "api_key": "agency_id",
    "approval": "agency_id",
    "audit_event": "agency_id",
    "client": "agency_id",
    "comparison": "agency_id",
    "eval_answer": "agency_id",
    "eval_run": "agency_id",
    "example": "agency_id",
    "feedback": "agency_id",
    "job": "agency_id",
    "membership": "agency_id",
    "monitor": "agency_id",
    "monitor_reading": "agency_id",
    "prediction": "agency_id",
    "registered_model": "agency_id",
    "retraining_cycle": "agency_id",
    "snapshot": "agency_id",
    "snapshot_item": "agency_id",
    "version_alias": "agency_id",
}
APPEND_ONLY = (
    "adapter_version",
    "audit_event",
    "comparison",
    "eval_answer",
    "eval_run",
    "monitor_reading",
    "snapshot",
    "snapshot_item",
)


def confine(table: str, key: str) -> None:
    """Row-level security: the transaction's `app.agency_id` must name the row's agency, or be '*'; unset raises."""
    condition = (
        f"{key} = case current_setting('app.agency_id') when '*' then {key} "
        "else current_setting('app.agency_id')::uuid end"
    )
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy tenant on {table} using ({condition}) with check ({condition})")


def grant() -> None:
    """The application's role owns nothing, and can only add to what must never change."""
    op.execute(
        f"do $$ begin if not exists (select from pg_roles where rolname = '{APP_ROLE}') "
        f"then create role {APP_ROLE} login; end if; end $$"
    )
    op.execute(f"grant usage on schema public to {APP_ROLE}")
    op.execute(f"grant select, insert, update, delete on all tables in schema public to {APP_ROLE}")
    for table in APPEND_ONLY:
        op.execute(f"revoke update, delete on {table} from {APP_ROLE}")


def upgrade() -> None:
    op.create_table(
        "agency",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agency")),
        sa.UniqueConstraint("slug", name=op.f("uq_agency_slug")),
    )
    op.create_table(
        "base_model",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("licence", sa.Text(), nullable=False),
        sa.Column("architecture", sa.Text(), nullable=False),
        sa.Column("quantisation", sa.Text(), nullable=False),
        sa.Column("gguf_sha256", sa.Text(), nullable=False),
        sa.Column("weights_sha256", sa.Text(), nullable=False),
        sa.Column("context_length", sa.Integer(), nullable=False),
        sa.Column("upstream_url", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_base_model")),
        sa.UniqueConstraint("name", name=op.f("uq_base_model_name")),
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("email", name=op.f("uq_person_email")),
    )
    op.create_table(
        "audit_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_audit_event_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_event")),
    )
    op.create_index(op.f("ix_audit_event_agency_id"), "audit_event", ["agency_id"], unique=False)
    op.create_index("ix_audit_event_subject", "audit_event", ["subject_kind", "subject_id"], unique=False)
    op.create_table(
        "client",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("contacts", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_client_agency_id_agency")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_client")),
        sa.UniqueConstraint("agency_id", "slug", name=op.f("uq_client_agency_id_slug")),
    )
    op.create_index(op.f("ix_client_agency_id"), "client", ["agency_id"], unique=False)
    op.create_table(
        "web_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("session_agency_id", sa.Uuid(), nullable=False),
        sa.Column("csrf_token", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_agency_id"], ["agency.id"], name=op.f("fk_web_session_session_agency_id_agency")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["person.id"], name=op.f("fk_web_session_user_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_web_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_web_session_token_hash")),
    )
    op.create_index(op.f("ix_web_session_user_id"), "web_session", ["user_id"], unique=False)
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("scope_client_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_api_key_agency_id_agency")),
        sa.ForeignKeyConstraint(["created_by"], ["person.id"], name=op.f("fk_api_key_created_by_person")),
        sa.ForeignKeyConstraint(["scope_client_id"], ["client.id"], name=op.f("fk_api_key_scope_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_api_key_key_hash")),
    )
    op.create_index(op.f("ix_api_key_agency_id"), "api_key", ["agency_id"], unique=False)
    op.create_table(
        "job",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("args", postgresql.JSONB(), nullable=False),
        sa.Column("dedupe_key", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("fencing_token", sa.Integer(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("run_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rung_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("progress", postgresql.JSONB(), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_job_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_job_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
    )
    op.create_index(op.f("ix_job_agency_id"), "job", ["agency_id"], unique=False)
    op.create_index("ix_job_due", "job", ["run_after"], unique=False, postgresql_where=sa.text("state = 'queued'"))
    op.create_index(
        "ix_job_leased", "job", ["lease_until"], unique=False, postgresql_where=sa.text("state = 'running'")
    )
    op.create_index(
        "uq_job_dedupe_key",
        "job",
        ["dedupe_key"],
        unique=True,
        postgresql_where=sa.text("dedupe_key is not null and state in ('queued', 'running')"),
    )
    op.create_table(
        "membership",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("member_client_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_membership_agency_id_agency")),
        sa.ForeignKeyConstraint(
            ["member_client_id"], ["client.id"], name=op.f("fk_membership_member_client_id_client")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["person.id"], name=op.f("fk_membership_user_id_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_membership")),
        sa.UniqueConstraint("agency_id", "user_id", name=op.f("uq_membership_agency_id_user_id")),
    )
    op.create_index(op.f("ix_membership_agency_id"), "membership", ["agency_id"], unique=False)
    op.create_index(op.f("ix_membership_user_id"), "membership", ["user_id"], unique=False)
    op.create_table(
        "registered_model",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("base_id", sa.Uuid(), nullable=False),
        sa.Column("contract", postgresql.JSONB(), nullable=False),
        sa.Column("policy", postgresql.JSONB(), nullable=False),
        sa.Column("quantisation", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_registered_model_agency_id_agency")),
        sa.ForeignKeyConstraint(["base_id"], ["base_model.id"], name=op.f("fk_registered_model_base_id_base_model")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_registered_model_client_id_client")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registered_model")),
        sa.UniqueConstraint("client_id", "slug", name=op.f("uq_registered_model_client_id_slug")),
    )
    op.create_index(op.f("ix_registered_model_agency_id"), "registered_model", ["agency_id"], unique=False)
    op.create_table(
        "snapshot",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("categories", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_snapshot_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_snapshot_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_snapshot_model_id_registered_model")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot")),
        sa.UniqueConstraint("model_id", "digest", name=op.f("uq_snapshot_model_id_digest")),
    )
    op.create_index(op.f("ix_snapshot_agency_id"), "snapshot", ["agency_id"], unique=False)
    op.create_table(
        "adapter_version",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("manifest", postgresql.JSONB(), nullable=False),
        sa.Column("parts", postgresql.JSONB(), nullable=False),
        sa.Column("bundle_sha256", sa.Text(), nullable=False),
        sa.Column("files", postgresql.JSONB(), nullable=False),
        sa.Column("parity", postgresql.JSONB(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("snapshot_id", sa.Uuid(), nullable=False),
        sa.Column("training", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_adapter_version_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_adapter_version_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_adapter_version_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["adapter_version.id"], name=op.f("fk_adapter_version_parent_id_adapter_version")
        ),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name=op.f("fk_adapter_version_snapshot_id_snapshot")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_adapter_version")),
        sa.UniqueConstraint("model_id", "digest", name=op.f("uq_adapter_version_model_id_digest")),
        sa.UniqueConstraint("model_id", "number", name=op.f("uq_adapter_version_model_id_number")),
    )
    op.create_index(op.f("ix_adapter_version_agency_id"), "adapter_version", ["agency_id"], unique=False)
    op.create_table(
        "eval_run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("snapshot_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("correct", sa.Integer(), nullable=False),
        sa.Column("hallucinated", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("reused", sa.Integer(), nullable=False),
        sa.Column("categories", postgresql.JSONB(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_eval_run_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_eval_run_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_eval_run_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name=op.f("fk_eval_run_snapshot_id_snapshot")),
        sa.ForeignKeyConstraint(
            ["version_id"], ["adapter_version.id"], name=op.f("fk_eval_run_version_id_adapter_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_eval_run")),
    )
    op.create_index(op.f("ix_eval_run_agency_id"), "eval_run", ["agency_id"], unique=False)
    op.create_index(op.f("ix_eval_run_model_id"), "eval_run", ["model_id"], unique=False)
    op.create_table(
        "prediction",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("messages", postgresql.JSONB(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=True),
        sa.Column("margin", sa.Float(), nullable=True),
        sa.Column("finish_reason", sa.Text(), nullable=False),
        sa.Column("prompt_tokens", sa.Integer(), nullable=False),
        sa.Column("completion_tokens", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Float(), nullable=False),
        sa.Column("end_user", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_prediction_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_prediction_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_prediction_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["adapter_version.id"], name=op.f("fk_prediction_version_id_adapter_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_prediction")),
    )
    op.create_index(op.f("ix_prediction_agency_id"), "prediction", ["agency_id"], unique=False)
    op.create_index("ix_prediction_model_at", "prediction", ["model_id", "at"], unique=False)
    op.create_table(
        "version_alias",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_version_alias_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_version_alias_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_version_alias_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["adapter_version.id"], name=op.f("fk_version_alias_version_id_adapter_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version_alias")),
        sa.UniqueConstraint("model_id", "name", name=op.f("uq_version_alias_model_id_name")),
    )
    op.create_index(op.f("ix_version_alias_agency_id"), "version_alias", ["agency_id"], unique=False)
    op.create_table(
        "example",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("messages", postgresql.JSONB(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("minhash", sa.LargeBinary(), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), nullable=True),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_example_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_example_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_example_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(["prediction_id"], ["prediction.id"], name=op.f("fk_example_prediction_id_prediction")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_example")),
    )
    op.create_index(op.f("ix_example_agency_id"), "example", ["agency_id"], unique=False)
    op.create_index("ix_example_pool", "example", ["model_id", "pool"], unique=False)
    op.create_index(
        "uq_example_content",
        "example",
        ["model_id", "content_hash"],
        unique=True,
        postgresql_where=sa.text("deleted_at is null"),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("prediction_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("correction", sa.Text(), nullable=True),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("reporter", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_feedback_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_feedback_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_feedback_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(
            ["prediction_id"], ["prediction.id"], name=op.f("fk_feedback_prediction_id_prediction")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feedback")),
        sa.UniqueConstraint(
            "prediction_id",
            "kind",
            "reporter",
            name=op.f("uq_feedback_prediction_id_kind_reporter"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_index(op.f("ix_feedback_agency_id"), "feedback", ["agency_id"], unique=False)
    op.create_index("ix_feedback_model_at", "feedback", ["model_id", "at"], unique=False)
    op.create_index(op.f("ix_feedback_prediction_id"), "feedback", ["prediction_id"], unique=False)
    op.create_table(
        "monitor",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("version_id", sa.Uuid(), nullable=False),
        sa.Column("baseline_run_id", sa.Uuid(), nullable=False),
        sa.Column("charts", postgresql.JSONB(), nullable=False),
        sa.Column("read_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_monitor_agency_id_agency")),
        sa.ForeignKeyConstraint(["baseline_run_id"], ["eval_run.id"], name=op.f("fk_monitor_baseline_run_id_eval_run")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_monitor_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_monitor_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(
            ["version_id"], ["adapter_version.id"], name=op.f("fk_monitor_version_id_adapter_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_monitor")),
    )
    op.create_index(op.f("ix_monitor_agency_id"), "monitor", ["agency_id"], unique=False)
    op.create_index(op.f("ix_monitor_model_id"), "monitor", ["model_id"], unique=False)
    op.create_index("uq_monitor_version_id", "monitor", ["version_id"], unique=True)
    op.create_table(
        "alert",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("monitor_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_alert_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_alert_client_id_client")),
        sa.ForeignKeyConstraint(["model_id"], ["registered_model.id"], name=op.f("fk_alert_model_id_registered_model")),
        sa.ForeignKeyConstraint(["monitor_id"], ["monitor.id"], name=op.f("fk_alert_monitor_id_monitor")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alert")),
    )
    op.create_index(op.f("ix_alert_agency_id"), "alert", ["agency_id"], unique=False)
    op.create_index("uq_alert_open", "alert", ["model_id"], unique=True, postgresql_where=sa.text("state = 'open'"))
    op.create_table(
        "eval_answer",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("run_id", sa.Uuid(), nullable=False),
        sa.Column("example_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("expected", sa.Text(), nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("correct", sa.Boolean(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("hallucinated", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("margin", sa.Float(), nullable=True),
        sa.Column("cache_key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_eval_answer_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_eval_answer_client_id_client")),
        sa.ForeignKeyConstraint(["example_id"], ["example.id"], name=op.f("fk_eval_answer_example_id_example")),
        sa.ForeignKeyConstraint(["run_id"], ["eval_run.id"], name=op.f("fk_eval_answer_run_id_eval_run")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_eval_answer")),
    )
    op.create_index(op.f("ix_eval_answer_agency_id"), "eval_answer", ["agency_id"], unique=False)
    op.create_index("ix_eval_answer_cache_key", "eval_answer", ["cache_key"], unique=False)
    op.create_index(op.f("ix_eval_answer_example_id"), "eval_answer", ["example_id"], unique=False)
    op.create_index(op.f("ix_eval_answer_run_id"), "eval_answer", ["run_id"], unique=False)
    op.create_table(
        "monitor_reading",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("monitor_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("statistic", sa.Float(), nullable=True),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("p_value", sa.Float(), nullable=True),
        sa.Column("alarm", sa.Boolean(), nullable=False),
        sa.Column("detail", postgresql.JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_monitor_reading_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_monitor_reading_client_id_client")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_monitor_reading_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(["monitor_id"], ["monitor.id"], name=op.f("fk_monitor_reading_monitor_id_monitor")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_monitor_reading")),
    )
    op.create_index(op.f("ix_monitor_reading_agency_id"), "monitor_reading", ["agency_id"], unique=False)
    op.create_index("ix_monitor_reading_model_at", "monitor_reading", ["model_id", "at"], unique=False)
    op.create_table(
        "snapshot_item",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("snapshot_id", sa.Uuid(), nullable=False),
        sa.Column("example_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_snapshot_item_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_snapshot_item_client_id_client")),
        sa.ForeignKeyConstraint(["example_id"], ["example.id"], name=op.f("fk_snapshot_item_example_id_example")),
        sa.ForeignKeyConstraint(["snapshot_id"], ["snapshot.id"], name=op.f("fk_snapshot_item_snapshot_id_snapshot")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_snapshot_item")),
        sa.UniqueConstraint("snapshot_id", "position", name=op.f("uq_snapshot_item_snapshot_id_position")),
    )
    op.create_index(op.f("ix_snapshot_item_agency_id"), "snapshot_item", ["agency_id"], unique=False)
    op.create_index(op.f("ix_snapshot_item_example_id"), "snapshot_item", ["example_id"], unique=False)
    op.create_table(
        "retraining_cycle",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("model_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("trigger", sa.Text(), nullable=False),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("parent_version_id", sa.Uuid(), nullable=True),
        sa.Column("candidate_version_id", sa.Uuid(), nullable=True),
        sa.Column("training_snapshot_id", sa.Uuid(), nullable=True),
        sa.Column("golden_snapshot_id", sa.Uuid(), nullable=True),
        sa.Column("recipe", postgresql.JSONB(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_retraining_cycle_agency_id_agency")),
        sa.ForeignKeyConstraint(["alert_id"], ["alert.id"], name=op.f("fk_retraining_cycle_alert_id_alert")),
        sa.ForeignKeyConstraint(
            ["candidate_version_id"],
            ["adapter_version.id"],
            name=op.f("fk_retraining_cycle_candidate_version_id_adapter_version"),
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_retraining_cycle_client_id_client")),
        sa.ForeignKeyConstraint(
            ["golden_snapshot_id"], ["snapshot.id"], name=op.f("fk_retraining_cycle_golden_snapshot_id_snapshot")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_retraining_cycle_job_id_job")),
        sa.ForeignKeyConstraint(
            ["model_id"], ["registered_model.id"], name=op.f("fk_retraining_cycle_model_id_registered_model")
        ),
        sa.ForeignKeyConstraint(
            ["parent_version_id"],
            ["adapter_version.id"],
            name=op.f("fk_retraining_cycle_parent_version_id_adapter_version"),
        ),
        sa.ForeignKeyConstraint(
            ["training_snapshot_id"], ["snapshot.id"], name=op.f("fk_retraining_cycle_training_snapshot_id_snapshot")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retraining_cycle")),
    )
    op.create_index(op.f("ix_retraining_cycle_agency_id"), "retraining_cycle", ["agency_id"], unique=False)
    op.create_index(op.f("ix_retraining_cycle_model_id"), "retraining_cycle", ["model_id"], unique=False)
    op.create_index(
        "uq_retraining_cycle_live",
        "retraining_cycle",
        ["model_id"],
        unique=True,
        postgresql_where=sa.text("state not in ('deployed', 'rejected', 'failed', 'rolled_back')"),
    )
    op.create_table(
        "approval",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject_digest", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=True),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_approval_agency_id_agency")),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_approval_client_id_client")),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["retraining_cycle.id"], name=op.f("fk_approval_cycle_id_retraining_cycle")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approval")),
    )
    op.create_index(op.f("ix_approval_agency_id"), "approval", ["agency_id"], unique=False)
    op.create_index("uq_approval_cycle_kind", "approval", ["cycle_id", "kind"], unique=True)
    op.create_table(
        "comparison",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agency_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("cycle_id", sa.Uuid(), nullable=False),
        sa.Column("production_run_id", sa.Uuid(), nullable=False),
        sa.Column("candidate_run_id", sa.Uuid(), nullable=False),
        sa.Column("production_digest", sa.Text(), nullable=False),
        sa.Column("candidate_digest", sa.Text(), nullable=False),
        sa.Column("table", postgresql.JSONB(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reasons", postgresql.JSONB(), nullable=False),
        sa.Column("labels_needed", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agency_id"], ["agency.id"], name=op.f("fk_comparison_agency_id_agency")),
        sa.ForeignKeyConstraint(
            ["candidate_run_id"], ["eval_run.id"], name=op.f("fk_comparison_candidate_run_id_eval_run")
        ),
        sa.ForeignKeyConstraint(["client_id"], ["client.id"], name=op.f("fk_comparison_client_id_client")),
        sa.ForeignKeyConstraint(
            ["cycle_id"], ["retraining_cycle.id"], name=op.f("fk_comparison_cycle_id_retraining_cycle")
        ),
        sa.ForeignKeyConstraint(
            ["production_run_id"], ["eval_run.id"], name=op.f("fk_comparison_production_run_id_eval_run")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comparison")),
    )
    op.create_index(op.f("ix_comparison_agency_id"), "comparison", ["agency_id"], unique=False)
    op.create_index(op.f("ix_comparison_cycle_id"), "comparison", ["cycle_id"], unique=False)
    for table, key in TENANT_KEYS.items():
        confine(table, key)
    grant()


def downgrade() -> None:
    op.execute(f"drop table {', '.join((*TENANT_KEYS, 'web_session', 'person', 'base_model'))}")
