"""Dependencies of the gateway's handlers: the running gateway, and the caller by API key."""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler

from tuneloop.gateway.errors import InvalidKey
from tuneloop.gateway.service import Gateway
from tuneloop.identity.request import address_of
from tuneloop.kit.errors import Unavailable
from tuneloop.kit.principal import Principal

GatewayRequest = Request[object, Principal, State]


def gateway_of(connection: ASGIConnection[Any, Any, Any, State]) -> Gateway:
    gateway = connection.app.state.get("gateway")
    if not isinstance(gateway, Gateway):
        raise Unavailable("the gateway is not running in this process; start it with 'tuneloop web'")
    return gateway


async def authenticated(connection: ASGIConnection[object, object, object, State], _handler: BaseRouteHandler) -> None:
    """Guard: sets `request.auth` to the caller before the body is read. Raises InvalidKey."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise InvalidKey
    connection.scope["auth"] = await gateway_of(connection).keeper.principal(token.strip(), address_of(connection))
