"""The mail that brings a report."""

from datetime import datetime

from tuneloop.email.service import EmailContent, StoredFile
from tuneloop_reports import sections
from tuneloop_reports.content import ReportContent
from tuneloop_reports.document import TEMPLATES, brand, ink_on
from tuneloop_reports.explanation import explanation
from tuneloop_reports.i18n import Translator


def write_email(
    content: ReportContent,
    *,
    name: str,
    address: str,
    expires_at: datetime,
    pdf_sha256: str,
    unsubscribe_token: str | None,
    unsubscribe_address: str | None,
) -> EmailContent:
    """As text and as HTML, with the PDF attached."""
    say = Translator(content.style.language, content.time_zone)
    month = say.month(content.month)
    context = {
        "say": say,
        "content": content,
        "style": content.style,
        "brand": brand(content),
        "month": month,
        "name": name,
        "headline": sections.headline(say, content),
        "explanation": explanation(say, content.models[0]) if len(content.models) == 1 else "",
        "light": say(f"light.{content.light}"),
        "address": address,
        "expires": say.day(expires_at),
        "unsubscribe": unsubscribe_address or "",
        "ink_on_accent": ink_on(content.style.accent),
    }
    return EmailContent(
        subject=say("mail.subject", client=content.client, month=month),
        text=_plain(context),
        html=TEMPLATES.get_template("mail.html").render(context),
        attachments=[StoredFile(f"{content.client_slug}-{content.month}.pdf", "application/pdf", pdf_sha256)],
        unsubscribe_token=unsubscribe_token,
    )


def _plain(context: dict[str, object]) -> str:
    """Plain text needs no escaping, so it is not a template."""
    say, content = context["say"], context["content"]
    assert isinstance(say, Translator)
    assert isinstance(content, ReportContent)
    parts = [
        say("mail.hello", name=context["name"]),
        say("mail.intro", month=context["month"]),
        f"{context['light']}: {context['headline']} {context['explanation']}".rstrip(),
        content.note,
        f"{say('mail.link')}: {context['address']}\n{say('mail.expires', date=context['expires'])}",
        f"{say('mail.bye')}\n{context['brand']}",
        content.style.footer,
        f"{say('mail.unsubscribe')}: {context['unsubscribe']}" if context["unsubscribe"] else "",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
