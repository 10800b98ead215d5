"""What production has answered is not asked again, where asking again could say nothing else."""

from dataclasses import replace

from tests.support.factories import make_base
from tests.support.world import manifest
from tuneloop.evaluation.given import Given, cache_key
from tuneloop.gateway.routes import Route
from tuneloop.kit.db import Database
from tuneloop.kit.ids import new_id
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.templates import Message
from tuneloop.tables import AdapterVersion, Prediction
from tuneloop_workers.handlers.run_versions import Exam, with_own_answers

CHOICE = Contract(task=Task.CLASSIFY, system_prompt="Sort.", labels=("order", "refund"))
REPLY = Contract(task=Task.GENERATE, system_prompt="Reply.")


def exam(database: Database, contract: Contract, texts: list[str], known: dict[str, Given]) -> Exam:
    made = manifest(make_base(database), contract)
    version = AdapterVersion(
        client_id=new_id(),
        model_id=new_id(),
        number="1.0",
        digest="a" * 64,
        manifest=made.model_dump(mode="json"),
        parts=[],
        files=[],
        parity={},
        snapshot_id=new_id(),
        training={},
    )
    keys = [cache_key(version.digest, (Message(role="user", content=text),)) for text in texts]
    return Exam(version, route_to(version, contract), made, keys, known)


def route_to(version: AdapterVersion, contract: Contract) -> Route:
    return Route(
        name="acme/support@v1.0",
        owner="acme",
        agency_id=new_id(),
        client_id=version.client_id,
        model_id=version.model_id,
        version_id=version.id,
        digest=version.digest,
        contract=contract,
        upstream_url=None,
        created_at=version.created_at,
    )


def answered(digest: str, answer: str) -> Prediction:
    return Prediction(
        client_id=new_id(),
        model_id=new_id(),
        version_id=new_id(),
        digest=digest,
        messages=[{"role": "user", "content": "hi"}],
        answer=answer,
        confidence=0.9,
        margin=0.8,
    )


def test_labels_that_this_version_gave_in_production_are_its_answers(database: Database) -> None:
    asked = exam(database, CHOICE, ["one", "two", "three"], {})
    given = [answered("a" * 64, "order"), answered("b" * 64, "refund"), answered("a" * 64, "x")]
    found = with_own_answers(asked, given)
    assert found.known == {asked.keys[0]: Given("order", 0.9, 0.8), asked.keys[2]: Given("x", 0.9, 0.8)}


def test_an_evaluation_s_own_answer_comes_first(database: Database) -> None:
    asked = exam(database, CHOICE, ["one"], {})
    earlier = replace(asked, known={asked.keys[0]: Given("refund", 0.6, 0.2)})
    assert with_own_answers(earlier, [answered("a" * 64, "order")]).known == earlier.known


def test_free_texts_are_asked_again_since_requests_choose_how_they_are_sampled(database: Database) -> None:
    assert with_own_answers(exam(database, REPLY, ["one"], {}), [answered("a" * 64, "Yes.")]).known == {}
