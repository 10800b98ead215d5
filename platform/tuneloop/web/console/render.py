"""Templates to answers. Every value is escaped; what models, users and clients wrote is shown literally."""

from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Response

from tuneloop.charts.themes import THEMES
from tuneloop.identity.devices import device_name
from tuneloop.identity.request import HttpRequest
from tuneloop.kit import figures
from tuneloop.kit.principal import Principal
from tuneloop.stats.intervals import Rate
from tuneloop.tables import Role
from tuneloop.web.console.assets import asset_url
from tuneloop.web.console.brand import visitor_s_brand
from tuneloop.web.console.figures import figure
from tuneloop.web.console.flash import COOKIE, forget, take

CSP: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {"Content-Security-Policy": CSP, "Referrer-Policy": "same-origin"}


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("tuneloop.web.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(asset=asset_url, figure=figure, size=figures.size, Role=Role)
    environment.filters.update(
        percent=figures.percent,
        points=figures.points,
        ago=figures.ago,
        words=figures.words,
        device=device_name,
        duration=figures.duration,
    )
    environment.globals.update(rate_of=Rate, span=figures.span, themes=THEMES)
    return environment


TEMPLATES: Final = _environment()


def page(request: HttpRequest, template: str, *, status: int = 200, **context: Any) -> Response[str]:
    """A whole page, rendered inside the caller's transaction.

    Templates find the caller in `visitor` (None on public pages), the token that every form must carry in
    `csrf_token`, and the address in `path`.
    """
    visitor: Principal | None = request.state.get("visitor")
    text = TEMPLATES.get_template(template).render(
        visitor=visitor,
        agency=request.state.get("agency", ""),
        csrf_token=request.state.get("csrf_token", ""),
        path=request.url.path,
        note=take(request),
        **{"brand": visitor_s_brand(request)} | context,
    )
    answer = Response(text, media_type=MediaType.HTML, status_code=status, headers=dict(HEADERS))
    if COOKIE in request.cookies:
        forget(answer)
    return answer


def part(request: HttpRequest, template: str, **context: Any) -> Response[str]:
    """A piece of a page, for HTMX; leaves a waiting note for the next whole page."""
    text = TEMPLATES.get_template(template).render(
        visitor=request.state.get("visitor"), csrf_token=request.state.get("csrf_token", ""), **context
    )
    return Response(text, media_type=MediaType.HTML, headers=dict(HEADERS))
