"""Documentation and SOPs that are pasted: what they give is proposed, and trains only once a person confirms it."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.datasets.similarity import canonical
from tuneloop.kit.clean_text import clean, clean_name
from tuneloop.kit.errors import Conflict, InvalidInput, NotFound
from tuneloop.kit.jobs import enqueue
from tuneloop.kit.principal import Principal
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.review.extraction import ExtractedPair, extract_pairs, extract_texts
from tuneloop.review.items import ORDER, put
from tuneloop.review.jobs import ProposeExamples
from tuneloop.review.sources_schemas import LONGEST_TEXT
from tuneloop.tables import (
    Document,
    RegisteredModel,
    ReviewItem,
    ReviewPurpose,
    ReviewState,
    Role,
    Source,
)

MOST_PROPOSALS = 200


class Proposed(NamedTuple):
    """`job_id` is set while production is asked what it would answer."""

    document: Document
    items: list[ReviewItem]
    job_id: UUID | None


class DocumentCount(NamedTuple):
    document: Document
    proposed: int
    waiting: int
    confirmed: int


def add_document(session: Session, *, principal: Principal, model: RegisteredModel, title: str, text: str) -> Proposed:
    """Store a text and propose examples from it.

    Raises:
        InvalidInput: nothing in the text looks like a question, a heading with text, or a list item.
        Conflict: the model has this text already.
    """
    principal.require(Role.OPERATOR)
    title, text = clean_name(title), clean(text).strip()
    if not title or not text:
        raise InvalidInput("a document has a title and a text")
    if len(text) > LONGEST_TEXT:
        raise InvalidInput(f"the text has more than {LONGEST_TEXT:,} letters; split it")
    digest = sha256(canonical(text).encode()).hexdigest()
    known = session.exec(select(Document).where(Document.model_id == model.id, Document.sha256 == digest)).one_or_none()
    if known is not None:
        raise Conflict(f"this text was added as {known.title!r} already", document=str(known.id))
    document = Document(
        client_id=model.client_id, model_id=model.id, title=title, text=text, sha256=digest, added_by=principal.name
    )
    session.add(document)
    session.flush()
    record(session, principal, "document.add", "document", document.id, client_id=model.client_id, title=title)
    if contract_of(model).task is Task.CLASSIFY:
        _require_something(extract_texts(text))
        job_id = enqueue(
            session, ProposeExamples(document_id=document.id), agency_id=model.agency_id, client_id=model.client_id
        )
        return Proposed(document, [], job_id)
    pairs = extract_pairs(text)
    _require_something(pairs)
    return Proposed(document, propose_pairs(session, document=document, pairs=pairs), None)


def propose_pairs(session: Session, *, document: Document, pairs: Sequence[ExtractedPair]) -> list[ReviewItem]:
    """Items for a model that writes answers: the answer that stands in the text, to be confirmed or edited."""
    model = session.get_one(RegisteredModel, document.model_id)
    items = [
        _item(document, pair.question, pair.answer, f"Proposed from “{document.title}” ({pair.how}).", number)
        for number, pair in enumerate(pairs[:MOST_PROPOSALS])
    ]
    return put(session, model, items)


def propose_labels(
    session: Session, *, document: Document, texts: Sequence[str], answers: Mapping[str, str]
) -> list[ReviewItem]:
    """Items for a model that classifies: the label that production gives, first in the list and never taken unseen."""
    model = session.get_one(RegisteredModel, document.model_id)
    done = set(session.exec(select(ReviewItem.id).where(ReviewItem.document_id == document.id).limit(1)))
    if done:
        return []
    items = [
        _item(document, text, answers.get(text, ""), f"Proposed from “{document.title}”.", number)
        for number, text in enumerate(texts[:MOST_PROPOSALS])
    ]
    return put(session, model, items)


def list_documents(session: Session, model: RegisteredModel) -> list[DocumentCount]:
    """Newest first."""
    documents = session.exec(
        select(Document).where(Document.model_id == model.id).order_by(col(Document.added_at).desc())
    ).all()
    counted = session.exec(
        select(ReviewItem.document_id, ReviewItem.state, func.count())
        .where(ReviewItem.model_id == model.id, col(ReviewItem.document_id).is_not(None))
        .group_by(col(ReviewItem.document_id), col(ReviewItem.state))
    ).all()
    by_document: dict[UUID | None, dict[ReviewState, int]] = {}
    for document_id, state, n in counted:
        by_document.setdefault(document_id, {})[ReviewState(state)] = n
    return [_count(document, by_document.get(document.id, {})) for document in documents]


def find_document(session: Session, document_id: UUID) -> Document:
    document = session.get(Document, document_id)
    if document is None:
        raise NotFound("document", document_id)
    return document


def _count(document: Document, states: Mapping[ReviewState, int]) -> DocumentCount:
    waiting = states.get(ReviewState.OPEN, 0) + states.get(ReviewState.DISPUTED, 0)
    return DocumentCount(document, sum(states.values()), waiting, states.get(ReviewState.DONE, 0))


def _require_something(found: Sequence[object]) -> None:
    if not found:
        raise InvalidInput(
            "nothing here can be proposed; write questions with answers, headings with text below them, or lists"
        )


def _item(document: Document, question: str, proposed: str, reason: str, number: int) -> ReviewItem:
    return ReviewItem(
        client_id=document.client_id,
        model_id=document.model_id,
        purpose=ReviewPurpose.PROPOSED,
        source=Source.DOCUMENT,
        reason=reason,
        priority=ORDER[ReviewPurpose.PROPOSED] + 0.9 - number / 1_000,
        document_id=document.id,
        messages=[{"role": "user", "content": question}],
        answers={"proposed": proposed},
    )
