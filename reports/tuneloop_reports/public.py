"""The page behind a report's link: no account, no script, nothing loaded from elsewhere."""

from litestar import Controller, MediaType, Response, get
from litestar.params import FromPath

from tuneloop.identity.request import HttpRequest, database_of
from tuneloop.tables import Report
from tuneloop_reports.content import ReportContent
from tuneloop_reports.controller import pdf_answer, storage_of
from tuneloop_reports.csv_export import write_csv
from tuneloop_reports.document import Medium, write_html
from tuneloop_reports.links import open_link
from tuneloop_reports.service import report_content

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; frame-ancestors 'none'; "
    "base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Robots-Tag": "noindex",
}


class PublicReport(Controller):
    path = "/r/{token:str}"
    include_in_schema = False

    @get(public=True, sync_to_thread=True)
    def page(self, request: HttpRequest, token: FromPath[str]) -> Response[str]:
        with database_of(request).all_agencies() as session:
            link, report = open_link(session, token)
            content = report_content(session, report)
        logo = storage_of(request).read(content.style.logo) if content.style.logo else None
        text = write_html(content, medium=Medium.BROWSER, logo=logo, expires_at=link.expires_at, address=f"/r/{token}")
        return Response(text, media_type=MediaType.HTML, headers=dict(HEADERS))

    @get("/report.pdf", public=True, sync_to_thread=True)
    def pdf(self, request: HttpRequest, token: FromPath[str]) -> Response[bytes]:
        with database_of(request).all_agencies() as session:
            _, report = open_link(session, token, count=False)
            name = _name(report_content(session, report), report)
            return pdf_answer(session, report, storage_of(request), f"{name}.pdf")

    @get("/numbers.csv", public=True, sync_to_thread=True)
    def numbers(self, request: HttpRequest, token: FromPath[str]) -> Response[str]:
        with database_of(request).all_agencies() as session:
            _, report = open_link(session, token, count=False)
            content = report_content(session, report)
        named = {"Content-Disposition": f'attachment; filename="{_name(content, report)}.csv"'}
        return Response(write_csv(content), media_type="text/csv; charset=utf-8", headers=HEADERS | named)


def _name(content: ReportContent, report: Report) -> str:
    return f"{content.client_slug}-{report.month}"
