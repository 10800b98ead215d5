"""Files that pages load, all from this installation: style, scripts, font and the chart library."""

import gzip
import mimetypes
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from threading import Lock

import vl_convert
from litestar import Response, get
from litestar.params import FromPath

from tuneloop.identity.request import HttpRequest, settings_of
from tuneloop.kit.errors import NotFound

CHARTS = "charts.js"
HELD = (
    "console.css",
    "console.js",
    "review.css",
    "review.js",
    "timer.js",
    "theme.js",
    "htmx.min.js",
    "inter.woff2",
    "icon.svg",
)

_CHARTS_VERSION = version("vl-convert-python")
_CHARTS_GLOBALS = "window.vegaEmbed = vegaEmbed;"
_YEAR = "public, max-age=31536000, immutable"
_BUILDING = Lock()


@dataclass(frozen=True)
class Asset:
    content: bytes
    packed: bytes | None
    kind: str
    digest: str


def _asset(name: str, content: bytes) -> Asset:
    kind = {"woff2": "font/woff2", "js": "text/javascript"}.get(name.rsplit(".", 1)[-1]) or (
        mimetypes.guess_type(name)[0] or "application/octet-stream"
    )
    packed = None if kind.startswith("font/") else gzip.compress(content, 6, mtime=0)
    return Asset(content, packed, kind, sha256(content).hexdigest())


@cache
def held(name: str) -> Asset:
    return _asset(name, (files("tuneloop.web.console") / "static" / name).read_bytes())


@cache
def chart_library(folder: Path) -> Asset:
    """Vega, Vega-Lite and vega-embed out of vl-convert, so that page and PDF draw with the same versions.

    Bundling takes seconds, so the file is kept in `folder`.
    """
    kept = folder / f"charts-{_CHARTS_VERSION}.js"
    with _BUILDING:
        if not kept.exists():
            folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=folder)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(vl_convert.javascript_bundle(_CHARTS_GLOBALS))
            Path(name).rename(kept)
    return _asset(CHARTS, kept.read_bytes())


def asset_url(name: str) -> str:
    """The address changes with the content, so browsers may keep it for good."""
    return f"/assets/{name}?v={_CHARTS_VERSION if name == CHARTS else held(name).digest[:10]}"


@get("/assets/{name:str}", public=True, include_in_schema=False, sync_to_thread=True)
def asset(request: HttpRequest, name: FromPath[str]) -> Response[bytes]:
    if name == CHARTS:
        found = chart_library(settings_of(request).data_dir / "cache")
    elif name in HELD:
        found = held(name)
    else:
        raise NotFound("asset", name)
    headers = {
        "Cache-Control": _YEAR if "v" in request.query_params else "public, max-age=3600",
        "ETag": f'"{found.digest[:16]}"',
        "Vary": "Accept-Encoding",
    }
    content = found.content
    if found.packed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"], content = "gzip", found.packed
    return Response(content, media_type=found.kind, headers=headers)
