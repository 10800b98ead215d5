"""HTML to PDF, in a process that may do nothing else."""

from importlib.resources import files
from pathlib import PurePosixPath

from weasyprint import HTML
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from tuneloop_reports.render.glyphs import drawable

VARIANT = "pdf/ua-1"
TYPES = {".ttf": "font/ttf"}


class Forbidden(FatalURLFetchingError):  # type: ignore[misc]  # WeasyPrint is untyped
    """The document asked for something that is not ours."""


class Assets(URLFetcher):  # type: ignore[misc]  # WeasyPrint is untyped
    """Knows `asset:` (files of this package) and `data:`; everything else is refused."""

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        scheme, _, name = url.partition(":")
        if scheme == "data":
            return super().fetch(url, headers)
        path = PurePosixPath(name)
        if scheme != "asset" or ".." in path.parts or path.parts[:1] != ("fonts",):
            raise Forbidden(f"a report loads nothing but its own files, not {url[:80]!r}")
        body = files("tuneloop_reports").joinpath(*path.parts).read_bytes()
        return URLFetcherResponse(url, body, {"Content-Type": TYPES[path.suffix]})


def write_pdf(html: str, identifier: bytes) -> tuple[bytes, int]:
    """The PDF and its number of pages: the same HTML and identifier (16 bytes) always give the same bytes.

    Raises:
        GlyphsMissing: a font must be installed first.
    """
    fonts = FontConfiguration()
    document = HTML(string=drawable(html), base_url="asset:", url_fetcher=Assets()).render(
        font_config=fonts, pdf_variant=VARIANT, pdf_tags=True
    )
    pdf = document.write_pdf(pdf_variant=VARIANT, pdf_identifier=identifier)
    assert isinstance(pdf, bytes)
    return pdf, len(document.pages)
