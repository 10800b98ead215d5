"""How an agency looks to its clients: whoever has a client's account sees the agency's name and colour, and no other.

Colours come as a small stylesheet whose address holds them: pages have no inline styles.
"""

import re
from typing import NamedTuple
from uuid import UUID

from litestar import MediaType, Response, get
from litestar.params import FromPath
from sqlmodel import Session, col, select

from tuneloop.identity.request import HttpRequest, database_of
from tuneloop.kit.errors import NotFound
from tuneloop.kit.principal import Principal
from tuneloop.tables import Agency, Membership, ReportStyle, Role
from tuneloop_reports.document import ink_on, luminance
from tuneloop_reports.style_service import style_of

LIGHT_PAPER, DARK_PAPER = "#fbfaf8", "#141413"
READABLE = 4.5
"""WCAG 2.2, 1.4.3: least contrast of text."""

_COLOUR = re.compile(r"[0-9a-f]{6}\.css")
_FOR_GOOD = {"Cache-Control": "public, max-age=31536000, immutable"}


class Brand(NamedTuple):
    """`agency` is its short name, by which the sign-in page is found in the same colours."""

    name: str
    accent: str
    agency: str
    logo: bool

    @property
    def stylesheet(self) -> str:
        return f"/brand/{self.accent[1:].lower()}.css"

    @property
    def sign_in(self) -> str:
        return f"/sign-in?agency={self.agency}"


def brand_of(session: Session, agency_id: UUID, client_id: UUID | None) -> Brand:
    """As its reports look; a client's own style goes before the agency's."""
    agency = session.get_one(Agency, agency_id)
    style = style_of(session, client_id, agency_id=agency_id)
    return Brand(style.brand or agency.name, style.accent, agency.slug, style.logo is not None)


def brand_of_person(session: Session, user_id: UUID) -> Brand | None:
    """Of somebody who is nothing but a client's viewer, at one agency. Needs a session across agencies."""
    homes = session.exec(select(Membership).where(Membership.user_id == user_id)).all()
    if not homes or any(each.role is not Role.CLIENT_VIEWER for each in homes):
        return None
    return brand_of(session, homes[0].agency_id, homes[0].member_client_id) if len(homes) == 1 else None


def brand_named(request: HttpRequest, slug: str) -> Brand | None:
    """Of the agency that an address names, if it has given its reports a look; others are not told apart from none."""
    if not slug:
        return None
    with database_of(request).all_agencies() as session:
        found = session.exec(
            select(Agency.id)
            .join(ReportStyle, col(ReportStyle.agency_id) == Agency.id)
            .where(Agency.slug == slug, col(ReportStyle.client_id).is_(None))
        ).one_or_none()
        return brand_of(session, found, None) if found is not None else None


def visitor_s_brand(request: HttpRequest) -> Brand | None:
    """Of the page that is being made, looked up once. The agency's own people see whose software it is: None."""
    found: Brand | None = request.state.get("brand")
    visitor: Principal | None = request.state.get("visitor")
    if found is not None or visitor is None or visitor.role is not Role.CLIENT_VIEWER:
        return found
    with database_of(request).unit(visitor.agency_id) as session:
        request.state.brand = brand_of(session, visitor.agency_id, visitor.client_id)
    return visitor_s_brand(request)


@get("/brand/{colour:str}", public=True, media_type=MediaType.CSS, include_in_schema=False, sync_to_thread=False)
def colours(colour: FromPath[str]) -> Response[str]:
    """The colour in light and dark, as dark or light as text needs."""
    if not _COLOUR.fullmatch(colour):
        raise NotFound("colour", colour)
    accent = f"#{colour[:6]}"
    light, dark = (_rules(readable(accent, paper)) for paper in (LIGHT_PAPER, DARK_PAPER))
    text = (
        f":root {{ {light} }}\n.top {{ border-top: 3px solid {accent}; }}\n"
        f':root[data-theme="dark"] {{ {dark} }}\n'
        f'@media (prefers-color-scheme: dark) {{ :root:not([data-theme="light"]) {{ {dark} }} }}\n'
    )
    return Response(text, media_type=MediaType.CSS, headers=dict(_FOR_GOOD))


def readable(colour: str, paper: str) -> str:
    """The colour, mixed with as little black or white as it takes to be read on the paper."""
    towards = 0 if ink_on(paper) == "#000000" else 255
    parts = [int(colour[place : place + 2], 16) for place in (1, 3, 5)]
    for percent in range(0, 101, 5):
        mixed = "#" + "".join(f"{round(part + (towards - part) * percent / 100):02x}" for part in parts)
        if contrast(mixed, paper) >= READABLE:
            return mixed
    return ink_on(paper)


def contrast(one: str, other: str) -> float:
    """Ratio of two colours (WCAG 2.2)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _rules(accent: str) -> str:
    soft = f"color-mix(in srgb, {accent} 14%, var(--surface))"
    return f"--accent: {accent}; --on-accent: {ink_on(accent)}; --accent-soft: {soft};"
