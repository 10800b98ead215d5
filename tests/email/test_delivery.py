"""From the queue to the server: sent once, whatever dies in between; refusals, pauses, bounces and blocks."""

import email
import email.policy
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from pydantic import SecretStr
from sqlmodel import select

from tests.email.server import Taken, smtp_server
from tests.support.runtime import silent_runtime
from tuneloop.email import delivery
from tuneloop.email.bounces import record_bounce
from tuneloop.email.message import Address, Message, compose
from tuneloop.email.service import EmailContent, StoredFile, attempts_of, block_of, find_mail, queue_mail
from tuneloop.email.smtp import transmit
from tuneloop.identity.secrets import new_token
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.errors import InvalidInput, Unavailable
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.jobs.runtime import Runtime
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Agency, AttemptOutcome, Client, Mail, MailAttempt, MailState
from tuneloop_local.emulators.smtp.box import Mailbox
from tuneloop_local.emulators.smtp.page import create_page
from tuneloop_local.emulators.smtp.server import mailbox_server


@pytest.fixture
def post() -> Iterator[Taken]:
    with smtp_server() as taken:
        yield taken


@pytest.fixture
def runtime(database: Database, storage: Storage, tmp_path: Path, post: Taken) -> Runtime:
    url = SecretStr(f"smtp://127.0.0.1:{post.port}?tls=off")
    return silent_runtime(
        database,
        storage,
        Settings(
            data_dir=tmp_path,
            smtp_url=url,
            mail_bounces="bounces@mail.north.example",
            secret_key=SecretStr("a test's"),
        ),
    )


class Desk:
    """Queues mail to one recipient and runs its jobs."""

    def __init__(self, runtime: Runtime, agency: Agency, client: Client) -> None:
        self.runtime, self.agency, self.client = runtime, agency, client

    def queue(self, to: str, key: str = "report:1", **letter: object) -> UUID:
        said = {"subject": "Report", "text": "Hello", "html": "<p>Hello</p>"} | letter
        with self.runtime.database.unit(self.agency.id) as session:
            return queue_mail(
                session,
                agency_id=self.agency.id,
                client_id=self.client.id,
                dedupe_key=key,
                subject=("report", "1"),
                sender=Address("reports@north.example", "North"),
                reply_to=None,
                recipient=Address(to, "Ann"),
                content=EmailContent(**said),  # type: ignore[arg-type]
                settings=self.runtime.settings,
            ).id

    def jobs(self) -> list[JobRow]:
        with self.runtime.database.unit(self.agency.id) as session:
            return list(session.exec(select(JobRow).where(JobRow.name == "mail.send").order_by(JobRow.created_at)))  # type: ignore[arg-type]

    def work(self) -> None:
        """Do every job that waits, as if its pause were over."""
        for job in self.jobs():
            if job.state is JobState.QUEUED:
                with self.runtime.database.unit(self.agency.id) as session:
                    session.get_one(JobRow, job.id).run_after = now() - timedelta(seconds=1)
                self.runtime.run(job.id)

    def mail(self, mail_id: UUID) -> tuple[Mail, list[AttemptOutcome | None]]:
        with self.runtime.database.unit(self.agency.id) as session:
            outcomes = [attempt.outcome for attempt in attempts_of(session, mail_id)]
            return find_mail(session, mail_id), outcomes


@pytest.fixture
def desk(runtime: Runtime, agency: Agency, client_row: Client) -> Desk:
    return Desk(runtime, agency, client_row)


def test_a_mail_is_queued_and_sent_once(desk: Desk, post: Taken, storage: Storage) -> None:
    digest = storage.put_bytes(b"%PDF-1.7")
    files = (StoredFile("report.pdf", "application/pdf", digest),)
    first = desk.queue("ann@client.example", attachments=files, unsubscribe_token="token")
    assert desk.queue("ann@client.example") == first
    desk.work()
    desk.work()
    (raw,) = post.messages
    read = email.message_from_bytes(raw, policy=email.policy.default)
    assert read["message-id"] == f"<{first}@north.example>"
    assert read["list-unsubscribe"] == "<http://127.0.0.1:8000/mail/unsubscribe/token>"
    assert post.senders == [f"bounces+{first}@mail.north.example"]
    assert [part.get_content() for part in read.iter_attachments()] == [b"%PDF-1.7"]
    mail, outcomes = desk.mail(first)
    assert (mail.state, outcomes) == (MailState.SENT, [AttemptOutcome.SENT])


