"""Asked for what has failed before: say so, and take a second click for insisting."""

from litestar import Response

from tuneloop.console.render import page
from tuneloop.identity.request import HttpRequest
from tuneloop.retraining.failed_before import FailedBefore


def tried_before(request: HttpRequest, refused: FailedBefore) -> Response[str]:
    said = refused.message[0].upper() + refused.message[1:]
    return page(request, "again.html", status=refused.status, message=said, cycle_id=refused.details["cycle"])
