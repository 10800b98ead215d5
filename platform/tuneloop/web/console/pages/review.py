"""The review queue, one answer at a time, by keyboard, on a phone, or with a screen reader."""

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlmodel import Session, select

from tuneloop.clients.service import find_client
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput, NotFound
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of, find_model
from tuneloop.review.blinding import shown
from tuneloop.review.labels import agreement, labeller_of, labels_by, of_item, pace, waiting
from tuneloop.review.neighbours import Neighbour, neighbours
from tuneloop.review.queue import budget_of, fill, next_item, settle, skip, submit_label, undo
from tuneloop.tables import RegisteredModel, ReviewItem, ReviewPurpose, ReviewState, Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.render import page, part
from tuneloop.web.console.shortcuts import AnswerChoice, choices

DAY = timedelta(hours=16)
USUAL_SECONDS = 20.0

WHY = {
    ReviewPurpose.SAMPLE: "Random sample",
    ReviewPurpose.UNCERTAIN: "Unsure",
    ReviewPurpose.FLAGGED: "Flagged",
    ReviewPurpose.BURST: "Alert",
    ReviewPurpose.GATE: "New version",
    ReviewPurpose.SHADOW: "Shadow test",
    ReviewPurpose.PROPOSED: "Proposal",
}


class LabellingProgress(NamedTuple):
    """`done` are this person's labels of today."""

    done: int
    waiting: int
    seconds_each: float | None

    @property
    def share(self) -> float:
        return self.done / (self.done + self.waiting) if self.done + self.waiting else 1.0

    @property
    def seconds_left(self) -> float:
        return self.waiting * (self.seconds_each or USUAL_SECONDS)


class Card(NamedTuple):
    """What is shown of an item. `answers` are choices of free text; `choices` the labels with their keys."""

    item: ReviewItem
    why: str
    question: list[dict[str, Any]]
    choices: list[AnswerChoice]
    filtered: bool
    answers: list[AnswerChoice]
    neighbours: list[Neighbour]
    label_set: list[str]


class ReviewPage(Controller):
    path = "/models/{client:str}/{model:str}/review"
    include_in_schema = False

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def index(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        purpose: FromQuery[ReviewPurpose | None] = None,
    ) -> Response[str]:
        found = find_model(session, client=client, model=model)
        disputes = _disputes(session, found) if principal.may(Role.ADMIN) else []
        context = _context(session, principal, found, purpose=purpose)
        context |= {"client": find_client(session, client), "model": found, "disputes": disputes}
        context["agreement"] = agreement(session, found)
        return page(request, "review/queue.html", base=_address(client, model), budget=budget_of(found), **context)

    @post("/fill", role=Role.OPERATOR, sync_to_thread=True)
    def fill_queue(
        self, session: NamedDependency[TenantSession], client: FromPath[str], model: FromPath[str]
    ) -> Response[Any]:
        found = find_model(session, client=client, model=model)
        filled = fill(session, found, budget_of(found))
        message = f"{filled.added} answers are in the queue, {filled.sample} of them a random sample."
        return back_to(_address(client, model), message if filled.added else "There are no new answers to label.")

    @post("/{item_id:uuid}/label", role=Role.OPERATOR, sync_to_thread=True)
    def label(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
        item_id: FromPath[UUID],
        purpose: FromQuery[ReviewPurpose | None] = None,
    ) -> Response[Any]:
        found = find_model(session, client=client, model=model)
        _require_of(session, found, item_id)
        item = submit_label(
            session,
            principal=principal,
            item_id=item_id,
            expected=_text(form, "expected"),
            category=_text(form, "category") or None,
            seconds=_seconds(form),
            second_opinion=bool(form.get("second_opinion")),
        )
        message = f"Labelled “{_text(form, 'expected')[:60]}”." + (
            " Somebody else is asked too." if _open(item) else ""
        )
        return _next(request, session, principal, found, client, model, purpose, last=item, said=message)

    @post("/{item_id:uuid}/skip", role=Role.OPERATOR, sync_to_thread=True)
    def skip_item(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        item_id: FromPath[UUID],
        purpose: FromQuery[ReviewPurpose | None] = None,
    ) -> Response[Any]:
        found = find_model(session, client=client, model=model)
        _require_of(session, found, item_id)
        item = skip(session, principal=principal, item_id=item_id)
        return _next(request, session, principal, found, client, model, purpose, last=item, said="Skipped.")

    @post("/{item_id:uuid}/undo", role=Role.OPERATOR, sync_to_thread=True)
    def undo_label(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        item_id: FromPath[UUID],
        purpose: FromQuery[ReviewPurpose | None] = None,
    ) -> Response[Any]:
        found = find_model(session, client=client, model=model)
        _require_of(session, found, item_id)
        item = undo(session, principal=principal, item_id=item_id)
        return _next(
            request, session, principal, found, client, model, purpose, again=item, said="Taken back; answer it again."
        )

    @post("/{item_id:uuid}/settle", role=Role.ADMIN, sync_to_thread=True)
    def settle_item(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
        item_id: FromPath[UUID],
    ) -> Response[Any]:
        _require_of(session, find_model(session, client=client, model=model), item_id)
        settle(session, principal=principal, item_id=item_id, expected=_text(form, "expected"))
        return back_to(_address(client, model), "The dispute is settled.")


