"""An item that cannot be asked counts as wrong, says why in its run, and is asked again the next time."""

import pytest

from tests.support.cycles import Workshop, make_workshop
from tuneloop.evaluation.given import Given, conversation_of
from tuneloop.evaluation.results import scored
from tuneloop.evaluation.service import answers_of, known_answers, record_run
from tuneloop.kit.db import Database
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import contract_of
from tuneloop.tables import Agency
from tuneloop_workers.handlers.run_versions import exam_of


@pytest.fixture
def workshop(database: Database, agency: Agency) -> Workshop:
    return make_workshop(database, agency, ["order", "order"])


def test_an_unanswered_item_is_wrong_in_a_run_that_goes_on(session: TenantSession, workshop: Workshop) -> None:
    version, contract = workshop.version(session, "1.0"), contract_of(workshop.model)
    asked = [conversation_of(example) for example in workshop.examples]
    exam = exam_of(session, workshop.model, version, asked)
    problem = "not answered: the prompt has 9000 tokens"
    given = {key: Given(example.expected, 0.9, 0.8) for key, example in zip(exam.keys, workshop.examples, strict=True)}
    given[exam.keys[0]] = Given("", 0.0, 0.0, problem)

    results = scored(workshop.examples, exam.keys, given, contract)
    run = record_run(session, version=version, snapshot=workshop.golden, results=results, reused=0, seconds=1.0)

    assert (run.n, run.correct) == (2, 1)
    assert answers_of(session, run)[0].detail == problem
    assert known_answers(session, exam.keys).keys() == {exam.keys[1]}
