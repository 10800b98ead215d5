"""HTTP: shadow tests of a cycle's candidate."""

from uuid import UUID

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.kit.jobs.reading import JobRead, find_job
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import full_name
from tuneloop.retraining.service import find_cycle
from tuneloop.shadow_tests.figures import in_words, reading_of
from tuneloop.shadow_tests.reading import read_now
from tuneloop.shadow_tests.schemas import ShadowTestCreate, ShadowTestRead, ShadowTestStop
from tuneloop.shadow_tests.service import shadows_of, start, stop
from tuneloop.tables import AdapterVersion, RegisteredModel, Role, ShadowTest


class ShadowTestController(Controller):
    path = "/api/v1"
    tags = ("cycles",)

    @get("/cycles/{cycle_id:uuid}/shadow-tests", role=Role.VIEWER, sync_to_thread=True)
    def index(self, session: NamedDependency[TenantSession], cycle_id: FromPath[UUID]) -> list[ShadowTestRead]:
        """Shadow tests of a cycle's candidate, newest first, each with its last reading."""
        find_cycle(session, cycle_id)
        return [_read(session, test) for test in shadows_of(session, cycle_id)]

    @post("/cycles/{cycle_id:uuid}/shadow-tests", role=Role.OPERATOR, sync_to_thread=True)
    def start_test(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        cycle_id: FromPath[UUID],
        data: JSONBody[ShadowTestCreate],
    ) -> ShadowTestRead:
        """Have the candidate with this digest answer a share of production's questions too, seen by nobody."""
        test = start(session, principal=principal, cycle_id=cycle_id, **data.model_dump())
        return _read(session, test)

    @post("/shadow-tests/{shadow_test_id:uuid}/readings", role=Role.OPERATOR, sync_to_thread=True)
    def read_current(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        shadow_test_id: FromPath[UUID],
    ) -> JobRead:
        """Compare what came in now instead of within ten minutes, and ask people about differences."""
        job_id = read_now(session, principal=principal, test_id=shadow_test_id)
        return JobRead.model_validate(find_job(session, job_id))

    @post("/shadow-tests/{shadow_test_id:uuid}/stop", role=Role.OPERATOR, sync_to_thread=True)
    def stop_test(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        shadow_test_id: FromPath[UUID],
        data: JSONBody[ShadowTestStop],
    ) -> ShadowTestRead:
        """Put no more questions to the candidate, which still waits for a decision."""
        return _read(session, stop(session, principal=principal, test_id=shadow_test_id, reason=data.reason))


def _read(session: TenantSession, test: ShadowTest) -> ShadowTestRead:
    name = full_name(session, session.get_one(RegisteredModel, test.model_id))
    production = session.get_one(AdapterVersion, test.production_version_id)
    candidate = session.get_one(AdapterVersion, test.candidate_version_id)
    return ShadowTestRead(
        **test.model_dump(include=set(ShadowTestRead.model_fields)),
        model=name,
        production=f"{name}@v{production.number}",
        candidate=f"{name}@v{candidate.number}",
        says=in_words(reading_of(test)),
    )
