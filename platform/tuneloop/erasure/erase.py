"""Takes text away, in one transaction: after a crash there is nothing half-done, and doing it again finds the rest."""

import secrets
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import Text, cast, delete, func, update
from sqlmodel import col, select

from tuneloop.datasets.deletion import versions_that_saw_any
from tuneloop.erasure.functions import erase_columns
from tuneloop.erasure.patterns import Pattern
from tuneloop.erasure.places import places
from tuneloop.erasure.search import Found, belonging, copies, holding, labels_of, patterns_of, records, seeds
from tuneloop.kit.clock import now
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.erased import ERASED
from tuneloop.tables import (
    Alias,
    Client,
    DataFinding,
    Erasure,
    Example,
    Feedback,
    FeedbackState,
    FindingState,
    Mail,
    MailState,
    Prediction,
    RegisteredModel,
    Report,
    ReportFile,
    ReviewItem,
    ReviewState,
    Upload,
    VersionAlias,
)

ALSO: Final[Mapping[str, tuple[str, ...]]] = {"eval_answer": ("cache_key",), "recorded_answer": ("cache_key",)}
"""What is no text but would bring an erased row back: an answer that is taken again for the same question."""
PEOPLE: Final = {("prediction", "end_user"), ("feedback", "reporter")}
"""Who asked gets another name instead of none: figures count people."""


class Erased(NamedTuple):
    """`counts` by place; `files` of the object store that may be needed no more; reports whose PDF is made anew."""

    counts: dict[str, int]
    versions: list[dict[str, str | bool]]
    files: list[str]
    reports: list[UUID]


class Looked(NamedTuple):
    """Records that go as a whole, what copies of them and of the target look like, and labels, which stay."""

    records: Found
    patterns: list[Pattern]
    kept: list[str]


def look(session: TenantSession, request: Erasure) -> Looked:
    whole = belonging(session, request, seeds(session, request))
    kept = labels_of(session, request)
    return Looked(whole, [*patterns_of(request), *copies(session, whole, kept)], kept)


def count_texts(session: TenantSession, request: Erasure) -> Erased:
    """What erasing would take just now."""
    looked = look(session, request)
    quoting: Found = defaultdict(set)
    for pattern in looked.patterns:
        for name, ids in holding(session, request, [pattern], without=records()).items():
            quoting[name] |= ids
    counts = {name: len(ids) for name, ids in {**looked.records, **quoting}.items()}
    return Erased(counts, learned_from(session, looked.records.get("example", set())), [], [])


def erase_texts(session: TenantSession, request: Erasure) -> Erased:
    """Take it away. Rows stay, with their figures and labels."""
    looked = look(session, request)
    versions = learned_from(session, looked.records.get("example", set()))
    changed: Found = defaultdict(set)
    _rename_people(session, looked.records)
    for place in places():
        if ids := looked.records.get(place.name):
            columns = [name for name in place.columns if (place.name, name) not in PEOPLE]
            columns += ALSO.get(place.name, ())
            uniques = [name for name in place.uniques if name in columns]
            erase_columns(session, request, place.name, ids, columns, uniques=uniques, kept=looked.kept)
            changed[place.name] |= ids
    _settle(session, looked.records)
    for pattern in looked.patterns:
        found = holding(session, request, [pattern], without=records())
        for place in places():
            if ids := found.get(place.name):
                erase_columns(
                    session, request, place.name, ids, place.columns, uniques=place.uniques, pattern=pattern.exact
                )
                changed[place.name] |= ids
    _stop_mails(session, changed["mail"])
    _drop_contacts(session, changed["client"])
    _drop_uploads(session, request)
    files, reports = _drop_pdfs(session, changed["report_snapshot"])
    counts = {name: len(ids) for name, ids in changed.items() if ids}
    return Erased(counts, versions, files, reports)


