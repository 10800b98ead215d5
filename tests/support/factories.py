"""Rows that tests start from."""

from dataclasses import replace

from sqlmodel import select

from tuneloop.identity.keys import create_key
from tuneloop.identity.service import create_agency
from tuneloop.kit.db import Database
from tuneloop.kit.principal import Principal
from tuneloop.registry.contract import Contract, Task
from tuneloop.tables import ActorKind, Agency, BaseModel, Client, Membership, RegisteredModel, Role, User

SUPPORT = Contract(task=Task.CLASSIFY, system_prompt="Sort the message.", labels=("order", "refund", "repair"))


def owner_of(agency: Agency) -> Principal:
    return Principal(agency.id, Role.OWNER, ActorKind.USER, None, "Olga Owner", "test")


def make_agency(database: Database, slug: str) -> Agency:
    with database.all_agencies() as session:
        return create_agency(session, slug=slug, name=slug.title())


def make_client(database: Database, agency: Agency, slug: str) -> Client:
    with database.unit(agency.id) as session:
        client = Client(slug=slug, name=slug.title())
        session.add(client)
    return client


def make_key(database: Database, agency: Agency, *, role: Role = Role.OWNER, client: str | None = None) -> str:
    """Of an owner who is a member, the same for all keys of the agency."""
    with database.unit(agency.id) as session:
        maker = session.exec(select(User).where(User.email == f"olga.owner@{agency.slug}.example")).one_or_none()
        if maker is None:
            maker = User(email=f"olga.owner@{agency.slug}.example", name="Olga Owner")
            session.add(maker)
            session.flush()
            session.add(Membership(user_id=maker.id, role=Role.OWNER))
        principal = replace(owner_of(agency), actor_id=maker.id)
        _, token = create_key(session, principal=principal, name="key", role=role, client=client)
    return token


def make_base(database: Database, name: str = "tiny") -> BaseModel:
    with database.all_agencies() as session:
        base = BaseModel(
            name=name,
            source="test",
            revision="1",
            licence="none",
            architecture="gemma3",
            quantisation="F16",
            gguf_sha256="a" * 64,
            weights_sha256="b" * 64,
            context_length=512,
        )
        session.add(base)
    return base


def make_model(
    database: Database, client: Client, base: BaseModel, slug: str = "support", contract: Contract = SUPPORT
) -> RegisteredModel:
    """No answers are reserved for the gate, so that any of them may teach."""
    with database.unit(client.agency_id) as session:
        model = RegisteredModel(
            client_id=client.id,
            slug=slug,
            base_id=base.id,
            contract=contract.model_dump(mode="json"),
            policy={"gate_share": 0.0},
        )
        session.add(model)
    return model
