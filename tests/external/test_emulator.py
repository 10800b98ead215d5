"""The local stand-in for OpenAI, asked through OpenAI's own SDK."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.support.openai_account import BASE, KEY, TUNED, tuned_account
from tests.support.ports import free_port
from tuneloop_local.emulators.openai.account import Account, HostedModel
from tuneloop_local.emulators.openai.app import running

QUESTION: list[Any] = [{"role": "user", "content": "Where is my parcel?"}]


@pytest.fixture
def account() -> Account:
    return tuned_account()


@pytest.fixture
def client(account: Account) -> Iterator[OpenAI]:
    with running(account, free_port()) as url, OpenAI(base_url=url, api_key=KEY, max_retries=0) as made:
        yield made


def ask(client: OpenAI, **more: object) -> openai.types.chat.ChatCompletion:
    return client.chat.completions.create(model=TUNED, messages=QUESTION, **more)  # type: ignore[call-overload, no-any-return]


def test_a_tuned_model_answers_whole_and_in_chunks(client: OpenAI) -> None:
    whole = ask(client, logprobs=True, top_logprobs=2)
    choice = whole.choices[0]
    assert (choice.message.content, choice.finish_reason, whole.model) == ("order", "stop", TUNED)
    assert choice.logprobs is not None
    assert choice.logprobs.content is not None
    assert "".join(each.token for each in choice.logprobs.content) == "order"
    assert len(choice.logprobs.content[0].top_logprobs) == 2
    assert ask(client).choices[0].logprobs is None
    with client.chat.completions.create(
        model=TUNED, messages=QUESTION, stream=True, logprobs=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "order"
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens  # type: ignore[union-attr]
    assert ask(client, max_tokens=1).choices[0].finish_reason == "length"


def test_a_model_that_ends_with_its_base_goes_dark_on_the_day(client: OpenAI, account: Account) -> None:
    listed = {each.id: each.shutdown_date for each in client.models.list()}
    assert listed == {TUNED: None, BASE: "2027-01-14"}
    assert client.models.retrieve(BASE).shutdown_date == "2027-01-14"
    account.today = lambda: date(2027, 1, 13)
    assert ask(client).choices[0].message.content == "order"
    account.today = lambda: date(2027, 1, 14)
    with pytest.raises(openai.NotFoundError, match="deprecated") as gone:
        ask(client)
    assert gone.value.code == "model_not_found"
    assert list(client.models.list()) == []


def test_refusals_come_as_the_sdk_knows_them(client: OpenAI, account: Account) -> None:
    with pytest.raises(openai.AuthenticationError) as refused:
        ask(client.with_options(api_key="sk-wrong"))
    assert refused.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="ft:nothing:x::y", messages=QUESTION)
    with pytest.raises(openai.BadRequestError) as unknown:
        ask(client, extra_body={"structured_outputs": {"choice": ["order"]}})
    assert unknown.value.param == "structured_outputs"
    account.models[TUNED].context_tokens = 2
    with pytest.raises(openai.BadRequestError) as long:
        ask(client)
    assert long.value.code == "context_length_exceeded"
    account.add(HostedModel("o-thinker", lambda _messages: "order", reasoning=True))
    with pytest.raises(openai.PermissionDeniedError):
        client.chat.completions.create(model="o-thinker", messages=QUESTION, logprobs=True)
    account.requests_per_minute = 0
    with pytest.raises(openai.RateLimitError) as limited:
        ask(client)
    assert limited.value.code == "rate_limit_exceeded"
    assert int(limited.value.response.headers["retry-after"]) > 0
    account.credit = False
    with pytest.raises(openai.RateLimitError) as broke:
        ask(client)
    assert broke.value.code == "insufficient_quota"