def _next(
    request: HttpRequest,
    session: Session,
    principal: Principal,
    model: RegisteredModel,
    client: str,
    slug: str,
    purpose: ReviewPurpose | None,
    *,
    last: ReviewItem | None = None,
    again: ReviewItem | None = None,
    said: str = "",
) -> Response[Any]:
    """The next card for HTMX; a browser without scripts sees the page again."""
    session.flush()
    if "hx-request" not in request.headers:
        return back_to(_address(client, slug), said)
    context = _context(session, principal, model, purpose=purpose, last=last, again=again, said=said)
    return part(request, "review/card.html", base=_address(client, slug), budget=budget_of(model), **context)


def _context(
    session: Session,
    principal: Principal,
    model: RegisteredModel,
    *,
    purpose: ReviewPurpose | None,
    last: ReviewItem | None = None,
    again: ReviewItem | None = None,
    said: str = "",
) -> dict[str, Any]:
    item = again or next_item(session, principal=principal, model=model, purposes=[purpose] if purpose else ())
    speed = pace(session, model, since=now() - DAY)
    progress = LabellingProgress(
        labels_by(session, model, labeller_of(principal), since=now() - DAY),
        waiting(session, ReviewItem.model_id == model.id),
        speed.median_seconds,
    )
    return {
        "card": _card(session, model, item) if item else None,
        "progress": progress,
        "last": last,
        "said": said,
        "purpose": purpose,
    }


def _card(session: Session, model: RegisteredModel, item: ReviewItem) -> Card:
    contract = contract_of(model)
    labels = list(contract.labels) if contract.task is Task.CLASSIFY else []
    offered = shown(contract, item).answers
    if labels:
        first = [text for text in offered if text in labels]
        labels = [*first, *(label for label in labels if label not in first)]
    keyed = choices(labels)
    return Card(
        item=item,
        why=WHY[item.purpose],
        question=item.messages,
        choices=keyed,
        filtered=bool(labels) and any(choice.key is None for choice in keyed),
        answers=[] if labels else choices(offered[:9]),
        neighbours=neighbours(session, item),
        label_set=labels,
    )


def _disputes(session: Session, model: RegisteredModel) -> list[dict[str, Any]]:
    query = select(ReviewItem).where(ReviewItem.model_id == model.id, ReviewItem.state == ReviewState.DISPUTED)
    return [{"item": item, "labels": of_item(session, item.id)} for item in session.exec(query.limit(20))]


def _require_of(session: Session, model: RegisteredModel, item_id: UUID) -> None:
    item = session.get(ReviewItem, item_id)
    if item is None or item.model_id != model.id:
        raise NotFound("review item", item_id)


def _address(client: str, model: str) -> str:
    return f"/models/{client}/{model}/review"


def _open(item: ReviewItem) -> bool:
    return item.state in (ReviewState.OPEN, ReviewState.DISPUTED)


def _text(form: FormMultiDict, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _seconds(form: FormMultiDict) -> float | None:
    """Time on the page; more than half an hour was not spent on the answer."""
    try:
        seconds = float(_text(form, "seconds") or "nan")
    except ValueError:
        raise InvalidInput("seconds must be a number", param="seconds") from None
    return seconds if 0 <= seconds <= 1800 else None
