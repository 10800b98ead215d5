"""mail is stored without the tokens of its links"""

import sqlalchemy as sa
from alembic import op

revision = "mail_without_tokens"
down_revision = "first"
branch_labels = None
depends_on = None

FINISHED = "('sent', 'failed', 'bounced', 'blocked')"


def upgrade() -> None:
    """What still waits keeps its tokens until it is sent; its delivery hides them."""
    op.add_column("mail", sa.Column("sealed_tokens", sa.Text()))
    op.add_column("mail", sa.Column("unsubscribe_hash", sa.Text()))
    op.create_unique_constraint(op.f("uq_mail_unsubscribe_hash"), "mail", ["unsubscribe_hash"])
    op.execute("select set_config('app.agency_id', '*', true)")
    op.execute("update mail set unsubscribe_hash = encode(sha256(convert_to(unsubscribe_token, 'UTF8')), 'hex')")
    hidden = "regexp_replace({0}, '[A-Za-z0-9_-]{{43,}}', '[hidden]', 'g')"
    op.execute(
        f"update mail set text = {hidden.format('text')}, html = {hidden.format('html')} where state in {FINISHED}"
    )
    op.drop_column("mail", "unsubscribe_token")


def downgrade() -> None:
    """Links to unsubscribe of mail that went out stop working: their tokens are known to nobody but the recipients."""
    op.add_column("mail", sa.Column("unsubscribe_token", sa.Text()))
    op.create_unique_constraint(op.f("uq_mail_unsubscribe_token"), "mail", ["unsubscribe_token"])
    op.drop_column("mail", "unsubscribe_hash")
    op.drop_column("mail", "sealed_tokens")
