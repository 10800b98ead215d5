"""Case 25: one tenant floods, others are slow or never read, a gateway dies in the middle of a stream."""

import os
import signal
import socket
import subprocess
import sys
import time
from ast import literal_eval
from dataclasses import replace
from statistics import quantiles

import httpx
import pytest

from tests.failures.figures import figure
from tests.failures.installation import Faulty
from tests.support.running import LABELS, items
from tuneloop.cli.create_agency import create_agency
from tuneloop.predictions.completion_ids import prediction_id
from tuneloop_local.demo.api import App, Operator

pytestmark = [pytest.mark.failure_case(25), pytest.mark.timeout(3600)]

FLOOD, QUIET_REQUESTS, SLOW_CLIENTS, NEVER_READING = 64, 60, 200, 50
OTHERS_MAY_WAIT = 2.0
"""Times as long as undisturbed, at the 99th percentile."""


@pytest.fixture(scope="module")
def quiet(site: Faulty) -> App:
    """Another agency's client, on the same base."""
    running = site.running
    key = create_agency(
        running.settings, slug="south", name="South", email="sue@south.example", owner="Sue", password="a long phrase"
    ).key
    other = Operator(running.settings.web_url, key)
    other.post("/api/v1/clients", {"slug": "acme", "name": "Acme"})
    contract = {"task": "classify", "system_prompt": "Sort the message.", "labels": list(LABELS)}
    other.post("/api/v1/models/acme", {"slug": "support", "base": "tiny", "contract": contract})
    mine = Faulty(replace(running, operator=other, key=key))
    path = "/api/v1/models/acme/support"
    other.upload(f"{path}/examples", items(LABELS, range(20)), pool="training")
    other.upload(f"{path}/examples", items(LABELS, range(20, 32)), pool="golden")
    other.checked(path)
    mine.promoted(mine.trained(path))
    return App(running.settings.web_url, key, "acme/support")


def latencies(app: App) -> list[float]:
    """Seconds of each of so many requests, one after the other."""
    measured = []
    for item in items(LABELS, range(QUIET_REQUESTS // len(LABELS))):
        began = time.perf_counter()
        app.ask(item)
        measured.append(time.perf_counter() - began)
    return measured


def p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[98]


FLOODING = """
import sys, threading, httpx
from collections import Counter
url, key, clients = sys.argv[1], sys.argv[2], int(sys.argv[3])
answers, over = Counter(), threading.Event()
body = {"model": "acme/support", "messages": [{"role": "user", "content": "where is the parcel"}], "user": "x"}
def flood():
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60) as http:
        while not over.is_set():
            answer = http.post("/v1/chat/completions", json=body)
            answers[answer.status_code] += 1
            if answer.status_code == 429:
                over.wait(float(answer.headers["retry-after"]))
threads = [threading.Thread(target=flood) for _ in range(clients)]
for each in threads: each.start()
sys.stdin.read()
over.set()
for each in threads: each.join()
print(dict(answers))
"""
"""A program of its own, so that it takes no time of the client that is measured."""


def test_others_are_answered_while_one_tenant_floods(site: Faulty, quiet: App) -> None:
    alone = p99(latencies(quiet))
    command = [sys.executable, "-c", FLOODING, site.running.settings.web_url, site.running.key, str(FLOOD)]
    flooding = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    site.until(lambda: _in_flight(site) > FLOOD / 2)
    beside = p99(latencies(quiet))
    answers, _ = flooding.communicate()
    assert set(literal_eval(answers)) <= {200, 429}
    figure(
        25,
        f"{FLOOD} clients of one agency at once ({answers.strip()}): another's p99 {1000 * alone:.0f} -> "
        f"{1000 * beside:.0f} ms, {beside / alone:.1f} x (aim: {OTHERS_MAY_WAIT:g})",
    )


def _in_flight(site: Faulty) -> float:
    """Requests of clients at the engines just now."""
    told = httpx.get(f"{site.running.settings.web_url}/metrics").text
    return sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith("tuneloop_gateway_in_flight"))


def test_clients_that_send_or_read_slowly_keep_nobody_waiting(site: Faulty, quiet: App) -> None:
    settings = site.running.settings
    alone = p99(latencies(quiet))
    question = b'{"model":"acme/support","stream":true,"messages":[{"role":"user","content":"where"}]}'
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {site.running.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(question)}\r\n\r\n"
    ).encode()
    held = []
    try:
        for number in range(SLOW_CLIENTS + NEVER_READING):
            connection = socket.create_connection((settings.web_host, settings.web_port))
            connection.sendall(head[: len(head) // 2] if number < SLOW_CLIENTS else head + question)
            held.append(connection)
        beside = p99(latencies(quiet))
    finally:
        for connection in held:
            connection.close()
    figure(
        25,
        f"{SLOW_CLIENTS} half-sent requests and {NEVER_READING} streams that nobody reads: another's p99 "
        f"{1000 * alone:.0f} -> {1000 * beside:.0f} ms, {beside / alone:.1f} x",
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
