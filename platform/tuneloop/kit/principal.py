"""The authenticated caller of a request, a job or a command."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self
from uuid import UUID

from tuneloop.kit.errors import NotAllowed


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"
    CLIENT_VIEWER = "client_viewer"


class ActorKind(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    SYSTEM = "system"


_RANK: dict[Role, int] = {Role.CLIENT_VIEWER: 0, Role.VIEWER: 1, Role.OPERATOR: 2, Role.ADMIN: 3, Role.OWNER: 4}


class Person(NamedTuple):
    id: UUID
    name: str


def weaker(one: Role, other: Role) -> Role:
    return min(one, other, key=_RANK.__getitem__)


@dataclass(frozen=True)
class Principal:
    """`client_id` confines the caller to one client of the agency; `origin` says where the call came from.

    `owner` is whose key it is: whatever counts people counts the owner, however many keys they have. A key that is
    `inference_only` asks models and does nothing else, one that is `upload_only` imports data. `by_provider`: the
    agency's identity provider says who it is.
    """

    agency_id: UUID
    role: Role
    kind: ActorKind
    actor_id: UUID | None
    name: str
    origin: str
    client_id: UUID | None = None
    owner: Person | None = None
    inference_only: bool = False
    upload_only: bool = False
    by_provider: bool = False

    @classmethod
    def system(cls, agency_id: UUID, name: str) -> Self:
        """A part of the product that acts on its own, such as the monitor."""
        return cls(agency_id, Role.OPERATOR, ActorKind.SYSTEM, None, name, "system")

    @property
    def person_id(self) -> UUID | None:
        """Who acts, or whose key does; None for the system and for keys that belong to nobody."""
        if self.kind is ActorKind.USER:
            return self.actor_id
        return self.owner.id if self.owner else None

    @property
    def signature(self) -> str:
        """The name under a decision: the person's, and with which key they took it."""
        return f"{self.owner.name} (key {self.name})" if self.owner else self.name

    def may(self, role: Role) -> bool:
        return _RANK[self.role] >= _RANK[role]

    def require(self, role: Role) -> None:
        """Raises NotAllowed unless the caller has at least this role."""
        if not self.may(role):
            raise NotAllowed(f"this needs the role {role}; you have {self.role}", needed=role, role=self.role)