@pytest.mark.parametrize("died", ["before the connection", "before the hand-over", "before the answer was kept"])
def test_a_worker_that_dies_sends_nothing_twice_and_forgets_nothing(desk: Desk, post: Taken, died: str) -> None:
    """What a killed worker leaves behind at each step; the next one takes over."""
    mail_id = desk.queue("ann@client.example")
    database, settings = desk.runtime.database, desk.runtime.settings
    with database.unit(desk.agency.id) as session:
        started = delivery.start(session, mail_id)
    assert started is not None
    message = delivery.message_of(started.mail, settings, desk.runtime.storage)
    if died != "before the connection":
        with database.unit(desk.agency.id) as session:
            delivery.handing_over(session, started.attempt_id)
    if died == "before the answer was kept":
        transmit(settings.smtp.get_secret_value(), compose(message), sender="a@north.example", recipient="b@c.example")
    desk.work()
    mail, outcomes = desk.mail(mail_id)
    assert (mail.state, outcomes) == (MailState.SENT, [AttemptOutcome.LOST, AttemptOutcome.SENT])
    assert len(set(post.messages)) == 1, "what was sent again is the same message, byte for byte"


def test_a_mailbox_shows_a_message_once(tmp_path: Path) -> None:
    box = Mailbox(tmp_path)
    raw = compose(Message("<1@a.example>", now(), Address("a@a.example"), Address("b@b.example"), "Hi", "Hi"))
    names = {box.take(raw, sender="a@a.example", recipient="b@b.example") for _ in range(2)}
    names.add(box.take(raw, sender="a@a.example", recipient="c@b.example"))
    assert set(box.names()) == names
    assert len(names) == 2


def test_a_refused_address_is_written_to_no_more(desk: Desk, post: Taken) -> None:
    mail_id = desk.queue("nobody@client.example")
    desk.work()
    mail, outcomes = desk.mail(mail_id)
    assert (mail.state, outcomes) == (MailState.BOUNCED, [AttemptOutcome.REFUSED])
    again, tried = desk.mail(desk.queue("Nobody@client.example", "report:2"))
    assert (again.state, tried) == (MailState.BLOCKED, [])
    assert again.failure is not None
    assert "correct the contact" in again.failure
    assert post.messages == []


def test_a_busy_server_is_tried_again_and_then_given_up(desk: Desk) -> None:
    mail_id = desk.queue("busy@client.example")
    desk.work()
    pauses = [job.run_after - now() for job in desk.jobs() if job.state is JobState.QUEUED]
    assert [timedelta(seconds=50) < pause <= delivery.PAUSES[0] for pause in pauses] == [True]
    for _ in delivery.PAUSES:
        desk.work()
    mail, outcomes = desk.mail(mail_id)
    assert mail.state is MailState.FAILED
    assert outcomes == [AttemptOutcome.LATER] * (len(delivery.PAUSES) + 1)
    assert not [job for job in desk.jobs() if job.state is JobState.QUEUED]


def test_unsubscribing_needs_a_click_and_stops_the_next_mail(desk: Desk, app: Litestar, post: Taken) -> None:
    sent = desk.queue("ann@client.example", unsubscribe_token="a-long-token")
    desk.work()
    with TestClient(app) as browser:
        assert "ann@client.example" in browser.get("/mail/unsubscribe/a-long-token").text
        assert desk.mail(desk.queue("ann@client.example", "2"))[0].state is MailState.QUEUED
        assert "unsubscribed" in browser.post("/mail/unsubscribe/a-long-token").text
        assert browser.post("/mail/unsubscribe/a-long-token").status_code == 200
        assert browser.get("/mail/unsubscribe/other").status_code == 404
    desk.work()
    assert desk.mail(desk.queue("ann@client.example", "3"))[0].state is MailState.BLOCKED
    assert [desk.mail(each)[0].state for each in (sent, desk.queue("ann@client.example", "2"))] == [
        MailState.SENT,
        MailState.BLOCKED,
    ]
    assert len(post.messages) == 1


BOUNCE = b"""From: mailer-daemon@mx.example
To: {to}
Subject: Undelivered Mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ann@client.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 5.1.1 user unknown

--b
Content-Type: text/rfc822-headers

Message-ID: <{returned}@north.example>
--b--
"""


def bounce(**values: str) -> bytes:
    text = BOUNCE.decode()
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text.replace("\n", "\r\n").encode()


