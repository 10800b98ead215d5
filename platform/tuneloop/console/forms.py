"""Read the fields of a form, with sentences for what is missing."""

from litestar.datastructures import FormMultiDict

from tuneloop.kit.errors import InvalidInput


def optional(form: FormMultiDict, key: str, *, longest: int = 2000) -> str:
    """The field without surrounding space; "" when it was not sent.

    Raises:
        InvalidInput: it is longer than allowed.
    """
    value = form.get(key)
    text = value.strip() if isinstance(value, str) else ""
    if len(text) > longest:
        raise InvalidInput(f"{key} can have {longest} characters at most, this has {len(text)}", field=key)
    return text


def required(form: FormMultiDict, key: str, what: str, *, longest: int = 2000) -> str:
    """Raises InvalidInput, naming `what` is missing, when the field is empty."""
    text = optional(form, key, longest=longest)
    if not text:
        raise InvalidInput(f"{what} is missing; fill it in and send the form again", field=key)
    return text
