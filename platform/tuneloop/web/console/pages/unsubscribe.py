"""The link at the end of a mail. Opening it changes nothing: mail scanners open every link."""

from litestar import Controller, MediaType, Response, get, post
from litestar.params import FromPath

from tuneloop.email.service import find_by_token, unsubscribe
from tuneloop.identity.request import HttpRequest, database_of
from tuneloop.kit.errors import NotFound
from tuneloop.web.console.brand import brand_of
from tuneloop.web.console.render import page


class UnsubscribePage(Controller):
    path = "/mail/unsubscribe/{token:str}"
    include_in_schema = False

    @get(public=True, sync_to_thread=True)
    def ask(self, request: HttpRequest, token: FromPath[str]) -> Response[str]:
        try:
            with database_of(request).all_agencies() as session:
                mail = find_by_token(session, token)
                brand = brand_of(session, mail.agency_id, mail.client_id)
        except NotFound:
            return page(request, "unsubscribe.html", status=404, address=None, done=False)
        return page(request, "unsubscribe.html", address=mail.recipient_email, done=False, brand=brand)

    @post(public=True, sync_to_thread=True, media_type=MediaType.HTML)
    def leave(self, request: HttpRequest, token: FromPath[str]) -> Response[str]:
        """From the page's button, or from the mail program itself (RFC 8058); the token is the permission."""
        try:
            with database_of(request).all_agencies() as session:
                mail = unsubscribe(session, token)
                brand = brand_of(session, mail.agency_id, mail.client_id)
        except NotFound:
            return page(request, "unsubscribe.html", status=404, address=None, done=False)
        return page(request, "unsubscribe.html", address=mail.recipient_email, done=True, brand=brand)