def learned_from(session: TenantSession, examples: Collection[UUID]) -> list[dict[str, str | bool]]:
    """Versions that learned from any of the examples, and whether they are in production."""
    models = session.exec(
        select(RegisteredModel).where(
            col(RegisteredModel.id).in_(select(Example.model_id).where(col(Example.id).in_(examples)))
        )
    ).all()
    found: list[dict[str, str | bool]] = []
    for model in models:
        client = session.get_one(Client, model.client_id)
        live = session.exec(
            select(VersionAlias.version_id).where(
                VersionAlias.model_id == model.id, VersionAlias.name == Alias.PRODUCTION
            )
        ).one_or_none()
        found += [
            {"model": f"{client.slug}/{model.slug}", "version": version.number, "production": version.id == live}
            for version in versions_that_saw_any(session, model, examples)
        ]
    return found


def _drop_uploads(session: TenantSession, request: Erasure) -> None:
    """Files that wait to be imported are not searched: whoever wants them sends them again, without the text."""
    waiting = delete(Upload)
    if request.client_id is not None:
        waiting = waiting.where(col(Upload.client_id) == request.client_id)
    session.execute(waiting)


def _rename_people(session: TenantSession, found: Found) -> None:
    """Each person keeps one name for all their answers; with a salt that nobody keeps it leads back to nobody."""
    salt = secrets.token_hex(16)
    for table, named in ((Prediction, "end_user"), (Feedback, "reporter")):
        ids, column = found.get(str(table.__tablename__), set()), col(getattr(table, named))
        name = func.concat("erased-", func.substr(func.md5(func.concat(salt, column)), 1, 12))
        session.execute(update(table).where(col(table.id).in_(ids), column.is_not(None)).values({named: name}))


def _settle(session: TenantSession, found: Found) -> None:
    """Nobody is asked about what has no text any more, and nothing learns from it or measures by it."""
    at = now()
    session.execute(
        update(Example)
        .where(col(Example.id).in_(found.get("example", ())))
        .values(
            messages=[],
            expected="",
            minhash=b"",
            content_hash=func.concat("erased ", cast(col(Example.id), Text)),
            deleted_at=func.coalesce(col(Example.deleted_at), at),
        )
    )
    session.execute(
        update(DataFinding)
        .where(col(DataFinding.id).in_(found.get("data_finding", ())), col(DataFinding.state) == FindingState.OPEN)
        .values(state=FindingState.FIXED, settled_by="erasure", settled_at=at)
    )
    session.execute(
        update(Feedback)
        .where(col(Feedback.id).in_(found.get("feedback", ())), col(Feedback.state) == FeedbackState.OPEN)
        .values(state=FeedbackState.DISMISSED)
    )
    waiting = col(ReviewItem.state).in_([ReviewState.OPEN, ReviewState.DISPUTED])
    lost = (waiting) | (col(ReviewItem.expected) == ERASED)
    session.execute(
        update(ReviewItem)
        .where(col(ReviewItem.id).in_(found.get("review_item", ())), lost)
        .values(state=ReviewState.SKIPPED, outcome="its text was erased", closed_at=at)
    )


def _stop_mails(session: TenantSession, mails: Collection[UUID]) -> None:
    session.execute(
        update(Mail)
        .where(col(Mail.id).in_(mails), col(Mail.state) == MailState.QUEUED)
        .values(state=MailState.FAILED, failure="its text was erased before it was sent")
    )


def _drop_contacts(session: TenantSession, clients: Collection[UUID]) -> None:
    for client in session.exec(select(Client).where(col(Client.id).in_(clients))).all():
        session.refresh(client)
        client.contacts = [each for each in client.contacts if ERASED not in each.values()]
        session.add(client)
    session.flush()


def _drop_pdfs(session: TenantSession, snapshots: Collection[UUID]) -> tuple[list[str], list[UUID]]:
    """The files of reports that quoted it, mails' attachments of them too, and the reports that need a new one."""
    files = session.exec(select(ReportFile).where(col(ReportFile.snapshot_id).in_(snapshots))).all()
    digests = {file.sha256 for file in files}
    session.execute(delete(ReportFile).where(col(ReportFile.id).in_([file.id for file in files])))
    if digests:
        for mail in session.exec(select(Mail).where(Mail.attachments != [])):
            left = [each for each in mail.attachments if each.get("digest") not in digests]
            if len(left) < len(mail.attachments):
                mail.attachments = left
                session.add(mail)
    reports = session.exec(select(Report.id).where(col(Report.snapshot_id).in_(snapshots))).all()
    return sorted(digests), sorted(reports)
