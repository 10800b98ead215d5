"""A job that no worker knows would stay undone."""

import re
from collections.abc import Iterator
from pathlib import Path

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


def test_every_job_has_a_title_that_a_person_reads() -> None:
    load_handlers(*Queue)
    titles = [job.title for job in jobs()]
    assert len(set(titles)) == len(titles)
    assert [job.name for job in jobs() if not re.fullmatch(r"[A-Z][\w ,'/-]{8,60}", job.title)] == []


def test_the_map_shows_every_job_under_its_queue() -> None:
    load_handlers(*Queue)
    text = (Path(__file__).parents[2] / "platform" / "docs" / "architecture.md").read_text("utf-8")
    (table,) = re.findall(r"^All jobs, by queue.*?\n\n(.*?)\n\n", text, re.MULTILINE | re.DOTALL)
    shown: set[tuple[str, str]] = set()
    for row in table.splitlines()[2:]:
        if heading := re.match(r"\| \*\*(\w+)\*\*", row):
            queue = heading.group(1)
        else:
            shown |= {(queue, name) for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    assert shown == {(job.queue, job.name) for job in jobs()}
