"""A report as a page of HTML: for the PDF, and for the browser. Every value is escaped."""

from base64 import b64encode
from datetime import datetime
from enum import StrEnum
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from tuneloop.clients.months import Month
from tuneloop_reports import charts, sections
from tuneloop_reports.content import ReportContent
from tuneloop_reports.explanation import explanation
from tuneloop_reports.i18n import Translator

TEMPLATES = Environment(
    loader=PackageLoader("tuneloop_reports"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Medium(StrEnum):
    PAPER = "paper"
    BROWSER = "browser"


def write_html(
    content: ReportContent,
    *,
    medium: Medium,
    logo: bytes | None = None,
    expires_at: datetime | None = None,
    address: str = "",
) -> str:
    """`logo` is the PNG that the style names. In the browser, `address` is where PDF and CSV lie."""
    say = Translator(content.style.language, content.time_zone)
    context: dict[str, Any] = {
        "content": content,
        "style": content.style,
        "say": say,
        "s": sections,
        "explain": explanation,
        "brand": brand(content),
        "month": say.month(content.month),
        "earlier": str(Month.parse(content.month).previous),
        "charts": {model.slug: charts.accuracy_chart(say, model, content.style) for model in content.models},
        "described": {model.slug: charts.describe(say, model) for model in content.models},
        "logo": f"data:image/png;base64,{b64encode(logo).decode()}" if logo else "",
        "medium": medium,
        "expires": say.day(expires_at) if expires_at else "",
        "address": address,
        "ink_on_accent": ink_on(content.style.accent),
    }
    return TEMPLATES.get_template("report.html").render(context)


def brand(content: ReportContent) -> str:
    return content.style.brand or content.agency


def ink_on(colour: str) -> str:
    """Black or white, whichever stands out more."""
    light = luminance(colour)
    return "#ffffff" if 1.05 / (light + 0.05) >= (light + 0.05) / 0.05 else "#000000"


def luminance(colour: str) -> float:
    """From 0 for black to 1 for white (WCAG 2.2, relative luminance)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
