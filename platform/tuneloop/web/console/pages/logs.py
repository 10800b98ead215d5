"""Answers given elsewhere, sent as a file of a log."""

from typing import Any

from litestar import Controller, Response, get, post
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency
from litestar.params import FromPath

from tuneloop.clients.service import find_client
from tuneloop.datasets.logs.schemas import AnswersImported
from tuneloop.datasets.logs.service import import_log
from tuneloop.datasets.row import Choice
from tuneloop.datasets.waiting import LARGEST
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.request_bodies import DEFAULT_BYTES
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import aliases, find_model, list_versions
from tuneloop.tables import Alias, RegisteredModel, Role
from tuneloop.web.console.flash import back_to
from tuneloop.web.console.forms import optional, sent_file
from tuneloop.web.console.render import page


class LogPage(Controller):
    path = "/models/{client:str}/{model:str}/answers/import"
    include_in_schema = False

    @get(role=Role.OPERATOR, sync_to_thread=True)
    def choose(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[str]:
        return _page(request, session, client, find_model(session, client=client, model=model))

    @post(role=Role.OPERATOR, status_code=200, request_max_body_size=LARGEST + DEFAULT_BYTES, sync_to_thread=True)
    def send(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        form: NamedDependency[FormMultiDict],
        client: FromPath[str],
        model: FromPath[str],
    ) -> Response[Any]:
        found, sent = find_model(session, client=client, model=model), sent_file(form)
        choice = Choice(text=optional(form, "text_column") or None, answer=optional(form, "answer_column") or None)
        try:
            report = import_log(
                session,
                principal=principal,
                model=found,
                file=sent.file,
                choice=choice,
                time_column=optional(form, "time_column") or None,
                version=optional(form, "version") or None,
                partial=optional(form, "partial") == "yes",
            )
        except InvalidInput as error:
            return _page(request, session, client, found, refused=error.message)
        return back_to(f"/models/{client}/{model}", _told(report))


def _page(
    request: HttpRequest, session: TenantSession, client: str, model: RegisteredModel, *, refused: str = ""
) -> Response[str]:
    production = aliases(session, model.id).get(Alias.PRODUCTION)
    return page(
        request,
        "data/log.html",
        base=f"/models/{client}/{model.slug}",
        client=find_client(session, client),
        model=model,
        versions=list(reversed(list_versions(session, model))),
        production=production,
        refused=refused,
        largest=LARGEST >> 20,
    )


def _told(report: AnswersImported) -> str:
    parts = [f"{report.added} answers of v{report.version} were imported"]
    for count, what in (
        (report.known, "were there already"),
        (report.others, "rows were no answers"),
        (report.rejected, "rows with problems were left out"),
    ):
        parts += [f"{count} {what}"] if count else []
    told = ", ".join(parts) + "."
    if report.unsure:
        told += f" {report.unsure} have no confidence, because nobody measured it: the random sample judges them."
    if report.unwatched:
        told += f" {report.unwatched} are older than what was measured last, so no sample is drawn from them."
    return told
