"""HTTP: A/B tests of a cycle's candidate."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.ab_tests.figures import in_words, reading_of
from tuneloop.ab_tests.reading import read_now
from tuneloop.ab_tests.schemas import AbTestCreate, AbTestRead, AbTestStop
from tuneloop.ab_tests.service import start, stop, tests_of
from tuneloop.kit.jobs.reading import JobRead, find_job
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import full_name
from tuneloop.retraining.service import find_cycle
from tuneloop.tables import AbTest, AdapterVersion, RegisteredModel, Role


class AbTestController(Controller):
    path = "/api/v1"
    tags = ("cycles",)

    @get("/cycles/{cycle_id:uuid}/ab-tests", role=Role.VIEWER, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession], cycle_id: FromPath[UUID]) -> list[AbTestRead]:
        """A/B tests of a cycle's candidate, newest first, each with its last reading."""
        find_cycle(session, cycle_id)
        return [_read(session, test) for test in tests_of(session, cycle_id)]

    @post("/cycles/{cycle_id:uuid}/ab-tests", role=Role.OPERATOR, sync_to_thread=True)
    def start_test(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        cycle_id: FromPath[UUID],
        data: JSONBody[AbTestCreate],
    ) -> AbTestRead:
        """Have the candidate with this digest answer a share of the people."""
        test = start(
            session,
            principal=principal,
            cycle_id=cycle_id,
            digest=data.digest,
            share=data.share,
            days=data.days,
            labels=data.labels,
        )
        return _read(session, test)

    @post("/ab-tests/{ab_test_id:uuid}/readings", role=Role.OPERATOR, sync_to_thread=True)
    def read_current(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        ab_test_id: FromPath[UUID],
    ) -> JobRead:
        """Read both arms now instead of within ten minutes, and ask people about answers of both."""
        return JobRead.model_validate(find_job(session, read_now(session, principal=principal, test_id=ab_test_id)))

    @post("/ab-tests/{ab_test_id:uuid}/stop", role=Role.OPERATOR, sync_to_thread=True)
    def stop_test(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        ab_test_id: FromPath[UUID],
        data: JSONBody[AbTestStop],
    ) -> AbTestRead:
        """Give all traffic back to production; the candidate still waits for a decision."""
        return _read(session, stop(session, principal=principal, test_id=ab_test_id, reason=data.reason))


def _read(session: TenantSession, test: AbTest) -> AbTestRead:
    name = full_name(session, session.get_one(RegisteredModel, test.model_id))
    production = session.get_one(AdapterVersion, test.production_version_id)
    candidate = session.get_one(AdapterVersion, test.candidate_version_id)
    return AbTestRead(
        **test.model_dump(include=set(AbTestRead.model_fields)),
        model=name,
        production=f"{name}@v{production.number}",
        candidate=f"{name}@v{candidate.number}",
        says=in_words(reading_of(test)),
    )
