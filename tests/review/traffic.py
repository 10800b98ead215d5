"""A model in production with answers to label, and people who label them."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import NAMESPACE_OID, uuid5

from tests.support.cycles import Workshop
from tuneloop.kit.clock import now
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import ActorKind, AdapterVersion, Agency, Membership, Prediction, RegisteredModel, Role, User

SUBJECTS = ["parcel", "jacket", "tent", "boots", "lamp", "stove", "rope", "bottle", "helmet", "gloves"]
WISHES = [
    "where is my {} that I ordered on day {}",
    "my money for the {} of order {} has not come back",
    "the {} from order {} broke at once",
    "can somebody mend the {} with number {}",
]


@dataclass(frozen=True)
class Traffic:
    workshop: Workshop
    version: AdapterVersion

    @property
    def model(self) -> RegisteredModel:
        return self.workshop.model

    def change(self, session: TenantSession, **values: object) -> None:
        """Both the stored model and the one that tests hold."""
        for model in (self.model, session.get_one(RegisteredModel, self.model.id)):
            for name, value in values.items():
                setattr(model, name, value)
        session.flush()

    def answers(self, session: TenantSession, n: int, *, confidence: float = 0.9) -> list[Prediction]:
        """Different questions, all answered with `order`, one a second; ids are the same in every run."""
        rows = [
            Prediction(
                id=uuid5(NAMESPACE_OID, f"{n} {confidence} {number}"),
                client_id=self.model.client_id,
                model_id=self.model.id,
                version_id=self.version.id,
                digest=self.version.digest,
                at=now() - timedelta(seconds=n - number),
                messages=[{"role": "user", "content": question(number)}],
                answer="order",
                confidence=confidence,
            )
            for number in range(n)
        ]
        session.add_all(rows)
        session.flush()
        return rows


def question(number: int) -> str:
    wish = WISHES[number % len(WISHES)]
    return wish.format(f"{SUBJECTS[number % 10]} {SUBJECTS[number * 3 % 7]}", number * 7919)


def person(agency: Agency, name: str, role: Role = Role.OPERATOR) -> Principal:
    return Principal(agency.id, role, ActorKind.USER, new_id(), name, "test")


def hire(session: TenantSession, agency: Agency, *names: str) -> None:
    """Members who may label."""
    for name in names:
        user = User(email=f"{name}@{agency.slug}.example".lower(), name=name)
        session.add(user)
        session.flush()
        session.add(Membership(user_id=user.id, role=Role.OPERATOR))
    session.flush()
