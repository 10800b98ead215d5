"""A message on its way to a real SMTP server: TLS, login, refusals, signature, and nothing smuggled into a header."""

import email
import email.policy
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from pydantic import SecretStr

from tests.email.server import certificate, check_login, smtp_server
from tuneloop.email.dkim import DkimKey, new_dkim_key
from tuneloop.email.message import Address, Attachment, Message, compose
from tuneloop.email.smtp import MailRefused, MailServerDown, Receipt, transmit
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.settings import Settings


def message(to: str = "ann@client.example", **changed: object) -> Message:
    values: dict[str, object] = {
        "message_id": "<1@north.example>",
        "date": datetime(2026, 2, 28, 12, tzinfo=UTC),
        "sender": Address("reports@north.example", "North Agency"),
        "recipient": Address(to, "Ann Ümlaut"),
        "subject": "Report for Äcme",
        "text": "Grüße\n.\nafter a lone dot\n",
        "html": "<p>Grüße</p>",
        "attachments": (Attachment("Bericht März.pdf", "application/pdf", bytes(range(256)) * 40),),
    }
    return Message(**(values | changed))  # type: ignore[arg-type]


def send(settings: Settings, message: Message, *, dkim: DkimKey | None = None) -> Receipt:
    raw = compose(message)
    return transmit(
        settings.smtp.get_secret_value(),
        dkim.sign(raw) if dkim else raw,
        sender=message.envelope_sender,
        recipient=message.recipient.email,
    )


def at(port: int, rest: str = "?tls=off", user: str = "") -> Settings:
    return Settings(smtp_url=SecretStr(f"smtp://{user}127.0.0.1:{port}{rest}"))


def test_what_was_composed_is_what_arrives() -> None:
    with smtp_server() as taken:
        receipt = send(at(taken.port), message(bounces_to="bounce-1@north.example"))
    assert (receipt.code, receipt.encrypted) == (250, False)
    assert taken.senders == ["bounce-1@north.example"]
    read = email.message_from_bytes(taken.messages[0], policy=email.policy.default)
    text, html = read.get_body(("plain",)), read.get_body(("html",))
    assert text is not None
    assert html is not None
    assert read["subject"] == "Report for Äcme"
    assert read["to"].addresses[0].display_name == "Ann Ümlaut"
    assert text.get_content().splitlines() == ["Grüße", ".", "after a lone dot"]
    assert html.get_content().strip() == "<p>Grüße</p>"
    (pdf,) = read.iter_attachments()
    assert (pdf.get_filename(), pdf.get_content()) == ("Bericht März.pdf", bytes(range(256)) * 40)


def test_the_same_message_has_the_same_bytes() -> None:
    assert compose(message()) == compose(message())


def test_a_name_cannot_start_a_header() -> None:
    raw = compose(message(subject="Hi\r\nBcc: all@x.example", sender=Address("a@b.example", "A\nBcc: c@d.example")))
    head = email.message_from_bytes(raw, policy=email.policy.default)
    assert head["bcc"] is None
    assert head["subject"] == "Hi Bcc: all@x.example"
    with pytest.raises(InvalidInput):
        compose(message(to="ann@x.example\r\nRCPT TO:<all@x.example>"))


def test_starttls_is_required_and_the_certificate_checked(tmp_path: Path) -> None:
    context, trusted = certificate(tmp_path)
    with smtp_server(tls_context=context, require_starttls=True, authenticator=check_login) as taken:
        with pytest.raises(MailServerDown, match="certificate"):
            send(at(taken.port, rest=""), message())
        with pytest.raises(MailServerDown, match="refuses our login"):
            send(at(taken.port, rest=f"?ca={trusted}", user="me:wrong@"), message())
        assert send(at(taken.port, rest=f"?ca={trusted}", user="me:right@"), message()).encrypted
    assert len(taken.messages) == 1
    with smtp_server() as plain, pytest.raises(MailServerDown, match="STARTTLS"):
        send(at(plain.port, rest=""), message())
    assert plain.messages == []


@pytest.mark.parametrize(("to", "error"), [("nobody@x.example", MailRefused), ("busy@x.example", MailServerDown)])
def test_a_refusal_for_good_differs_from_one_for_now(to: str, error: type[Exception]) -> None:
    with smtp_server() as taken, pytest.raises(error, match="the recipient was refused: "):
        send(at(taken.port), message(to=to))
    assert taken.messages == []


def test_no_server_is_a_reason_to_try_later() -> None:
    with smtp_server() as taken:
        port = taken.port
    with pytest.raises(MailServerDown, match="does not take mail"):
        send(at(port), message())


def test_the_signature_holds_for_the_bytes_that_arrive() -> None:
    key = new_dkim_key("north.example")
    with smtp_server() as taken:
        send(at(taken.port), message(), dkim=key)

    def published(name: bytes, timeout: int = 5) -> bytes:
        assert name.decode().rstrip(".") == key.dns_name
        return key.dns_value.encode()

    assert dkim.verify(taken.messages[0], dnsfunc=published)
    tampered = taken.messages[0].replace(b"Subject: ", b"Subject: not ", 1)
    assert not dkim.verify(tampered, dnsfunc=published)
