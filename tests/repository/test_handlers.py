"""A job that no worker knows would stay undone."""

from collections.abc import Iterator

import pytest

from tuneloop.kit.jobs import runtime
from tuneloop.kit.jobs.job import Job, Queue
from tuneloop.retraining.jobs import CycleStep
from tuneloop.worker import HANDLERS, load_handlers


def jobs(of: type[Job] = Job) -> Iterator[type[Job]]:
    for each in of.__subclasses__():
        if each is not CycleStep and not each.__module__.startswith("tests."):
            yield each
        yield from jobs(each)


def test_every_queue_has_its_handlers() -> None:
    assert set(HANDLERS) == set(Queue)


@pytest.mark.parametrize("queue", Queue)
def test_the_worker_of_a_queue_knows_each_of_its_jobs(queue: Queue) -> None:
    load_handlers(*Queue)
    for job in jobs():
        if job.queue is queue:
            assert runtime._HANDLERS[job].__module__ in HANDLERS[queue], job.name
