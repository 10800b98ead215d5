"""Case 25: one tenant floods, others are slow or never read, a gateway dies in the middle of a stream."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.failures.figures import figure
from tests.failures.flood import another_agency, flooding, latencies, p50, p99
from tests.failures.installation import Faulty
from tests.support.running import LABELS, items
from tuneloop.predictions.completion_ids import prediction_id
from tuneloop_local.demo.api import App

pytestmark = [pytest.mark.failure_case(25), pytest.mark.timeout(3600)]

FLOOD, SLOW_CLIENTS, NEVER_READING = 64, 200, 50


@pytest.fixture(scope="module")
def quiet(site: Faulty) -> App:
    return another_agency(site)


def compared(alone: list[float], beside: list[float]) -> str:
    return (
        f"another's median {1000 * p50(alone):.0f} -> {1000 * p50(beside):.0f} ms, "
        f"p99 {1000 * p99(alone):.0f} -> {1000 * p99(beside):.0f} ms ({p99(beside) / p99(alone):.1f} x)"
    )


def test_others_are_answered_while_one_tenant_floods(site: Faulty, quiet: App) -> None:
    alone = latencies(quiet)
    with flooding(site, FLOOD) as flood:
        beside = latencies(quiet)
    assert set(flood.answers) <= {200, 429}
    figure(25, f"{FLOOD} clients of one agency at once ({flood.answers}): {compared(alone, beside)}")


@contextmanager
def slow_clients(site: Faulty) -> Iterator[list[socket.socket]]:
    """Connections that have sent half a request, and such that never read the answers that they asked for."""
    settings = site.running.settings
    question = b'{"model":"acme/support","stream":true,"messages":[{"role":"user","content":"where"}]}'
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.running.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(question)}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        held = []
        for number in range(SLOW_CLIENTS + NEVER_READING):
            connection = stack.enter_context(socket.create_connection((settings.web_host, settings.web_port)))
            connection.sendall(head[: len(head) // 2] if number < SLOW_CLIENTS else head + question)
            held.append(connection)
        yield held


def test_clients_that_send_or_read_slowly_keep_nobody_waiting(site: Faulty, quiet: App) -> None:
    alone = latencies(quiet)
    with slow_clients(site) as held:
        beside = latencies(quiet)
        for connection in held[SLOW_CLIENTS:]:
            connection.settimeout(60)
            assert connection.recv(12) == b"HTTP/1.1 200", "they are answered too, whenever they read"
    figure(
        25,
        f"{SLOW_CLIENTS} half-sent requests and {NEVER_READING} streams that nobody reads: all answered meanwhile, "
        f"{compared(alone, beside)}",
    )


def test_answers_that_were_given_before_the_gateway_is_killed_are_stored(site: Faulty) -> None:
    given: list[str] = []
    for _ in range(5):
        given += [site.running.app.ask(item).completion_id for item in items(LABELS, range(5))]
        os.kill(site.running.supervisor.pid("web"), signal.SIGKILL)
        site.until(site.answers)
    ids = [str(prediction_id(each)) for each in given]
    stored = site.count("select count(*) from prediction where id::text = any(%s)", ids)
    figure(25, f"gateway killed 5 times right after answers: {len(given) - stored} of {len(given)} not stored")
    assert stored == len(given)
