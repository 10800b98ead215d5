"""Liveness, readiness and metrics of the web process."""

from litestar import MediaType, Response, get
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tuneloop.gateway.app import gateway_answers
from tuneloop.identity.request import HttpRequest, database_of, settings_of
from tuneloop.kit.errors import NotAuthenticated
from tuneloop.kit.health import may_read_metrics


@get("/healthz", public=True, media_type=MediaType.TEXT, sync_to_thread=False, tags=["health"])
def healthz() -> str:
    """The process runs."""
    return "ok"


@get("/readyz", public=True, sync_to_thread=True, tags=["health"])
def readyz(request: HttpRequest) -> Response[dict[str, str]]:
    """Requests may come. Without its database the process still answers the clients' users, by the routes it knows."""
    try:
        with database_of(request).all_agencies() as session:
            session.execute(text("select 1"))
    except SQLAlchemyError:
        answers = gateway_answers(request.app)
        found = {"database": "down", "gateway": "up" if answers else "down"}
        return Response(found, status_code=200 if answers else 503)
    return Response({"database": "up"})


@get("/metrics", public=True, sync_to_thread=False, include_in_schema=False)
def metrics(request: HttpRequest) -> Response[bytes]:
    """Prometheus text format."""
    if not may_read_metrics(settings_of(request), request.headers.get("authorization")):
        raise NotAuthenticated("send TUNELOOP_METRICS_TOKEN as 'Authorization: Bearer …'")
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
