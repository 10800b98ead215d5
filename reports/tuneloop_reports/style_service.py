"""Read and change the style of an agency's or a client's reports."""

from io import BytesIO
from typing import Any
from uuid import UUID

from PIL import Image, UnidentifiedImageError
from pydantic import ValidationError
from sqlalchemy import or_
from sqlmodel import Session, col, select

from tuneloop.audit.service import record
from tuneloop.kit.clock import now
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.storage import Storage
from tuneloop.tables import ReportStyle
from tuneloop_reports.style import Style

LARGEST_LOGO = 2 * 1024 * 1024
MOST_PIXELS = 4_000_000
LOGO_SIZE = (800, 240)


def style_of(session: Session, client_id: UUID | None, *, agency_id: UUID | None = None) -> Style:
    """The agency's style, with what the client's own changes in it. A session across agencies has to name one."""
    rows = session.exec(
        select(ReportStyle)
        .where(*([ReportStyle.agency_id == agency_id] if agency_id else []))
        .where(or_(col(ReportStyle.client_id).is_(None), col(ReportStyle.client_id) == client_id))
        .order_by(col(ReportStyle.client_id).is_not(None))
    )
    values: dict[str, Any] = {}
    for row in rows:
        values |= row.values
    return Style.model_validate(values)


def change_style(session: Session, *, principal: Principal, client_id: UUID | None, changes: dict[str, Any]) -> Style:
    """Change the named fields; a value of None goes back to what the agency or the product has.

    Raises:
        InvalidInput: a value is not allowed, or names a logo: a digest is no right to what it names.
    """
    if changes.get("logo") is not None:
        raise InvalidInput("a logo is uploaded: POST the picture to /api/v1/report-style/logo", field="logo")
    return _change(session, principal=principal, client_id=client_id, changes=changes)


def change_logo(
    session: Session, *, principal: Principal, client_id: UUID | None, picture: bytes | None, storage: Storage
) -> Style:
    """Put a PNG or JPEG on reports; None goes back to what the agency has.

    Raises:
        InvalidInput: as `read_logo`.
    """
    stored = storage.put_bytes(read_logo(picture)) if picture is not None else None
    return _change(session, principal=principal, client_id=client_id, changes={"logo": stored})


def _change(session: Session, *, principal: Principal, client_id: UUID | None, changes: dict[str, Any]) -> Style:
    row = session.exec(select(ReportStyle).where(ReportStyle.client_id == client_id)).one_or_none()
    if row is None:
        row = ReportStyle(client_id=client_id, values={})
    merged = {name: value for name, value in (row.values | changes).items() if value is not None}
    try:
        checked = Style.model_validate(merged)
    except ValidationError as error:
        raise InvalidInput("; ".join(f"{each['loc'][0]}: {each['msg']}" for each in error.errors())) from error
    stored = checked.model_dump(mode="json")
    row.values, row.changed_at = {name: stored[name] for name in merged}, now()
    session.add(row)
    session.flush()
    record(session, principal, "report.style", "report_style", row.id, client_id=client_id, changed=sorted(changes))
    return style_of(session, client_id)


def read_logo(data: bytes) -> bytes:
    """A PNG of at most 800x240 pixels, decoded and written anew: nothing of the file itself survives.

    Raises:
        InvalidInput: it is not a PNG or JPEG, or too large.
    """
    if len(data) > LARGEST_LOGO:
        raise InvalidInput(f"the logo has {len(data)} bytes; at most {LARGEST_LOGO} are allowed")
    try:
        with Image.open(BytesIO(data), formats=["PNG", "JPEG"]) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InvalidInput(f"the logo has {image.width}x{image.height} pixels; make it smaller")
            drawn = image.convert("RGBA")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InvalidInput("the logo must be a PNG or JPEG file") from error
    drawn.thumbnail(LOGO_SIZE)
    out = BytesIO()
    drawn.save(out, "PNG", optimize=True)
    return out.getvalue()
