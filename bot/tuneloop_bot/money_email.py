"""Mail about an exception of a client's money."""

from html import escape

from tuneloop.email.service import EmailContent
from tuneloop.tables import PaymentProblem


def money_email(problem: PaymentProblem, name: str, url: str) -> EmailContent:
    lines = [f"Hello {name},", f"{problem.summary}.", f"What to do: {problem.to_do}."]
    text = "\n\n".join([*lines, url])
    html = "".join(f"<p>{escape(line)}</p>" for line in lines) + f'<p><a href="{escape(url)}">Look at it</a></p>'
    return EmailContent(subject=problem.summary[:150], text=text, html=html)
