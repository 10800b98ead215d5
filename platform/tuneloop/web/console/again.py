"""Asked for what has failed before: say so, and take a second click for insisting."""

from litestar import Response
from sqlmodel import Session

from tuneloop.identity.request import HttpRequest
from tuneloop.retraining.failed_before import FailedBefore
from tuneloop.tables import Client, RegisteredModel
from tuneloop.web.console.render import page


def tried_before(
    session: Session, request: HttpRequest, refused: FailedBefore, *, model: RegisteredModel
) -> Response[str]:
    return page(
        request,
        "again.html",
        status=refused.status,
        message=refused.message[0].upper() + refused.message[1:],
        cycle_id=refused.details["cycle"],
        client=session.get_one(Client, model.client_id),
        model=model,
    )
