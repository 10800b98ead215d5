"""A cycle's page hears every change of the step that runs, and when nothing runs any more."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tests.support.cycles import Workshop
from tuneloop.kit.errors import NotFound
from tuneloop.kit.ids import new_id
from tuneloop.kit.jobs import JobRow, JobState
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.retraining.controller import stream_moments
from tuneloop.retraining.events import Moment, moment_of
from tuneloop.retraining.jobs import TrainCandidate
from tuneloop.retraining.service import start_step
from tuneloop.tables import ApprovalKind, CycleState, RetrainingCycle
from tuneloop_workers.handlers.trainer_process import Losses


def at(state: CycleState, *, step: int = 0, over: bool = False) -> Moment:
    return Moment(state, TrainCandidate.name, JobState.RUNNING, 1, {"step": step}, None, over)


def heard(moments: list[Moment]) -> list[tuple[str | None, str]]:
    coming: Iterator[Moment] = iter(moments[1:])

    async def listen() -> list[tuple[str | None, str]]:
        stream = stream_moments(moments[0], lambda: next(coming), pause=0)
        return [(each.event, str(each.data)) async for each in stream if each.event]

    return asyncio.run(listen())


def test_only_changes_are_told_and_the_end() -> None:
    training = CycleState.TRAINING
    said = heard(
        [at(training), at(training), at(training, step=1), at(training, step=1), at(CycleState.FAILED, over=True)]
    )
    assert [event for event, _ in said] == ["moment", "moment", "moment", "over"]
    assert '"step":1' in said[1][1]
    assert said[-1] == ("over", "failed")


def test_a_step_that_runs_is_shown_with_its_progress(session: TenantSession, workshop: Workshop) -> None:
    cycle = workshop.cycle(session, CycleState.APPROVED)
    start_step(session, cycle, TrainCandidate)
    job = session.get_one(JobRow, cycle.job_id)
    job.state, job.progress = JobState.RUNNING, {"stage": "training", "losses": [[1, 2.5]]}
    session.flush()
    moment = moment_of(session, cycle.id)
    assert (moment.job, moment.progress["losses"], moment.over) == (TrainCandidate.name, [[1, 2.5]], False)


@pytest.mark.parametrize("state", [CycleState.PROPOSED, CycleState.AWAITING_PROMOTION, CycleState.REJECTED])
def test_while_people_think_nothing_runs(session: TenantSession, workshop: Workshop, state: CycleState) -> None:
    assert moment_of(session, workshop.cycle(session, state).id).over


def test_an_unknown_cycle_is_not_found(session: TenantSession) -> None:
    with pytest.raises(NotFound):
        moment_of(session, new_id())


def test_the_stream_over_http(
    session: TenantSession, workshop: Workshop, operator: Principal, api: TestClient[Litestar]
) -> None:
    cycle_id = workshop.asked(session, ApprovalKind.PROMOTION)
    answer = api.get(f"/api/v1/cycles/{cycle_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert "event: moment" in answer.text
    assert answer.text.rstrip().endswith("data: awaiting_promotion")
    assert session.get_one(RetrainingCycle, cycle_id).state is CycleState.AWAITING_PROMOTION


def test_a_long_loss_curve_is_thinned_evenly() -> None:
    losses = Losses(most=10)
    for step in range(1, 1001):
        losses.add(step, 1 / step)
    steps = [int(step) for step, _ in losses.points]
    assert 4 <= len(steps) <= 10
    assert len({later - earlier for earlier, later in pairwise(steps)}) == 1
    assert losses.points[0][1] == pytest.approx(1 / steps[0], abs=1e-4)
