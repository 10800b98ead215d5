"""Files that wait between a look at them and their import: small ones, for a day at most."""

import io
import zlib
from typing import IO, Final
from uuid import UUID

from sqlmodel import Session

from tuneloop.kit.clean_text import clean_name
from tuneloop.kit.errors import InvalidInput, NotFound, TooLarge
from tuneloop.kit.principal import Principal
from tuneloop.tables import RegisteredModel, Role, Upload

LARGEST: Final = 20 << 20


def keep_upload(session: Session, *, principal: Principal, model: RegisteredModel, name: str, content: bytes) -> Upload:
    """
    Raises:
        InvalidInput: the file is empty.
        TooLarge: it has more than LARGEST bytes.
    """
    principal.require(Role.OPERATOR)
    if not content:
        raise InvalidInput("choose a file that is not empty", param="file")
    if len(content) > LARGEST:
        raise TooLarge(
            f"the page takes files up to {LARGEST >> 20} MiB; split it, or use 'tuneloop dataset import', "
            "which takes 200 MiB",
            limit=LARGEST,
        )
    upload = Upload(
        client_id=model.client_id,
        model_id=model.id,
        name=clean_name(name)[:200] or "file",
        size=len(content),
        content=zlib.compress(content, level=1),
        added_by=principal.name,
    )
    session.add(upload)
    session.flush()
    return upload


def find_upload(session: Session, *, model: RegisteredModel, upload_id: UUID) -> Upload:
    """Raises NotFound."""
    found = session.get(Upload, upload_id)
    if found is None or found.model_id != model.id:
        raise NotFound("upload", upload_id)
    return found


def content_of(upload: Upload) -> IO[bytes]:
    return io.BytesIO(zlib.decompress(upload.content))


def discard(session: Session, *, principal: Principal, upload: Upload) -> None:
    principal.require(Role.OPERATOR)
    session.delete(upload)
    session.flush()
