"""The demo's two clients: the HTTP API, as an operator's program uses it, and OpenAI's, as the client's app does."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx
from openai import OpenAI, OpenAIError, omit

from tuneloop.kit.api_client import TIMEOUT, Api, ApiError
from tuneloop.kit.errors import TuneloopError
from tuneloop_local.demo.scenario import CustomerMessage

POLL_SECONDS = 0.4
FOLLOW_SECONDS = 1.5
"""A training run has its cores to itself more of the time when nobody asks how it is."""
PATIENCE_SECONDS = 300.0
WORKING = {"approved", "training", "evaluating", "compared"}


class DemoFailed(TuneloopError):
    """A step of the demo did not do what it shows."""

    code = "demo_failed"
    transient = False


class TooLate(DemoFailed):
    """What was asked about has been settled meanwhile."""


class Served(NamedTuple):
    """One answered message of the stream."""

    item: CustomerMessage
    completion_id: str
    version: str
    text: str
    confidence: float


def wait_until(condition: Callable[[], bool], otherwise: str) -> None:
    """Raises DemoFailed, saying `otherwise`, after `PATIENCE_SECONDS`."""
    pause, deadline = threading.Event(), time.monotonic() + PATIENCE_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise DemoFailed(otherwise)
        pause.wait(POLL_SECONDS)


class Operator:
    """Calls the API with an agency's key."""

    def __init__(self, url: str, key: str) -> None:
        self._api = Api(httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT))

    def get(self, path: str, **params: Any) -> Any:
        with _failing(path):
            return self._api.get(path, object, **params).value

    def download(self, path: str) -> bytes:
        with _failing(path), self._api.download(path) as response:
            return response.read()

    def pages(self, path: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Every item of a list that comes in pages."""
        following: str | None = None
        while True:
            page = self.get(path, limit=200, **params, **({"after": following} if following else {}))
            yield from page["items"]
            following = page["next"]
            if following is None:
                return

    def send_files(self, path: str, files: Mapping[str, bytes]) -> Any:
        with _failing(path):
            return self._api.upload_files(path, object, files).value

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        with _failing(path):
            return self._api.post(path, object, body).value

    def put(self, path: str, body: dict[str, Any]) -> Any:
        with _failing(path):
            return self._api.put(path, object, body).value

    def delete(self, path: str) -> None:
        with _failing(path):
            self._api.delete(path, object)

    def patch(self, path: str, body: dict[str, Any]) -> Any:
        with _failing(path):
            return self._api.patch(path, object, body).value

    def upload(self, path: str, items: list[CustomerMessage], **params: Any) -> Any:
        lines = "".join(json.dumps(item.row()) + "\n" for item in items)
        with _failing(path):
            return self._api.upload(path, object, lines.encode(), media_type="application/x-ndjson", **params).value

    def follow(self, cycle_id: str, watch: Callable[[dict[str, Any], dict[str, Any]], None]) -> dict[str, Any]:
        """Wait until the cycle asks something or ends; `watch` sees cycle and job at every look."""
        pause = threading.Event()
        while True:
            cycle: dict[str, Any] = self.get(f"/api/v1/cycles/{cycle_id}")
            job = self.get(f"/api/v1/jobs/{cycle['job_id']}") if cycle["job_id"] else {}
            watch(cycle, job)
            if cycle["state"] not in WORKING and job.get("state") not in ("queued", "running"):
                # The job may have ended, and moved the cycle, between the two requests.
                before, cycle = cycle, self.get(f"/api/v1/cycles/{cycle_id}")
                if (cycle["state"], cycle["job_id"]) != (before["state"], before["job_id"]):
                    continue
                if cycle["state"] == "failed":
                    raise DemoFailed(f"the cycle failed: {cycle['failure']}")
                return cycle
            pause.wait(FOLLOW_SECONDS)

    def until(self, path: str, condition: Callable[[Any], bool]) -> Any:
        """Read `path` until what it says meets the condition; raises DemoFailed after `PATIENCE_SECONDS`."""
        pause, deadline = threading.Event(), time.monotonic() + PATIENCE_SECONDS
        while not condition(found := self.get(path)):
            if time.monotonic() > deadline:
                raise DemoFailed(f"{path} has not changed for {PATIENCE_SECONDS:.0f} s: {str(found)[:500]}")
            pause.wait(POLL_SECONDS)
        return found

    def finished(self, job_id: str) -> dict[str, Any]:
        """Wait for a job."""
        pause = threading.Event()
        while True:
            job: dict[str, Any] = self.get(f"/api/v1/jobs/{job_id}")
            if job["state"] == "succeeded":
                return job
            if job["state"] in ("failed", "cancelled"):
                raise DemoFailed(f"the job {job['name']} {job['state']}: {job['error']}")
            pause.wait(POLL_SECONDS)

    def checked(self, model: str) -> None:
        """Have new training examples looked at, and wait: nothing unchecked trains."""
        if self.get(f"{model}/growth")["unchecked"]:
            with suppress(TooLate):  # one is running
                self.post(f"{model}/findings")
            self.until(f"{model}/growth", lambda found: not found["unchecked"])


@contextmanager
def _failing(path: str) -> Iterator[None]:
    try:
        yield
    except ApiError as refused:
        failed = TooLate if refused.status is HTTPStatus.CONFLICT else DemoFailed
        raise failed(f"{path}: {refused.message} {refused.details or ''}") from refused


class App:
    """The client's application: it knows a base URL, a key and a model name, nothing of Tuneloop."""

    def __init__(self, url: str, key: str, model: str, *, parallel: int = 6) -> None:
        self._openai = OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60)
        self._model = model
        self._parallel = parallel

    def ask(self, item: CustomerMessage, person: str | None = None) -> Served:
        """As a request of this person, or of nobody in particular."""
        answer = self._openai.chat.completions.create(
            model=self._model,
            messages=[{"role": "user", "content": item.text}],
            user=omit if person is None else person,
        )
        extra: dict[str, Any] = (answer.model_extra or {}).get("tuneloop") or {}
        text = answer.choices[0].message.content or ""
        return Served(item, answer.id, answer.model, text, float(extra.get("confidence") or 0.0))

    def ask_all(self, items: list[CustomerMessage], *, people: int = 0) -> Iterator[Served]:
        """With `people`, each request is one of so many people's."""
        asking = [f"person-{number % people}" if people else None for number in range(len(items))]
        with ThreadPoolExecutor(self._parallel) as pool:
            yield from pool.map(self.ask, items, asking)


class LiveTraffic:
    """Keeps asking in the background and notes every answer's version, and every failure."""

    def __init__(self, app: App, items: list[CustomerMessage]) -> None:
        self._app = app
        self._items = items
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.versions: list[str] = []
        self.failures: list[str] = []

    def __enter__(self) -> "LiveTraffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for(self, version: str, *, seconds: float = 60.0) -> None:
        """Until a request that started after this call was answered by `version`.

        Raises:
            DemoFailed: it never was.
        """
        with self._changed:
            since = len(self.versions) + 1
            if not self._changed.wait_for(lambda: version in self.versions[since:], timeout=seconds):
                raise DemoFailed(f"no answer of {version} within {seconds:.0f} s")

    def _run(self) -> None:
        position = 0
        while not self._stop.is_set():
            item = self._items[position % len(self._items)]
            position += 1
            try:
                version = self._app.ask(item).version
            except OpenAIError as error:
                self.failures.append(str(error))
                continue
            with self._changed:
                self.versions.append(version)
                self._changed.notify_all()
