"""Mail about a question: what is asked, until when, and the link to answer it."""

from html import escape

from tuneloop.email.service import EmailContent
from tuneloop.tables import Approval, ApprovalKind


def question_email(approval: Approval, model: str, name: str, url: str, *, about: str | None) -> EmailContent:
    """`about` is what was measured of the candidate, or what an approved retrain covers, in words."""
    what = "retrain" if approval.kind is ApprovalKind.RETRAIN else "promote the candidate of"
    until = f"{approval.expires_at:%Y-%m-%d %H:%M} UTC"
    lines = [
        f"Hello {name},",
        f"Tuneloop asks: {what} {model}?",
        *([about] if about else []),
        f"The question is about {approval.subject_digest[:12]} and can be answered until {until}.",
        "This link shows it and takes your answer, once you have signed in: it works for you alone, and once.",
    ]
    text = "\n\n".join([*lines, url])
    html = "".join(f"<p>{escape(line)}</p>" for line in lines) + f'<p><a href="{escape(url)}">Look and answer</a></p>'
    return EmailContent(
        subject=f"{model}: {'retrain' if approval.kind is ApprovalKind.RETRAIN else 'promote'}?", text=text, html=html
    )
