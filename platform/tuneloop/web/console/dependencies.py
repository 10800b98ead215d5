"""Dependencies of every page: the form that was sent, the caller, and one transaction confined to the caller."""

from collections.abc import Iterator

from anyio.to_thread import run_sync
from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency

from tuneloop.identity.request import HttpRequest, authenticate, database_of, role_of
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency


async def provide_form(request: HttpRequest) -> FormMultiDict:
    return await request.form()


async def provide_visitor(request: HttpRequest, form: NamedDependency[FormMultiDict]) -> Principal:
    """The caller, with the CSRF token taken from the form where no header carries it."""
    token = form.get("csrf_token")
    principal = await run_sync(lambda: authenticate(request, form_token=token if isinstance(token, str) else None))
    request.state.visitor = principal
    principal.require(role_of(request.route_handler))
    return principal


def provide_session(request: HttpRequest, principal: NamedDependency[Principal]) -> Iterator[TenantSession]:
    with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
        request.state.agency = session.get_one(Agency, principal.agency_id).name
        yield session
