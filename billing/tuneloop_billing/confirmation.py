"""What costs money, or ends what earns it, is said once before it is done."""

from http import HTTPStatus
from typing import ClassVar

from tuneloop.kit.errors import TuneloopError


class ConfirmationNeeded(TuneloopError):
    """The message says what would happen. `details["confirm"]` are the fields that agree to exactly that."""

    status = HTTPStatus.CONFLICT
    code: ClassVar[str] = "confirmation_needed"
    transient = False

    def __init__(self, message: str, **confirm: int | bool) -> None:
        super().__init__(message, confirm=confirm)
        self.confirm = confirm
