"""One agency floods its model from a process of its own, which takes no time of the client that is measured."""

import subprocess
import sys
import time
from ast import literal_eval
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import quantiles

import httpx

from tests.failures.installation import Faulty
from tests.support.running import LABELS, items
from tuneloop.cli.create_agency import create_agency
from tuneloop_local.demo.api import App, Operator

_PROGRAM = """
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


@dataclass
class Flood:
    """`answers` by status, once it is over, of so many seconds."""

    answers: dict[int, int]
    seconds: float

    @property
    def per_second(self) -> float:
        return self.answers.get(200, 0) / self.seconds


@contextmanager
def flooding(site: Faulty, clients: int) -> Iterator[Flood]:
    """So many clients ask at once, each again as soon as it has its answer, from when they are all there."""
    command = [sys.executable, "-c", _PROGRAM, site.running.settings.web_url, site.running.key, str(clients)]
    program = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    flood, began = Flood({}, 0.0), time.monotonic()
    try:
        site.until(lambda: in_flight(site) >= 8)
        yield flood
    finally:
        told, _ = program.communicate()
        flood.answers.update(literal_eval(told))
        flood.seconds = time.monotonic() - began


def in_flight(site: Faulty) -> float:
    """Requests of clients at the engines just now."""
    told = httpx.get(f"{site.running.settings.web_url}/metrics").text
    return sum(float(line.split()[-1]) for line in told.splitlines() if line.startswith("tuneloop_gateway_in_flight"))


def another_agency(site: Faulty) -> App:
    """The client of an agency of its own, on the same base, with a version in production."""
    running = site.running
    key = create_agency(
        running.settings, slug="south", name="South", email="sue@south.example", owner="Sue", password="a long phrase"
    ).key
    operator = Operator(running.settings.web_url, key)
    operator.post("/api/v1/clients", {"slug": "acme", "name": "Acme"})
    contract = {"task": "classify", "system_prompt": "Sort the message.", "labels": list(LABELS)}
    operator.post("/api/v1/models/acme", {"slug": "support", "base": "tiny", "contract": contract})
    its = Faulty(replace(running, operator=operator, key=key))
    path = "/api/v1/models/acme/support"
    operator.upload(f"{path}/examples", items(LABELS, range(20)), pool="training")
    operator.upload(f"{path}/examples", items(LABELS, range(20, 32)), pool="golden")
    operator.checked(path)
    its.promoted(its.trained(path))
    return App(running.settings.web_url, key, "acme/support")


def latencies(app: App, requests: int = 60) -> list[float]:
    """Seconds of each of so many requests, one after the other."""
    measured, asked = [], items(LABELS, range(20))
    for number in range(requests):
        began = time.perf_counter()
        app.ask(asked[number % len(asked)])
        measured.append(time.perf_counter() - began)
    return measured


def p50(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[49]


def p99(seconds: list[float]) -> float:
    return quantiles(seconds, n=100)[98]
