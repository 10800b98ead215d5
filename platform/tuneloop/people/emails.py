"""The mails by which people get in: what they are asked, and the link that does it."""

from datetime import datetime
from html import escape

from tuneloop.email.service import EmailContent
from tuneloop.tables import Invitation, PasswordLink, Role

MAY = {
    Role.OWNER: "as its owner, who decides everything",
    Role.ADMIN: "as an admin, who also manages people and keys",
    Role.OPERATOR: "as an operator, who approves and labels",
    Role.VIEWER: "as a viewer, who sees everything and changes nothing",
    Role.CLIENT_VIEWER: "as a viewer of {client}",
}


def invitation_email(invitation: Invitation, url: str, *, agency: str, client: str | None) -> EmailContent:
    """To a client's viewer, the agency speaks for itself alone."""
    of_client = invitation.role is Role.CLIENT_VIEWER
    where, product = (agency, "have an account here") if of_client else (f"{agency} on Tuneloop", "use Tuneloop")
    lines = [
        "Hello,",
        f"{invitation.invited_by} invites you to {where}, {MAY[invitation.role].format(client=client)}.",
        f"This link is for {invitation.email} alone. It works once, until {_until(invitation.expires_at)}.",
        f"You choose your own password; if you {product} already, you confirm with the one you have.",
    ]
    closing = "If you don't know what this is about, ignore it: nobody joins with your address without this link."
    return _content(f"Join {where}", lines, url, "Look and accept", closing)


def password_email(link: PasswordLink, url: str, *, asked_by: str | None, site: str) -> EmailContent:
    """`asked_by` is the admin who wants it chosen anew, None where the person asked; `site` is what they sign in to."""
    why = (
        f"{asked_by} asks you to choose a new password for {site}; until you do, your old one is not accepted there."
        if asked_by
        else f"Somebody, most likely you, asked for a new password for {site}."
    )
    lines = ["Hello,", why, f"This link lets you choose it. It works once, until {_until(link.expires_at)}."]
    closing = "Whoever has this link can choose your password: pass it on to nobody. If you didn't ask, ignore it."
    return _content(f"A new password for {site}", lines, url, "Choose a new password", closing)


def changed_email(site: str) -> EmailContent:
    lines = [
        "Hello,",
        f"Your password for {site} was changed just now, and every other browser was signed out.",
        "If that was not you, choose a new one at once: 'Forgotten your password?', where you sign in.",
    ]
    html = "".join(f"<p>{escape(line)}</p>" for line in lines)
    return EmailContent(subject=f"Your password for {site} was changed", text="\n\n".join(lines), html=html)


def _content(subject: str, lines: list[str], url: str, button: str, closing: str) -> EmailContent:
    text = "\n\n".join([*lines, url, closing])
    html = (
        "".join(f"<p>{escape(line)}</p>" for line in lines)
        + f'<p><a href="{escape(url)}">{escape(button)}</a></p><p>{escape(closing)}</p>'
    )
    return EmailContent(subject=subject, text=text, html=html)


def _until(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
