"""HTTP: answers given elsewhere, as files and as spans."""

from typing import Annotated, Any

import orjson
from anyio import to_thread
from litestar import Controller, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, QueryParameter

from tuneloop.datasets.formats import LIMITS
from tuneloop.datasets.logs.schemas import AnswersImported, PartialSuccess, TracesTaken
from tuneloop.datasets.logs.service import import_log, take_spans
from tuneloop.datasets.row import Choice
from tuneloop.datasets.uploads import ExamplesUpload, choice_of, received
from tuneloop.identity.request import HttpRequest
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import find_model
from tuneloop.tables import Role

MOST_SPANS_BYTES = 8 << 20
VersionQuery = Annotated[str | None, QueryParameter(description="whose answers they are; production if left out")]


class LogController(Controller):
    path = "/api/v1/models/{client:str}/{model:str}"
    tags = ("predictions",)

    @post(
        "/predictions/import",
        role=Role.OPERATOR,
        status_code=200,
        operation_class=ExamplesUpload,
        request_max_body_size=None,
        dependencies={"choice": Provide(choice_of, sync_to_thread=False)},
    )
    async def import_file(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        choice: NamedDependency[Choice],
        version: VersionQuery = None,
        time_column: FromQuery[str | None] = None,
        partial: FromQuery[bool] = False,
    ) -> AnswersImported:
        """Answers given elsewhere into the production log. The same file again adds nothing."""
        with await received(request, LIMITS.file_bytes) as file:

            def take() -> AnswersImported:
                return import_log(
                    session,
                    principal=principal,
                    model=find_model(session, client=client, model=model),
                    file=file,
                    choice=choice,
                    time_column=time_column,
                    version=version,
                    partial=partial,
                )

            return await to_thread.run_sync(take)

    @post("/otlp/v1/traces", role=Role.OPERATOR, status_code=200, request_max_body_size=MOST_SPANS_BYTES)
    async def spans(
        self,
        request: HttpRequest,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        version: VersionQuery = None,
    ) -> TracesTaken:
        """Spans of OpenTelemetry (OTLP over HTTP, in JSON): those of answers go into the production log."""
        body = _json(request.headers.get("content-type", ""), await request.body())

        def take() -> TracesTaken:
            found = find_model(session, client=client, model=model)
            report = take_spans(session, principal=principal, model=found, body=body, version=version)
            told = "; ".join(f"span {each.line}: {each.message}" for each in report.problems[:3])
            return TracesTaken(partialSuccess=PartialSuccess(rejectedSpans=report.rejected, errorMessage=told))

        return await to_thread.run_sync(take)


def _json(content_type: str, raw: bytes) -> dict[str, Any]:
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise InvalidInput(
            "spans are read in JSON; set OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json in the exporter or collector"
        )
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"the body is not valid JSON: {error.msg}") from error
    if not isinstance(body, dict):
        raise InvalidInput("the body must be an object with resourceSpans")
    return body
