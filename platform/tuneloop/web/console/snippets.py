"""Requests to a model that work as they are written, in what a client's developer uses."""

from typing import Final, NamedTuple

import orjson

QUESTION: Final = "Where is my parcel?"


class Snippet(NamedTuple):
    key: str
    title: str
    needs: str
    text: str


def snippets(*, address: str, key: str, model: str) -> list[Snippet]:
    """`address` ends in /v1."""
    values = {"address": address, "key": key, "model": model, "question": QUESTION}
    return [
        Snippet("python", "Python", "pip install openai", PYTHON.format(**values)),
        Snippet("javascript", "JavaScript", "Node 18 or newer, in a file that ends in .mjs", JAVASCRIPT % values),
        Snippet("curl", "curl", "a terminal", CURL % values),
        Snippet("n8n", "n8n", "copy it, click into an empty workflow, paste", _n8n(values)),
    ]


PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url="{address}", api_key="{key}")
answer = client.chat.completions.create(
    model="{model}",
    messages=[{{"role": "user", "content": "{question}"}}],
)
print(answer.choices[0].message.content)
"""

JAVASCRIPT = """\
const answer = await fetch("%(address)s/chat/completions", {
  method: "POST",
  headers: { Authorization: "Bearer %(key)s", "Content-Type": "application/json" },
  body: JSON.stringify({
    model: "%(model)s",
    messages: [{ role: "user", content: "%(question)s" }],
  }),
});
if (!answer.ok) throw new Error(await answer.text());
console.log((await answer.json()).choices[0].message.content);
"""

CURL = """\
curl --fail-with-body %(address)s/chat/completions \\
  --header "Authorization: Bearer %(key)s" \\
  --header "Content-Type: application/json" \\
  --data '{"model": "%(model)s", "messages": [{"role": "user", "content": "%(question)s"}]}'
"""


def _n8n(values: dict[str, str]) -> str:
    """Two nodes as n8n copies them: a trigger, and its HTTP Request node with the question in a JSON body."""
    body = {"model": values["model"], "messages": [{"role": "user", "content": values["question"]}]}
    request = {
        "name": "Ask the model",
        "type": "n8n-nodes-base.httpRequest",
        "typeVersion": 4.2,
        "position": [220, 0],
        "parameters": {
            "method": "POST",
            "url": f"{values['address']}/chat/completions",
            "sendHeaders": True,
            "headerParameters": {"parameters": [{"name": "Authorization", "value": f"Bearer {values['key']}"}]},
            "sendBody": True,
            "specifyBody": "json",
            "jsonBody": orjson.dumps(body).decode(),
            "options": {},
        },
    }
    trigger = {
        "name": "Try it",
        "type": "n8n-nodes-base.manualTrigger",
        "typeVersion": 1,
        "position": [0, 0],
        "parameters": {},
    }
    flow = {
        "nodes": [trigger, request],
        "connections": {"Try it": {"main": [[{"node": "Ask the model", "type": "main", "index": 0}]]}},
    }
    return orjson.dumps(flow, option=orjson.OPT_INDENT_2).decode()
