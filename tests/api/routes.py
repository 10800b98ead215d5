"""The application's route table, and a request for each of its routes."""

from typing import Any, NamedTuple

from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from tests.support.adapters import small_adapter
from tests.support.web_application import any_application
from tests.support.world import World
from tuneloop.kit.ids import new_id
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.tables import (
    AbTest,
    Alert,
    ApiKey,
    DataFinding,
    Erasure,
    EvalRun,
    Example,
    Feedback,
    Invitation,
    JobRow,
    Mail,
    MailBlock,
    PaymentProblem,
    Prediction,
    RetrainingCycle,
    ReviewItem,
    Role,
    ServiceUse,
    ShadowTest,
    ShareLink,
    SlackIdentity,
    SlackInstallation,
    Upload,
    WorkEntry,
)


class Endpoint(NamedTuple):
    """`role` is None for public routes; `parameters` are those of the path."""

    method: str
    path: str
    role: Role | None
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def url(self, values: dict[str, str]) -> str:
        return self.path.format(**{name: values[name] for name in self.parameters})


def endpoints(app: Litestar) -> list[Endpoint]:
    """Every route but those of the OpenAPI document and the generated OPTIONS."""
    found = []
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or route.path.startswith("/schema"):
            continue
        for handler in route.route_handlers:
            assert isinstance(handler, HTTPRouteHandler)
            role = Role(handler.opt["role"]) if "role" in handler.opt else None
            methods = sorted(handler.http_methods - {"OPTIONS", "HEAD"})
            found += [Endpoint(method, route.path_format, role, tuple(route.path_parameters)) for method in methods]
    return sorted(found)


ENDPOINTS = endpoints(any_application())
PRIVATE = [endpoint for endpoint in ENDPOINTS if endpoint.role is not None]


def own(world: World) -> dict[str, str]:
    """A value of every path parameter that names something of this world."""
    return {
        "client": world.client.slug,
        "model": world.model.slug,
        "version": world.version.digest,
        "name": "adapter.gguf",
        "user_id": str(world.user.id),
        "invitation_id": str(world.row(Invitation).id),
        "session_id": str(new_id()),
        "key_id": str(world.row(ApiKey).id),
        "example_id": str(world.row(Example).id),
        "completion": completion_id(world.row(Prediction).id),
        "feedback_id": str(world.row(Feedback).id),
        "upload_id": str(world.row(Upload).id),
        "alert_id": str(world.row(Alert).id),
        "run_id": str(world.row(EvalRun).id),
        "cycle_id": str(world.row(RetrainingCycle).id),
        "ab_test_id": str(world.row(AbTest).id),
        "shadow_test_id": str(world.row(ShadowTest).id),
        "job_id": str(world.row(JobRow).id),
        "erasure_id": str(world.row(Erasure).id),
        "installation_id": str(world.row(SlackInstallation).id),
        "identity_id": str(world.row(SlackIdentity).id),
        "mail_id": str(world.row(Mail).id),
        "month": "2026-01",
        "block_id": str(world.row(MailBlock).id),
        "finding_id": str(world.row(DataFinding).id),
        "link_id": str(world.row(ShareLink).id),
        "item_id": str(world.row(ReviewItem).id),
        "plan": f"{world.client.slug}-plan",
        "use_id": str(world.row(ServiceUse).id),
        "work_id": str(world.row(WorkEntry).id),
        "problem_id": str(world.row(PaymentProblem).id),
        "invoice": f"in_{world.client.slug}",
    }


def missing() -> dict[str, str]:
    """Values of the same form that name nothing."""
    ids = (
        "installation_id",
        "identity_id",
        "finding_id",
        "link_id",
        "user_id",
        "invitation_id",
        "session_id",
        "key_id",
        "example_id",
        "feedback_id",
        "upload_id",
        "alert_id",
        "run_id",
        "cycle_id",
        "ab_test_id",
        "shadow_test_id",
        "job_id",
        "erasure_id",
        "item_id",
        "mail_id",
        "block_id",
        "problem_id",
    )
    return {
        "client": "nowhere",
        "month": "2026-01",
        "model": "nothing",
        "plan": "no-plan",
        "use_id": str(new_id()),
        "work_id": str(new_id()),
        "invoice": "in_nothing",
        "version": "9" * 64,
        "name": "adapter.gguf",
        "completion": completion_id(new_id()),
        **{name: str(new_id()) for name in ids},
    }


