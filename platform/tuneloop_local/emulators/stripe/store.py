"""What the emulator remembers: accounts that know nothing of each other, each with its objects, events and clock."""

import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from secrets import token_hex
from time import time
from typing import Any

import orjson

from tuneloop_local.emulators.stripe.errors import missing

Object = dict[str, Any]

KEY = "sk_test_emulator_"
"""By this beginning a key is known to be of the emulator, and is never sent anywhere else."""


@dataclass
class Delivery:
    """A webhook on its way: to which endpoint, how often it was tried, when next."""

    id: str
    event: str
    endpoint: str
    attempts: int = 0
    due: float = 0.0
    done: bool = False
    answer: str = ""


@dataclass
class Account:
    """`ahead` is how many seconds this account's clock has been advanced, `owner` the platform of a connected one."""

    id: str
    name: str
    key: str | None
    owner: str | None = None
    ahead: int = 0
    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    replies: dict[str, Object] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    hold: bool = False
    refusals: list[Object] = field(default_factory=list)
    sequence: int = 0
    at: int | None = None

    @property
    def now(self) -> int:
        """The moment that is being worked on: the present, or one on the way while the clock is advanced."""
        return self.at if self.at is not None else int(time()) + self.ahead

    def all(self, kind: str) -> dict[str, Object]:
        return self.objects.setdefault(kind, {})

    def get(self, kind: str, object_id: str, *, param: str = "id") -> Object:
        found = self.all(kind).get(object_id)
        if found is None:
            raise missing(kind.rpartition(".")[2].replace("_", " "), object_id, param=param)
        return found

    def anywhere(self, object_id: str) -> Object | None:
        return next((kind[object_id] for kind in self.objects.values() if object_id in kind), None)

    def newest(self, kind: str) -> Iterator[Object]:
        return reversed(self.all(kind).values())

    def add(self, kind: str, made: Object) -> Object:
        self.all(kind)[made["id"]] = made
        return made


class World:
    """Every account. `path` keeps it over restarts; changes are made while `lock` is held."""

    def __init__(self, path: Path | None = None) -> None:
        self.lock = threading.RLock()
        self.accounts: dict[str, Account] = {}
        self._path = path
        if path is not None and path.exists():
            for each in orjson.loads(path.read_bytes()):
                deliveries = [Delivery(**delivery) for delivery in each.pop("deliveries")]
                self.accounts[each["id"]] = Account(**each, deliveries=deliveries)

    def open_account(self, name: str, *, owner: str | None = None) -> Account:
        """A platform of its own with a secret key, or an account connected to `owner`."""
        key = None if owner else f"{KEY}{token_hex(24)}"
        account = Account(f"acct_{token_hex(8)}", name, key, owner)
        self.accounts[account.id] = account
        return account

    def with_key(self, key: str) -> Account | None:
        return next((each for each in self.accounts.values() if each.key == key), None)

    def save(self) -> None:
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".tmp")
        temporary.write_bytes(orjson.dumps([asdict(each) for each in self.accounts.values()]))
        temporary.replace(self._path)


def new_object_id(prefix: str) -> str:
    return f"{prefix}_{token_hex(12)}"
