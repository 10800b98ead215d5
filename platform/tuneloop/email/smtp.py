"""Hand one message to an SMTP server. TLS is required unless the URL says otherwise."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from tuneloop.kit.errors import InvalidInput, TuneloopError, Unavailable

TIMEOUT_SECONDS = 30.0
PORTS = {"smtp": 587, "smtps": 465}


class MailRefused(TuneloopError):
    """The server will never take this message for this recipient."""

    code = "mail_refused"
    transient = False


class MailServerDown(Unavailable):
    """Not now: no connection, or an answer that asks to come back later."""

    code = "mail_server_down"


class Receipt(NamedTuple):
    """What the server said when it took responsibility for the message."""

    code: int
    reply: str
    server: str
    encrypted: bool


class Server(NamedTuple):
    host: str
    port: int
    implicit_tls: bool
    starttls: bool
    user: str
    password: str
    ca_file: str | None

    @classmethod
    def parse(cls, url: str) -> "Server":
        """From `smtp[s]://USER:PASSWORD@HOST:PORT[?tls=off][&ca=FILE]`.

        Raises:
            InvalidInput: the URL has another form.
        """
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise InvalidInput("the mail server's URL must be smtp://HOST or smtps://HOST; set TUNELOOP_SMTP_URL")
        options = parse_qs(parts.query)
        return cls(
            host=parts.hostname,
            port=parts.port or PORTS[parts.scheme],
            implicit_tls=parts.scheme == "smtps",
            starttls=parts.scheme == "smtp" and options.get("tls") != ["off"],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
            ca_file=options.get("ca", [None])[0],
        )


def transmit(
    url: str, raw: bytes, *, sender: str, recipient: str, handing_over: Callable[[], None] = lambda: None
) -> Receipt:
    """Give finished bytes to the server at `url`.

    `handing_over` is called once sender and recipient are accepted, right before the content is sent: up to then a
    crash leaves nothing behind, after it the message may have been delivered.

    Raises:
        MailRefused, MailServerDown
    """
    server = Server.parse(url)
    with _connected(server) as smtp:
        _expect(smtp.mail(sender), "the sender")
        _expect(smtp.rcpt(recipient), "the recipient")
        handing_over()
        code, reply = smtp.data(raw)
        _expect((code, reply), "the message")
        return Receipt(code, _said(reply), server.host, isinstance(smtp.sock, ssl.SSLSocket))


@contextmanager
def _connected(server: Server) -> Iterator[smtplib.SMTP]:
    try:
        context = ssl.create_default_context(cafile=server.ca_file)
        smtp = (
            smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_SECONDS, context=context)
            if server.implicit_tls
            else smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_SECONDS)
        )
        with smtp:
            smtp.ehlo_or_helo_if_needed()
            if server.starttls:
                smtp.starttls(context=context)
                smtp.ehlo()
            if server.user:
                smtp.login(server.user, server.password)
            yield smtp
    except smtplib.SMTPAuthenticationError as error:
        raise MailServerDown(f"{server.host} refuses our login ({error.smtp_code}); check TUNELOOP_SMTP_URL") from error
    except smtplib.SMTPResponseException as error:
        _expect((error.smtp_code, error.smtp_error), "the connection")
        raise MailServerDown(f"{server.host}: {error}") from error
    except (smtplib.SMTPException, OSError) as error:
        raise MailServerDown(f"{server.host}:{server.port} does not take mail: {error}") from error


def _expect(answer: tuple[int, bytes | str], what: str) -> None:
    code, reply = answer
    if 200 <= code < 300:
        return
    text = f"{what} was refused: {code} {_said(reply)}"
    raise (MailRefused if code >= 500 else MailServerDown)(text, code=code)


def _said(reply: bytes | str) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
