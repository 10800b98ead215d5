"""The client's page behind a signed link: "the answer should have been …", without an account."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from sqlmodel import Session

from tuneloop.identity.request import HttpRequest, database_of
from tuneloop.kit.errors import InvalidInput, NotFound, TuneloopError
from tuneloop.predictions.completion_ids import prediction_id
from tuneloop.predictions.service import find_prediction
from tuneloop.registry.contract import Task
from tuneloop.registry.service import contract_of
from tuneloop.review.correction_links import correct_by_link, find_link
from tuneloop.tables import Agency, Client, RegisteredModel, ShareLink
from tuneloop.web.console.brand import brand_of
from tuneloop.web.console.render import page

TEMPLATE = "review/correction.html"
LONGEST = {"question": 4_000, "expected": 8_000, "other": 8_000, "comment": 2_000, "name": 100}
OTHER = "\N{HORIZONTAL ELLIPSIS}"
"""Value of the choice "none of these"; no label can be it, as labels of one sign are never offered."""


class CorrectionPage(Controller):
    path = "/fix/{token:str}"
    include_in_schema = False

    @get(public=True, sync_to_thread=True)
    def ask(self, request: HttpRequest, token: FromPath[str], answer: FromQuery[str] = "") -> Response[str]:
        try:
            with _of(request, token) as (session, link):
                return _form(request, session, link, answer=answer)
        except NotFound:
            return _unknown(request)

    @post(public=True, status_code=200, request_max_body_size=1 << 18, sync_to_thread=True)
    def correct(
        self,
        request: HttpRequest,
        form: NamedDependency[FormMultiDict],
        token: FromPath[str],
        answer: FromQuery[str] = "",
    ) -> Response[str]:
        values = {name: _text(form, name) for name in LONGEST}
        try:
            with _of(request, token) as (session, link):
                _check_lengths(values)
                correct_by_link(
                    session,
                    link_id=link.id,
                    expected=values["other"] if values["expected"] in ("", OTHER) else values["expected"],
                    question=values["question"],
                    answer_id=prediction_id(answer) if answer else None,
                    comment=values["comment"],
                    name=values["name"],
                )
                return _form(request, session, link, done=True, said={"name": values["name"]})
        except NotFound:
            return _unknown(request)
        except TuneloopError as refused:
            with _of(request, token) as (session, link):
                problem, status = refused.message, refused.status
                return _form(request, session, link, answer=answer, said=values, problem=problem, status=status)


@contextmanager
def _of(request: HttpRequest, token: str) -> Iterator[tuple[Session, ShareLink]]:
    """A transaction that sees the link's client and nothing else."""
    database = database_of(request)
    with database.all_agencies() as everywhere:
        found = find_link(everywhere, token)
        agency_id, client_id, link_id = found.agency_id, found.client_id, found.id
        request.state.brand = brand_of(everywhere, agency_id, client_id)
    with database.unit(agency_id, client_id=client_id) as session:
        yield session, session.get_one(ShareLink, link_id)


def _form(
    request: HttpRequest,
    session: Session,
    link: ShareLink,
    *,
    answer: str = "",
    said: dict[str, str] | None = None,
    done: bool = False,
    problem: str = "",
    status: int = 200,
) -> Response[str]:
    model = session.get_one(RegisteredModel, link.model_id)
    contract = contract_of(model)
    about = find_prediction(session, model_id=model.id, answer_id=prediction_id(answer)) if answer else None
    context: dict[str, Any] = {
        "client": session.get_one(Client, link.client_id),
        "sender": session.get_one(Agency, link.agency_id),
        "labels": list(contract.labels) if contract.task is Task.CLASSIFY else [],
        "about": about,
        "said": dict.fromkeys(LONGEST, "") | (said or {}),
        "other": OTHER,
        "done": done,
        "problem": problem,
    }
    return page(request, TEMPLATE, status=status, known=True, **context)


def _unknown(request: HttpRequest) -> Response[str]:
    return page(request, TEMPLATE, status=404, known=False)


def _check_lengths(said: dict[str, str]) -> None:
    for name, text in said.items():
        if len(text) > LONGEST[name]:
            raise InvalidInput(f"that is too long; at most {LONGEST[name]:,} letters fit", param=name)


def _text(form: FormMultiDict, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""
