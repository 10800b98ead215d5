"""Modals: why, are you sure, what would have been right."""

from tuneloop_bot.action_ids import Field, Form, Metadata
from tuneloop_bot.blocks.parts import Block, ours, plain, theirs

LONGEST = 2000


def reason_form(form: Form, metadata: Metadata, *, title: str, question: str, submit: str, optional: bool) -> Block:
    return _modal(form, metadata, title, submit, [_input(Field.REASON, question, multiline=True, optional=optional)])


def override_form(metadata: Metadata, *, name: str, verdict: str) -> Block:
    """Two hurdles against a slip of the thumb: a reason, and the candidate's name typed."""
    blocks = [
        ours("*The gate did not say promote.*"),
        theirs(verdict),
        _input(Field.REASON, "Why is it right to promote it all the same?", multiline=True),
        _input(Field.TYPED, f"Type {name} to confirm", hint="Your name and reason stay in the audit log."),
    ]
    return _modal(Form.OVERRIDE, metadata, "Override the gate", "Promote", blocks)


def wrong_form(metadata: Metadata, *, completion: str | None) -> Block:
    blocks = [
        _input(
            Field.COMPLETION,
            "Which answer?",
            initial=completion or "",
            hint="Its completion id, such as chatcmpl-0198…",
        ),
        _input(Field.EXPECTED, "What would have been right?", multiline=True),
    ]
    return _modal(Form.WRONG, metadata, "This answer was wrong", "Send", blocks)


def note_form(metadata: Metadata, *, note: str) -> Block:
    blocks = [_input(Field.NOTE, "Your words to the client", multiline=True, optional=True, initial=note)]
    return _modal(Form.NOTE, metadata, "Note in the report", "Save", blocks)


def _modal(form: Form, metadata: Metadata, title: str, submit: str, blocks: list[Block]) -> Block:
    return {
        "type": "modal",
        "callback_id": str(form),
        "title": plain(title, 24),
        "submit": plain(submit, 24),
        "close": plain("Cancel", 24),
        "private_metadata": metadata.packed(),
        "blocks": blocks,
    }


def _input(
    field: Field,
    label: str,
    *,
    multiline: bool = False,
    optional: bool = False,
    initial: str = "",
    hint: str | None = None,
) -> Block:
    element: Block = {
        "type": "plain_text_input",
        "action_id": str(field),
        "multiline": multiline,
        "max_length": LONGEST,
    }
    element |= {"initial_value": initial[:LONGEST]} if initial else {}
    block: Block = {"type": "input", "block_id": str(field), "label": plain(label, 2000), "element": element}
    return block | ({"optional": True} if optional else {}) | ({"hint": plain(hint, 2000)} if hint else {})
