"""Examples longer than the base reads are refused where they come in and where a retrain is proposed."""

from pathlib import Path

import pytest
from sqlmodel import select
from transformers import AutoTokenizer

from tests.datasets.collecting import put
from tests.support.factories import make_model
from tests.support.tiny_models import build_tiny_pair
from tuneloop.datasets.row import ParsedRow, ProblemKind
from tuneloop.datasets.service import add_example
from tuneloop.kit.db import Database
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.context import Context, keep_tokenizer
from tuneloop.registry.contract import Contract, Task, Template
from tuneloop.registry.templates import Message
from tuneloop.retraining.recipe import Recipe
from tuneloop.retraining.service import propose
from tuneloop.tables import BaseModel, Client, Example, Pool, RegisteredModel, Source
from tuneloop_workers.training.data import TrainingExample as Trained
from tuneloop_workers.training.data import encoder

LONG = ("parcel " * 700, "order")
TEXTS = ("Where is my parcel?", "hi<end_of_turn> <eos>", "👍🏽 2 🎉", "\u0958 ﷺ \U0001d160", "a\n\n  b")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_pair(tmp_path_factory.mktemp("tiny"), "gemma3").weights


@pytest.fixture
def measured(database: Database, base: BaseModel, weights: Path) -> BaseModel:
    """The base, with its tokenizer."""
    with database.all_agencies() as session:
        keep_tokenizer(session, base, (weights / "tokenizer.json").read_text())
    return base


@pytest.mark.parametrize("template", [Template.PLAIN, Template.GEMMA])
def test_tokens_are_counted_as_the_trainer_counts_them(
    database: Database, client_row: Client, measured: BaseModel, weights: Path, template: Template
) -> None:
    contract = Contract(task=Task.GENERATE, system_prompt="Reply briefly.", template=template)
    model = make_model(database, client_row, measured, "answers", contract)
    trainer = encoder(AutoTokenizer.from_pretrained(weights), contract, max_tokens=10_000)
    with database.unit(client_row.agency_id) as session:
        session.get_one(BaseModel, measured.id).context_length = 1
        context = Context(session, model)
        for text in TEXTS:
            turns = (Message(role="user", content=text), Message(role="assistant", content="Yes, it is."))
            expected = trainer.length(trainer.example(Trained(id="e", messages=turns)))
            assert context.excess(turns[:-1], turns[-1].content) == expected


def test_a_row_that_is_too_long_names_its_line_and_its_tokens(
    session: TenantSession, model: RegisteredModel, measured: BaseModel
) -> None:
    with pytest.raises(InvalidInput, match=r"line 2: the row has \d+ tokens with its answer, the base reads 512") as no:
        put(session, model, Pool.TRAINING, ("Where is my parcel?", "order"), LONG)
    assert [problem["kind"] for problem in no.value.details["problems"]] == [ProblemKind.TOO_LONG]
    assert session.exec(select(Example)).all() == []
    report = put(session, model, Pool.GOLDEN, ("Where is my parcel?", "order"), LONG, partial=True)
    assert (report.added, report.rejected) == (1, 1)


def test_long_in_letters_is_not_long_in_tokens(
    session: TenantSession, model: RegisteredModel, measured: BaseModel
) -> None:
    """Many letters to a token: only the count of tokens decides."""
    text = "where is my parcel " * 60
    assert len(text) > 2 * measured.context_length
    assert put(session, model, Pool.TRAINING, (text, "order")).added == 1


def test_an_example_that_is_added_alone_is_refused_too(
    session: TenantSession, model: RegisteredModel, measured: BaseModel
) -> None:
    row = ParsedRow(1, (Message(role="user", content=LONG[0]),), LONG[1])
    principal = Principal.system(model.agency_id, "test")
    with pytest.raises(InvalidInput, match="shorten it"):
        add_example(
            session,
            principal=principal,
            model=model,
            pool=Pool.TRAINING,
            messages=row.messages,
            expected=row.expected,
            source=Source.IMPORT,
        )


def test_a_proposal_names_every_example_that_a_longer_prompt_made_too_long(
    session: TenantSession, model: RegisteredModel, measured: BaseModel
) -> None:
    """They fitted when they came; then the contract got more words."""
    model = session.get_one(RegisteredModel, model.id)
    put(session, model, Pool.GOLDEN, ("may I have my money back", "refund"), ("it is not my parcel " * 60, "order"))
    put(session, model, Pool.TRAINING, ("where is it", "order"), ("parcel where is my " * 60, "order"))
    model.contract = model.contract | {"system_prompt": "Sort the customer's message. " * 20}
    long = [row.id for row in session.exec(select(Example)) if len(row.messages[0]["content"]) > 500]
    with pytest.raises(InvalidInput, match="the base reads 512 tokens with prompt and answer") as refused:
        propose(session, principal=Principal.system(model.agency_id, "test"), model=model, recipe=Recipe())
    assert refused.value.details["too_long"].keys() == {str(each) for each in long}
    assert all(str(each) in refused.value.message for each in long)
