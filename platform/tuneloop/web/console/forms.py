"""Read the fields of a form, with sentences for what is missing."""

from email.utils import parseaddr

from litestar.datastructures import FormMultiDict, UploadFile
from pydantic import ValidationError

from tuneloop.clients.schemas import Contact
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


def whole(text: str, what: str) -> int:
    """Raises InvalidInput, naming `what` it should be."""
    try:
        return int(text)
    except ValueError as error:
        raise InvalidInput(f"{what} is a whole number, not {text!r}") from error


def sent_file(form: FormMultiDict, key: str = "file") -> UploadFile:
    """Raises InvalidInput when none was chosen."""
    sent = form.get(key)
    if not isinstance(sent, UploadFile) or not sent.filename:
        raise InvalidInput("choose a file", param=key)
    return sent


def people(form: FormMultiDict, key: str) -> list[dict[str, str]]:
    """Names and addresses, one a line: Ann Smith <ann@client.example>.

    Raises:
        InvalidInput: a line is something else.
    """
    found = []
    for line in filter(None, map(str.strip, optional(form, key, longest=20_000).splitlines())):
        name, email = parseaddr(line)
        try:
            found.append(Contact(name=name or email, email=email))
        except ValidationError as error:
            wanted = "write a name and an address in each line: Ann Smith <ann@client.example>"
            raise InvalidInput(f"{line!r} is none; {wanted}", field=key) from error
    return [each.model_dump() for each in found]
