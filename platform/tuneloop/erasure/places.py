"""Where text of people can be: every column of text or JSON of every tenant table, but for those that are named here.

It is read from the tables, so that a new one is looked at without anybody thinking of it.
"""

from functools import cache
from typing import Final, NamedTuple

from sqlalchemy import Column, Enum, String, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel
from sqlmodel.sql.sqltypes import AutoString

_STRUCTURE: Final = """
action api_key app_id bot_token bot_user_id cache_key candidate_digest channel content_hash coupon currency digest
dkim_domain dkim_key dkim_selector engine finish_reason how imported_from invoice_stripe_id key key_hash kind method
month number
object_id origin password_hash posted_in prefix production_digest purpose quantisation queue refresh_token scopes
sealed_key sealed_webhook_secret sent sha256 slack_user_id slug status stratum stream stripe_account stripe_customer
stripe_id stripe_subscription subject_digest subject_id subject_kind target_hash team_id timezone token_hash ts
unsubscribe_token wanted webhook_token worker installer
"""
STRUCTURE: Final = frozenset(_STRUCTURE.split())
"""Columns of what the product calls things: written by it or chosen by the agency, never by whom a model answers."""

_STAFF: Final = """
actor actor_name added_by approved_by claimed_by confirmed_by created_by decided_by decided_from ended_by labeller
person requested_by resolved_by settled_by started_by started_from voter
"""
STAFF: Final = frozenset(_STAFF.split())
"""Who of the agency's own people did what is kept, to show that it was done rightly (GDPR, article 5(2))."""

KEPT: Final = {
    "adapter_version": "a version's manifest and files are named by their digests; versions are listed for retraining",
    "agency": "the agency itself",
    "api_key": "the agency's own",
    "approval_vote.name": "who voted",
    "base_model": "no tenant's",
    "billing_account": "the agency's own",
    "category": "labels of the contract",
    "comparison.outcome": "the gate's verdict",
    "client.name": "the client itself; it goes with the whole client",
    "external_endpoint.model_name": "where a version answers; it would answer no more",
    "external_endpoint.url": "where a version answers; it would answer no more",
    "erasure": "the request itself, whose target is cleared when it is done",
    "invoice": "kept as long as tax law asks",
    "job.name": "what kind of job it is",
    "mail_sender": "the agency's own address",
    "maintenance_plan": "what the agency sells",
    "membership": "the agency's own people",
    "oidc_provider": "the agency's own",
    "registered_model": "prompt, labels and policy that the agency wrote",
    "report_style": "the agency's own",
    "schedule": "no text",
    "slack_installation": "the agency's workspace",
    "snapshot.categories": "labels of the contract",
    "stripe_link": "ids",
    "subscription": "kept with its invoices",
    "usage_record": "figures, kept with their invoices",
}


class Place(NamedTuple):
    """A table and its columns that may hold text; `uniques` are those of them that must stay unlike in every row."""

    table: Table
    columns: tuple[str, ...]
    uniques: tuple[str, ...]

    @property
    def name(self) -> str:
        return str(self.table.name)


@cache
def _places(_tables: int) -> tuple[Place, ...]:
    found = []
    for table in SQLModel.metadata.sorted_tables:
        if "agency_id" not in table.c or table.name in KEPT:
            continue
        columns = tuple(column.name for column in table.columns if holds_text(column))
        if columns:
            found.append(Place(table, columns, tuple(name for name in columns if name in _unique(table))))
    return tuple(found)


def places() -> tuple[Place, ...]:
    return _places(len(SQLModel.metadata.tables))


def holds_text(column: Column[object]) -> bool:
    if isinstance(column.type, Enum) or not isinstance(column.type, String | AutoString | JSONB) or column.foreign_keys:
        return False
    named = f"{column.table.name}.{column.name}"
    return column.name not in STRUCTURE | STAFF | KEPT.keys() and named not in KEPT


def _unique(table: Table) -> set[str]:
    constrained = {c.name for each in table.constraints if isinstance(each, UniqueConstraint) for c in each.columns}
    return constrained | {c.name for index in table.indexes if index.unique for c in index.columns}
