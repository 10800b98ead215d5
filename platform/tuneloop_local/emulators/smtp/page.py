"""The page side of the local mailbox. HTML mail is shown in a frame that can run and load nothing."""

import os
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Litestar, MediaType, Response, get
from litestar.params import FromPath

from tuneloop.kit.errors import NotFound, TuneloopError
from tuneloop.kit.http import answer_domain_error
from tuneloop.kit.security_headers import security_headers, style_source
from tuneloop_local.emulators.smtp.box import Mailbox

FOLDER = "TUNELOOP_MAILBOX"
PAGE_POLICY = "default-src 'none'; frame-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
MAIL_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"

_TEMPLATES = Environment(
    loader=PackageLoader("tuneloop_local.emulators.smtp"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def create_page(box: Mailbox) -> Litestar:
    def show(template: str, **context: object) -> Response[str]:
        text = _TEMPLATES.get_template(template).render(**context)
        return Response(
            text, media_type=MediaType.HTML, headers=_headers(f"{PAGE_POLICY}; style-src {style_source(text)}")
        )

    @get("/", public=True, sync_to_thread=True)
    def index() -> Response[str]:
        return show("index.html", mails=[box.read(name) for name in box.names()[:200]])

    @get("/{name:str}", public=True, sync_to_thread=True)
    def mail(name: FromPath[str]) -> Response[str]:
        return show("mail.html", mail=box.read(name))

    @get("/{name:str}/html", public=True, sync_to_thread=True)
    def body(name: FromPath[str]) -> Response[str]:
        return Response(box.read(name).html or "", media_type=MediaType.HTML, headers=_headers(MAIL_POLICY))

    @get("/{name:str}/raw", public=True, sync_to_thread=True)
    def raw(name: FromPath[str]) -> Response[bytes]:
        return Response(box.raw(name), media_type="text/plain; charset=utf-8", headers=_headers(PAGE_POLICY))

    @get("/{name:str}/part/{number:int}", public=True, sync_to_thread=True)
    def part(name: FromPath[str], number: FromPath[int]) -> Response[bytes]:
        parts = box.read(name).attachments
        if not 0 <= number < len(parts):
            raise NotFound("attachment", number)
        found = parts[number]
        inline = found.media_type == "application/pdf"
        named = f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(found.filename)}"
        shown_as = found.media_type if inline else "application/octet-stream"
        return Response(found.data, media_type=shown_as, headers=_headers(PAGE_POLICY) | {"Content-Disposition": named})

    return Litestar(
        [index, mail, body, raw, part],
        before_send=[security_headers(tls=False)],
        logging_config=None,
        openapi_config=None,
        exception_handlers={TuneloopError: answer_domain_error},
    )


def page_from_environment() -> Litestar:
    return create_page(Mailbox(Path(os.environ[FOLDER])))


def _headers(policy: str) -> dict[str, str]:
    return {"Content-Security-Policy": policy}
