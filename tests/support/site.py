"""The web application, served over HTTP to a browser, on committed rows."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from tests.gateway.server import serve
from tests.support.committed import Committed
from tests.support.factories import owner_of
from tests.support.people import add_member
from tests.support.ports import free_port
from tuneloop.kit.ids import new_id
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.tables import Role
from tuneloop.web.app import create_app

PASSWORD = "a long enough password"


@contextmanager
def served(home: Committed, folder: Path, settings: Settings | None = None) -> Iterator[str]:
    """The address of the site, to which its own links lead."""
    storage = Storage((folder / "objects").as_uri(), cache=folder / "cache")
    own = Settings(data_dir=folder, web_port=free_port(), secret_key=SecretStr("a key of the tests"))
    chosen = settings or own
    with serve(create_app(chosen, home.database, storage, lifespan=()), port=chosen.web_port) as address:
        yield address


def make_person(home: Committed, role: Role, *, client: str | None = None) -> str:
    """The e-mail address of a new member; the password is PASSWORD."""
    email = f"{role}-{new_id().hex[-10:]}@{home.agency.slug}.example"
    with home.database.unit(home.agency.id) as session:
        add_member(
            session,
            principal=owner_of(home.agency),
            email=email,
            name=f"{role.replace('_', ' ').title()} Smith",
            role=role,
            password=PASSWORD,
            client=client,
        )
    return email