DIGEST = "1" * 64
JSON: dict[str, Any] = {
    "POST /api/v1/invitations": {"email": "bo@x.example", "role": "viewer"},
    "PUT /api/v1/password": {"old": "long enough it was", "new": "long enough it is"},
    "POST /api/v1/account/second-factor": {"password": "long enough it was"},
    "POST /api/v1/account/second-factor/confirm": {"code": "123456"},
    "POST /api/v1/account/second-factor/off": {"password": "long enough it was"},
    "POST /api/v1/account/second-factor/recovery-codes": {"password": "long enough it was"},
    "POST /api/v1/keys/{key_id}/rotate": {"grace_hours": 1},
    "PUT /api/v1/account/alert-mail": {"when": "always"},
    "PUT /api/v1/identity-provider": {"issuer": "http://127.0.0.1:1", "client_id": "tuneloop"},
    "PATCH /api/v1/sign-in-policy": {"second_factor_required": True},
    "PUT /api/v1/members/{user_id}/role": {"role": "operator"},
    "POST /api/v1/bases": {"name": "qwen3-0.6b"},
    "POST /api/v1/keys": {"name": "ci", "role": "viewer", "all_clients": True},
    "PUT /api/v1/clients/{client}/reports/{month}/note": {"note": "Hello"},
    "POST /api/v1/clients/{client}/reports/{month}/approve": {"digest": DIGEST},
    "POST /api/v1/exports": {"kind": "text", "target": "ann@example.com"},
    "POST /api/v1/erasures": {"kind": "text", "target": "ann@example.com", "reason": "asked"},
    "PATCH /api/v1/report-style": {"language": "de"},
    "PUT /api/v1/mail/sender": {"email": "reports@north.example", "name": "North"},
    "PATCH /api/v1/clients/{client}": {"name": "New name"},
    "POST /api/v1/clients": {"slug": "new", "name": "New"},
    "POST /api/v1/models/{client}": {
        "slug": "new",
        "base": "not-registered",
        "contract": {"task": "generate", "system_prompt": "Reply."},
    },
    "PATCH /api/v1/models/{client}/{model}": {"policy": {"overall_margin": 0.01}},
    "POST /api/v1/models/{client}/{model}/external": {"url": "https://127.0.0.1/v1", "model": "ft:a"},
    "PATCH /api/v1/models/{client}/{model}/external/{version}": {"input_price": "0.3"},
    "POST /api/v1/models/{client}/{model}/external/{version}/serve": {"digest": DIGEST, "reason": "moved"},
    "POST /api/v1/models/{client}/{model}/migration/recording": {"requests": 5},
    "POST /api/v1/models/{client}/{model}/examples/retire": {"example_ids": [str(new_id())]},
    "POST /api/v1/models/{client}/{model}/snapshots": {"pool": "golden"},
    "POST /api/v1/models/{client}/{model}/feedback/accept": {"ids": [str(new_id())]},
    "POST /api/v1/models/{client}/{model}/feedback/{feedback_id}/accept": {},
    "POST /api/v1/models/{client}/{model}/findings/settle": {"findings": [str(new_id())], "settlement": "delete"},
    "POST /api/v1/findings/{finding_id}/dismiss": {"reason": "it is ours"},
    "POST /api/v1/findings/{finding_id}/fix": {},
    "POST /api/v1/findings/{finding_id}/placeholders": {},
    "POST /api/v1/models/{client}/{model}/documents": {"title": "Returns", "text": "- How long may I wait for it?"},
    "POST /api/v1/models/{client}/{model}/links": {"days": 30},
    "POST /api/v1/models/{client}/{model}/review/fill": {"budget": 20},
    "POST /api/v1/review/{item_id}/label": {"expected": "order"},
    "POST /api/v1/review/{item_id}/settle": {"expected": "order"},
    "POST /api/v1/models/{client}/{model}/cycles": {},
    "POST /api/v1/models/{client}/{model}/clusters/ask": {"name": "gift"},
    "PATCH /api/v1/models/{client}/{model}/schedules": {"task": "reading", "every_days": 3},
    "POST /api/v1/alerts/{alert_id}/snooze": {"until": "2999-01-01T00:00:00Z", "reason": "later"},
    "POST /api/v1/alerts/{alert_id}/dismiss": {"reason": "nothing"},
    "POST /api/v1/alerts/{alert_id}/resolve": {"reason": "mended"},
    "PUT /api/v1/slack/channel": {"channel": "C0123456789"},
    "POST /api/v1/cycles/{cycle_id}/approve": {"digest": DIGEST},
    "POST /api/v1/cycles/{cycle_id}/steps": {"step": "retrain"},
    "POST /api/v1/cycles/{cycle_id}/promote": {"digest": DIGEST},
    "POST /api/v1/cycles/{cycle_id}/reject": {"digest": DIGEST},
    "POST /api/v1/cycles/{cycle_id}/ab-tests": {"digest": DIGEST},
    "POST /api/v1/ab-tests/{ab_test_id}/stop": {},
    "POST /api/v1/cycles/{cycle_id}/shadow-tests": {"digest": DIGEST},
    "POST /api/v1/shadow-tests/{shadow_test_id}/stop": {},
    "POST /api/v1/models/{client}/{model}/try": {"prompt": "Where is my parcel?"},
    "POST /api/v1/models/{client}/{model}/rollback": {"digest": DIGEST},
    "POST /api/v1/plans": {"slug": "gold", "tier": "premium"},
    "PATCH /api/v1/plans/{plan}": {"price": 300_000},
    "PUT /api/v1/clients/{client}/plan": {"plan": "acme-plan"},
    "POST /api/v1/clients/{client}/plan/cancel": {"confirmed": True},
    "POST /api/v1/clients/{client}/extras": {"feature": "retrain", "agreed_price": 70_000},
    "POST /api/v1/offers/{use_id}/accept": {"agreed_price": 70_000},
    "PATCH /api/v1/billing": {"currency": "usd"},
    "POST /api/v1/billing/connection": {},
    "POST /api/v1/clients/{client}/work": {"activity": "collect", "minutes": 5},
    "POST /api/v1/clients/{client}/work/beat": {"activity": "collect"},
    "PATCH /api/v1/work/{work_id}": {"minutes": 5},
    "POST /api/v1/invoices/{invoice}/credit": {"amount": 5, "reason": "a favour"},
}
FORMS: dict[str, dict[str, str]] = {
    "POST /reports/{client}/{month}/note": {"note": "Hello"},
    "POST /reports/{client}/{month}/approve": {"digest": DIGEST},
    "POST /account/alert-mail": {"when": "always"},
    "POST /members": {"email": "cy@x.example", "role": "viewer"},
    "POST /members/{user_id}/role": {"role": "operator"},
    "POST /privacy/exports": {"kind": "text", "target": "ann@example.com"},
    "POST /privacy/erasures": {"kind": "text", "target": "ann@example.com", "reason": "asked"},
    "POST /bases": {"name": "qwen3-0.6b"},
    "POST /keys": {"name": "page", "role": "viewer", "client": "*"},
    "POST /plans": {"slug": "silver", "tier": "basic"},
    "POST /plans/{plan}": {"price": "2500"},
    "POST /billing": {"timezone": "Europe/Berlin", "currency": "eur"},
    "POST /new-client": {"name": "New", "domain": "legal", "plan": "basic"},
    "POST /clients/{client}/new-model": {
        "name": "triage",
        "task": "generate",
        "base": "not-registered",
        "system_prompt": "Answer.",
    },
    "POST /slack/channel": {"channel": "C0123456789"},
    "POST /billing/offers/{use_id}": {"answer": "decline"},
    "POST /clients/{client}/billing/plan": {"plan": "acme-plan"},
    "POST /clients/{client}/billing/state": {"do": "pause"},
    "POST /clients/{client}/billing/extras": {"feature": "retrain"},
    "POST /clients/{client}/billing/work": {"activity": "collect", "minutes": "5"},
    "POST /clients/{client}/billing/link": {"to": "portal"},
    "POST /clients/{client}/billing/month": {"month": "2026-10"},
    "POST /models/{client}/{model}/data/findings": {"finding": str(new_id()), "settlement": "delete"},
    "POST /models/{client}/{model}/rollback": {"digest": DIGEST},
    "POST /models/{client}/{model}/external": {"url": "https://127.0.0.1/v1", "service_model": "ft:a"},
    "POST /models/{client}/{model}/external/{version}": {"input_price": "0.3"},
    "POST /models/{client}/{model}/external/{version}/serve": {"digest": DIGEST, "reason": "moved"},
    "POST /models/{client}/{model}/migration/recording": {"requests": "5"},
    "POST /models/{client}/{model}/try": {"prompt": "Where is my parcel?"},
    "POST /models/{client}/{model}/clusters": {"name": "parcels"},
    "POST /models/{client}/{model}/schedules": {"task": "reading", "do": "pause"},
    "POST /alerts/{alert_id}/snooze": {"days": "7", "reason": "known"},
    "POST /alerts/{alert_id}/dismiss": {"reason": "no problem"},
    "POST /alerts/{alert_id}/resolve": {"reason": "solved"},
    "POST /cycles/{cycle_id}/approve": {"digest": DIGEST},
    "POST /cycles/{cycle_id}/steps": {"step": "retrain"},
    "POST /cycles/{cycle_id}/promote": {"digest": DIGEST},
    "POST /cycles/{cycle_id}/reject": {"digest": DIGEST},
    "POST /cycles/{cycle_id}/ab-test": {"digest": DIGEST},
    "POST /ab-tests/{ab_test_id}/stop": {},
    "POST /cycles/{cycle_id}/shadow-test": {"digest": DIGEST},
    "POST /shadow-tests/{shadow_test_id}/stop": {},
    "POST /models/{client}/{model}/data/import/{upload_id}": {"do": "look"},
}
ADAPTER = [("files", (name, content)) for name, content in small_adapter().items()]
OTHER: dict[str, Any] = {
    **{route: {"data": fields} for route, fields in FORMS.items()},
    "POST /api/v1/report-style/logo": {"content": b"no picture"},
    "POST /api/v1/models/{client}/{model}/examples": {
        "params": {"pool": "training"},
        "content": b'{"text": "Where is it?", "label": "order"}\n',
        "headers": {"Content-Type": "application/x-ndjson"},
    },
    "POST /api/v1/models/{client}/{model}/examples/preview": {"content": b'{"text": "Where?", "label": "order"}\n'},
    "POST /api/v1/models/{client}/{model}/predictions/import": {
        "content": b'{"text": "Where?", "answer": "order", "at": "2026-10-01T09:00:00Z"}\n'
    },
    "POST /api/v1/models/{client}/{model}/otlp/v1/traces": {"json": {"resourceSpans": []}},
    "POST /models/{client}/{model}/answers/import": {"files": {"file": ("a.csv", b"text,answer,at\na,b,2026-10-01\n")}},
    "POST /models/{client}/{model}/data/import": {"files": {"file": ("a.csv", b"text,label\na,order\n")}},
    "POST /api/v1/models/{client}/{model}/versions": {"files": ADAPTER},
    "POST /models/{client}/{model}/versions": {"files": ADAPTER},
    "GET /api/v1/models/{client}/{model}/examples/export": {"params": {"pool": "training"}},
}


def options(endpoint: Endpoint) -> dict[str, Any]:
    """What a valid request to this endpoint needs beside its URL."""
    if str(endpoint) in OTHER:
        return dict(OTHER[str(endpoint)])
    return {"json": JSON[str(endpoint)]} if str(endpoint) in JSON else {}