@pytest.mark.parametrize("named_by", ["address", "message id"])
def test_a_bounce_that_comes_later_is_noted(desk: Desk, database: Database, named_by: str) -> None:
    mail_id = desk.queue("ann@client.example")
    desk.work()
    to = f"bounces+{mail_id}@mail.north.example" if named_by == "address" else "reports@north.example"
    returned = str(mail_id) if named_by == "message id" else "x"
    with database.all_agencies() as session:
        record_bounce(session, bounce(to=to, action="delayed", status="4.4.1", returned=returned))
    assert desk.mail(mail_id)[0].state is MailState.SENT
    with database.all_agencies() as session:
        record_bounce(session, bounce(to=to, action="failed", status="5.1.1", returned=returned))
    assert desk.mail(mail_id)[0].state is MailState.BOUNCED
    with database.unit(desk.agency.id) as session:
        assert block_of(session, "ann@client.example", None, agency_id=desk.agency.id) is not None
    with pytest.raises(InvalidInput, match="not a delivery status"):
        record_bounce(session, b"Subject: hello\r\n\r\nhi")


def test_the_local_mailbox_takes_refuses_and_shows(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    box = Mailbox(tmp_path)
    server = mailbox_server(box, "127.0.0.1", port)
    server.start()
    try:
        url = f"smtp://127.0.0.1:{port}?tls=off"
        message = Message(
            "<1@a.example>",
            now(),
            Address("a@a.example"),
            Address("b@b.example"),
            "<b>Subject</b>",
            "text",
            html="<script>alert(1)</script>",
        )
        transmit(url, compose(message), sender="a@a.example", recipient="b@b.example")
        for refused in ("nobody@b.example", "full@b.example"):
            with pytest.raises(Exception, match="the recipient was refused"):
                transmit(url, compose(message), sender="a@a.example", recipient=refused)
    finally:
        server.stop()
    (name,) = box.names()
    with TestClient(create_page(box)) as browser:
        assert "&lt;b&gt;Subject&lt;/b&gt;" in browser.get("/").text
        assert '<iframe sandbox src="' in browser.get(f"/{name}").text
        assert browser.get(f"/{name}/html").headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert browser.get("/../../etc/passwd").status_code == 404
        assert browser.get(f"/{'0' * 32}").status_code == 404


@pytest.mark.parametrize("to", ["ann@client.example", "nobody@client.example", "busy@client.example"])
def test_a_link_s_token_is_read_by_the_recipient_alone(
    desk: Desk, post: Taken, api: TestClient[Litestar], to: str
) -> None:
    """Neither the database nor the API has it: not while the mail waits, not when it was sent or refused."""
    token, leaving = new_token().token, new_token().token
    link = f"https://tuneloop.example/answer?token={token}"
    mail_id = desk.queue(to, text=f"Answer: {link}\n", html=f'<a href="{link}">Answer</a>', unsubscribe_token=leaving)

    def stored() -> str:
        with desk.runtime.database.unit(desk.agency.id) as session:
            rows = [*session.exec(select(Mail)), *session.exec(select(MailAttempt)), *session.exec(select(JobRow))]
            return repr([row.model_dump() for row in rows])

    def shown() -> str:
        return api.get(f"/api/v1/mail/{mail_id}").text

    assert "https://tuneloop.example/answer?token=[hidden-" in shown()
    assert [secret in stored() + shown() for secret in (token, leaving)] == [False, False]
    desk.work()
    assert [secret in stored() + shown() for secret in (token, leaving)] == [False, False]
    if to == "ann@client.example":
        read = email.message_from_bytes(post.messages[0], policy=email.policy.default)
        bodies = [read.get_body((kind,)) for kind in ("plain", "html")]
        assert [link in body.get_content() for body in bodies if body is not None] == [True, True]
        assert leaving in read["list-unsubscribe"]
    state, _ = desk.mail(mail_id)
    assert (state.sealed_tokens is None) == (to != "busy@client.example"), "kept only while it waits for another try"


def test_no_text_can_ask_for_a_token(desk: Desk, post: Taken) -> None:
    """A placeholder of another mail, in a text from outside, stays a placeholder."""
    first, _ = desk.mail(desk.queue("ann@client.example", "1", text=f"See /r/{new_token().token}"))
    place = first.text.removeprefix("See /r/")
    desk.queue("ann@client.example", "2", text=f"https://evil.example/{place} /r/{new_token().token}")
    desk.work()
    sent = [email.message_from_bytes(raw, policy=email.policy.default) for raw in post.messages]
    assert [place in str(message.get_body(("plain",))) for message in sent] == [False, True]


def test_a_token_waits_for_a_key_to_seal_it(desk: Desk) -> None:
    desk.runtime = replace(desk.runtime, settings=Settings(data_dir=desk.runtime.settings.data_dir))
    desk.queue("ann@client.example", "1")
    with pytest.raises(Unavailable, match="set TUNELOOP_SECRET_KEY"):
        desk.queue("ann@client.example", "2", text=new_token().token)
