"""Ask an OpenAI-compatible service whether it answers us, whether it tells how sure it is, and until when it will."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, ValidationError

from tuneloop.kit.errors import InvalidInput, TuneloopError, Unavailable
from tuneloop.kit.outgoing.clients import guarded_client
from tuneloop.kit.outgoing.guard import Guard

SECONDS = 30.0
MOST_BYTES = 4 << 20
"""The list of models is long where many are tuned."""

_REFUSED_FOR_WHAT_IS_ASKED = (httpx.codes.BAD_REQUEST, httpx.codes.FORBIDDEN, httpx.codes.UNPROCESSABLE_ENTITY)
_TUNED = re.compile(r"ft:(?P<base>[^:]+):")
_HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "stream": False}
_LOGPROBS: dict[str, Any] = {"logprobs": True, "top_logprobs": 5}


class ServiceProblem(InvalidInput):
    """The service does not answer as it must; the message says what it said."""

    code = "service_problem"
    transient = False


class _Logprobs(BaseModel):
    content: list[Any] | None = None


class _Choice(BaseModel):
    logprobs: _Logprobs | None = None


class _Answer(BaseModel):
    choices: list[_Choice]


class _Model(BaseModel):
    id: str
    shutdown_date: date | None = None


class _Models(BaseModel):
    data: list[_Model]


@dataclass(frozen=True)
class Service:
    """A model of a service and the key to it."""

    url: str
    model: str
    key: str | None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


def check_answers(guard: Guard, service: Service) -> bool:
    """Put one short question to it; returns whether it tells log-probabilities.

    Raises:
        ServiceProblem: it does not answer, in words for whoever types the URL, the model and the key.
        AddressRefused, Unavailable: it may not be called, or can't be reached just now.
    """
    with guarded_client(guard, seconds=SECONDS, most_bytes=MOST_BYTES) as http:
        asked = {"model": service.model, **_HELLO}
        response = _post(http, service, asked | _LOGPROBS)
        if response.status_code in _REFUSED_FOR_WHAT_IS_ASKED:
            response = _post(http, service, asked)
        if not response.is_success:
            raise _problem(service, response)
        try:
            choices = _Answer.model_validate_json(response.content).choices
        except ValidationError as error:
            raise ServiceProblem(
                f"{service.url}/chat/completions answers, but not as OpenAI does; give the URL up to and with /v1"
            ) from error
    return any(choice.logprobs is not None and choice.logprobs.content for choice in choices)


def last_day(guard: Guard, service: Service) -> date | None:
    """The announced end of the model, or of the base that it is tuned on; None where the service names none.

    OpenAI documents `shutdown_date` for the list of models; few others have it.
    """
    try:
        with guarded_client(guard, seconds=SECONDS, most_bytes=MOST_BYTES) as http:
            response = http.get(f"{service.url}/models", headers=service.headers)
        listed = {each.id: each.shutdown_date for each in _Models.model_validate_json(response.content).data}
    except (httpx.HTTPError, ValidationError, TuneloopError):
        return None
    tuned = _TUNED.match(service.model)
    ends = [listed.get(name) for name in (service.model, tuned["base"] if tuned else "")]
    return min(filter(None, ends), default=None)


def _post(http: httpx.Client, service: Service, body: dict[str, Any]) -> httpx.Response:
    try:
        return http.post(f"{service.url}/chat/completions", json=body, headers=service.headers, timeout=SECONDS)
    except httpx.TimeoutException as error:
        raise Unavailable(f"{service.host} takes longer than {SECONDS:.0f} seconds to answer; try again") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"{service.host} can't be reached ({error}); check the URL, or try again") from error


def _problem(service: Service, response: httpx.Response) -> TuneloopError:
    status, said = response.status_code, _said(response)
    if status == httpx.codes.TOO_MANY_REQUESTS and "insufficient_quota" not in response.text:
        return Unavailable(f"{service.host} is busy ({said}); try again in a minute")
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Unavailable(f"{service.host} has a failure ({said}); try again later")
    what = {
        httpx.codes.UNAUTHORIZED: "refuses the key",
        httpx.codes.FORBIDDEN: "does not let this key use the model",
        httpx.codes.NOT_FOUND: f"knows no model {service.model!r} there",
        httpx.codes.TOO_MANY_REQUESTS: "says that its account has no credit left",
    }.get(httpx.codes(status) if status in set(httpx.codes) else httpx.codes.OK, "refuses the question")
    return ServiceProblem(f"{service.host} {what} ({said})")


def _said(response: httpx.Response) -> str:
    """Its status and its own sentence, if it has one."""
    try:
        message = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return f"status {response.status_code}"
    return f"{response.status_code}: {str(message)[:300]}"
