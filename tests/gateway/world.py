"""An agency with a client, a model and two versions of it, committed."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import Session, col, select

from tests.support.factories import SUPPORT, make_agency, make_base, make_client, make_key, make_model, owner_of
from tuneloop.ab_tests.service import begin, stop
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.registry.contract import Contract
from tuneloop.registry.service import point
from tuneloop.shadow_tests.service import begin as begin_shadow
from tuneloop.shadow_tests.service import stop as stop_shadow
from tuneloop.tables import (
    AbTest,
    AdapterVersion,
    Agency,
    Alias,
    BaseModel,
    Client,
    CycleState,
    Pool,
    Prediction,
    RegisteredModel,
    RetrainingCycle,
    Role,
    ShadowAnswer,
    ShadowTest,
    Snapshot,
    Trigger,
)

QUESTION: list[Any] = [{"role": "user", "content": "Where is my parcel?"}]


@dataclass
class World:
    """`v10` is in production, `v11` is the candidate."""

    database: Database
    agency: Agency
    client: Client
    base: BaseModel
    model: RegisteredModel
    v10: AdapterVersion
    v11: AdapterVersion
    key: str

    def another_key(self, *, role: Role = Role.OPERATOR, client: str | None = None) -> str:
        return make_key(self.database, self.agency, role=role, client=client)

    def promote(self, version: AdapterVersion) -> None:
        with self.database.unit(self.agency.id) as session:
            point(session, self.model, Alias.PRODUCTION, version.id)

    def begin_test(self, share: float = 0.5) -> AbTest:
        """`v11` against `v10` from now on."""
        with self.database.unit(self.agency.id) as session:
            test = AbTest(
                client_id=self.client.id,
                model_id=self.model.id,
                cycle_id=self._cycle(session),
                production_version_id=self.v10.id,
                candidate_version_id=self.v11.id,
                share=share,
                days=14,
                labels=60,
                started_by="Olga Owner",
                started_from="test",
            )
            session.add(test)
            session.flush()
            begin(session, principal=owner_of(self.agency), test_id=test.id)
        return test

    def stop_test(self, test: AbTest) -> None:
        with self.database.unit(self.agency.id) as session:
            stop(session, principal=owner_of(self.agency), test_id=test.id)

    def begin_shadow(self, *, share: float = 1.0, answers: int = 1000, days: int = 1) -> UUID:
        """`v11` behind `v10` from now on."""
        with self.database.unit(self.agency.id) as session:
            test = ShadowTest(
                client_id=self.client.id,
                model_id=self.model.id,
                cycle_id=self._cycle(session),
                production_version_id=self.v10.id,
                candidate_version_id=self.v11.id,
                share=share,
                answers=answers,
                days=days,
                labels=0,
                started_by="Olga Owner",
                started_from="test",
            )
            session.add(test)
            session.flush()
            begin_shadow(session, principal=owner_of(self.agency), test_id=test.id)
            return test.id

    def stop_shadow(self, test_id: UUID) -> None:
        with self.database.unit(self.agency.id) as session:
            stop_shadow(session, principal=owner_of(self.agency), test_id=test_id)

    def shadow_answers(self) -> list[ShadowAnswer]:
        with self.database.unit(self.agency.id) as session:
            return list(session.exec(select(ShadowAnswer).order_by(col(ShadowAnswer.at))))

    def asked(self, test_id: UUID) -> int:
        with self.database.unit(self.agency.id) as session:
            return session.get_one(ShadowTest, test_id).asked

    def _cycle(self, session: Session) -> UUID:
        known = session.exec(select(RetrainingCycle).where(RetrainingCycle.model_id == self.model.id)).first()
        cycle = known or RetrainingCycle(
            client_id=self.client.id,
            model_id=self.model.id,
            state=CycleState.AWAITING_PROMOTION,
            trigger=Trigger.MANUAL,
            recipe={},
        )
        session.add(cycle)
        session.flush()
        return cycle.id

    def predictions(self) -> list[Prediction]:
        with self.database.unit(self.agency.id) as session:
            return list(session.exec(select(Prediction).order_by(col(Prediction.at), col(Prediction.id))))


def make_world(database: Database, contract: Contract = SUPPORT, upstream_url: str | None = None) -> World:
    unique = new_id().hex
    agency = make_agency(database, f"agency-{unique}")
    client = make_client(database, agency, "acme")
    base = make_base(database, f"base-{unique}")
    if upstream_url is not None:
        with database.all_agencies() as session:
            base.upstream_url = upstream_url
            session.add(base)
    model = make_model(database, client, base, contract=contract)
    v10, v11 = make_version(database, model, "1.0", contract), make_version(database, model, "1.1", contract)
    with database.unit(agency.id) as session:
        point(session, model, Alias.PRODUCTION, v10.id)
        point(session, model, Alias.CANDIDATE, v11.id)
    return World(database, agency, client, base, model, v10, v11, make_key(database, agency))


def make_version(
    database: Database,
    model: RegisteredModel,
    number: str,
    contract: Contract,
    *,
    manifest: dict[str, Any] | None = None,
) -> AdapterVersion:
    with database.unit(model.agency_id) as session:
        snapshot_id = _snapshot(database, model)
        version = AdapterVersion(
            client_id=model.client_id,
            model_id=model.id,
            number=number,
            digest=new_id().hex * 2,
            manifest=manifest or {"contract": contract.model_dump(mode="json")},
            parts=[],
            files=[],
            parity={},
            snapshot_id=snapshot_id,
            training={},
        )
        session.add(version)
    return version


def _snapshot(database: Database, model: RegisteredModel) -> UUID:
    with database.unit(model.agency_id) as session:
        snapshot = Snapshot(
            client_id=model.client_id, model_id=model.id, pool=Pool.TRAINING, digest=new_id().hex, size=1, categories={}
        )
        session.add(snapshot)
    return snapshot.id
