"""Dependencies of every page: the form that was sent, the caller, and one transaction confined to the caller."""

from collections.abc import Iterator

from litestar.datastructures import FormMultiDict
from litestar.di import NamedDependency

from tuneloop.identity.request import HttpRequest, database_of, provide_principal, require_own_page
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import Agency
from tuneloop.web.console.brand import visitor_s_brand


async def provide_form(request: HttpRequest) -> FormMultiDict:
    return await request.form()


async def provide_visitor(request: HttpRequest, form: NamedDependency[FormMultiDict]) -> Principal:
    """The caller, whose changes carry their CSRF token in a header or in the form."""
    token = form.get("csrf_token")
    require_own_page(request, request.headers.get("x-csrf-token") or (token if isinstance(token, str) else None))
    return provide_principal(request)


def provide_session(request: HttpRequest, principal: NamedDependency[Principal]) -> Iterator[TenantSession]:
    visitor_s_brand(request)
    with database_of(request).unit(principal.agency_id, client_id=principal.client_id) as session:
        request.state.agency = session.get_one(Agency, principal.agency_id).name
        yield session
