"""jobs are taken agency by agency"""

import sqlalchemy as sa
from alembic import op

revision = "job_turns"
down_revision = "own_passwords"
branch_labels = None
depends_on = None

LANES = {
    "quick": (
        "retraining.deploy",
        "retraining.fail",
        "ab_test.begin",
        "ab_test.give_up",
        "mail.give_up",
        "billing.sync_failed",
        "billing.close_failed",
    ),
    "slow": (
        "datasets.scan",
        "review.propose",
        "monitoring.sensitivity",
        "report.render",
        "billing.close",
        "billing.round",
    ),
}
"""Jobs that were all in `default`, by their queue."""


def upgrade() -> None:
    op.create_index(
        "ix_job_queued", "job", ["queue", "agency_id", "run_after"], postgresql_where=sa.text("state = 'queued'")
    )
    op.create_index(
        "ix_job_started",
        "job",
        ["queue", "agency_id", "started_at"],
        postgresql_where=sa.text("started_at is not null"),
    )
    op.drop_index("ix_job_due", "job")
    for queue, names in LANES.items():
        move(queue, names)


def downgrade() -> None:
    for names in LANES.values():
        move("default", names)
    op.create_index("ix_job_due", "job", ["run_after"], postgresql_where=sa.text("state = 'queued'"))
    op.drop_index("ix_job_started", "job")
    op.drop_index("ix_job_queued", "job")


def move(queue: str, names: tuple[str, ...]) -> None:
    op.execute("select set_config('app.agency_id', '*', true)")
    live = sa.text("update job set queue = :queue where name = any(:names) and state in ('queued', 'running')")
    op.execute(live.bindparams(queue=queue, names=list(names)))
