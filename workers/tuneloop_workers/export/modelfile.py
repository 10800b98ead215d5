"""The `Modelfile` that lets Ollama serve a release with the same prompt and decoding.

Syntax: https://github.com/ollama/ollama/blob/main/docs/modelfile.md
"""

import orjson

from tuneloop.kit.errors import InvalidInput
from tuneloop.registry.contract import Contract
from tuneloop.registry.templates import Message, end_of_answer, render

_QUOTES = '"""'


def modelfile(contract: Contract, *, model: str, adapter: str | None) -> str:
    """`model` and `adapter` are paths relative to the Modelfile."""
    system = contract.system_prompt + (f"\n\n{contract.facts}" if contract.facts else "")
    if _QUOTES in system:
        raise InvalidInput(f"a Modelfile can't hold {_QUOTES} in the system prompt or facts; use other quotes there")
    lines = [f"FROM ./{model}"]
    if adapter is not None:
        lines.append(f"ADAPTER ./{adapter}")
    lines += [
        f"TEMPLATE {_QUOTES}{_template(contract)}{_QUOTES}",
        f"SYSTEM {_QUOTES}{system}{_QUOTES}",
        f"PARAMETER temperature {contract.decoding.temperature:g}",
        f"PARAMETER num_predict {contract.decoding.max_tokens}",
    ]
    end = end_of_answer(contract)
    stops = [*contract.decoding.stop, *([end] if end is not None else [])]
    lines += [f"PARAMETER stop {orjson.dumps(stop).decode()}" for stop in stops]
    return "\n".join(lines) + "\n"


def _template(contract: Contract) -> str:
    blank = contract.model_copy(update={"system_prompt": "{{ .System }}", "facts": ""})
    prompt = render(blank, [Message(role="user", content="{{ .Prompt }}")])
    return "".join(piece.text for piece in (*prompt.prefix, *prompt.suffix))
