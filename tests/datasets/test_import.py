"""Importing a file: all or nothing, labels, duplicates, conflicts."""

from collections.abc import Iterator

import pytest
from sqlmodel import col, select

from tests.datasets.collecting import parsed, put
from tests.support.factories import make_model
from tuneloop.audit.service import events
from tuneloop.datasets.imports import ImportReport, import_examples
from tuneloop.datasets.row import LISTED_PROBLEMS, ProblemKind, RowProblem
from tuneloop.datasets.service import CategoryCount, add_example, counts, list_examples
from tuneloop.kit.db import Database
from tuneloop.kit.errors import Conflict, InvalidInput, NotAllowed
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.contract import Contract, Task
from tuneloop.registry.templates import Message
from tuneloop.tables import ActorKind, BaseModel, Client, Example, Pool, RegisteredModel, Role, Source

ORDER = ("Where is my parcel?", "order")
REFUND = ("I want my money back", "refund")


@pytest.fixture
def answers(database: Database, client_row: Client, base: BaseModel) -> RegisteredModel:
    return make_model(database, client_row, base, "answers", Contract(task=Task.GENERATE, system_prompt="Reply."))


def test_good_rows_are_stored_with_their_label_as_category(session: TenantSession, model: RegisteredModel) -> None:
    assert put(session, model, Pool.TRAINING, ORDER, REFUND) == ImportReport(added=2)
    assert counts(session, model=model) == [
        CategoryCount(Pool.TRAINING, "order", 1),
        CategoryCount(Pool.TRAINING, "refund", 1),
    ]


def test_an_import_is_audited(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.TRAINING, ORDER, ORDER)
    session.flush()
    (event,) = events(session, subject_id=str(model.id))
    assert (event.action, event.detail) == (
        "examples.import",
        {"pool": "training", "added": 1, "duplicates": 1, "rejected": 0},
    )


def test_an_unknown_label_names_line_label_and_the_closest(session: TenantSession, model: RegisteredModel) -> None:
    with pytest.raises(InvalidInput) as error:
        put(session, model, Pool.TRAINING, ORDER, ("Money!", "Refunds"))
    assert error.value.message == (
        "nothing was imported (bad rows: 1); line 2: 'Refunds' is not a label of this model; the closest is 'refund'; "
        "correct them, or import again with 'partial' to keep the good rows"
    )
    assert error.value.details["problems"] == [
        {
            "line": 2,
            "kind": "unknown_label",
            "message": "'Refunds' is not a label of this model; the closest is 'refund'",
        }
    ]


def test_one_bad_row_stores_nothing(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.TRAINING, REFUND)
    with pytest.raises(InvalidInput):
        put(session, model, Pool.TRAINING, ORDER, ("Money!", "Refunds"))
    assert [each.expected for each in list_examples(session, model=model)] == ["refund"]


def test_partial_keeps_the_good_rows_and_reports_the_bad(session: TenantSession, model: RegisteredModel) -> None:
    report = put(session, model, Pool.TRAINING, ORDER, ("Money!", "Refunds"), REFUND, partial=True)
    assert (report.added, report.rejected, [problem.line for problem in report.problems]) == (2, 1, [2])


def test_partial_lists_twenty_problems_and_counts_all(session: TenantSession, model: RegisteredModel) -> None:
    bad = [(f"text {number}", "x") for number in range(50)]
    report = put(session, model, Pool.TRAINING, *bad, ORDER, partial=True)
    assert (report.added, report.rejected, len(report.problems)) == (1, 50, LISTED_PROBLEMS)


def test_reading_stops_soon_after_twenty_problems(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    read = 0

    def rows() -> Iterator[RowProblem]:
        nonlocal read
        while True:
            read += 1
            yield RowProblem(read, ProblemKind.FORMAT, "bad")

    with pytest.raises(InvalidInput, match=r"\(bad rows: at least \d+\); line 1: bad") as error:
        import_examples(session, principal=principal, model=model, pool=Pool.TRAINING, rows=rows())
    assert read <= 1_000
    assert len(error.value.details["problems"]) == LISTED_PROBLEMS


def test_a_file_without_rows_is_refused(session: TenantSession, model: RegisteredModel) -> None:
    with pytest.raises(InvalidInput, match="the file has no rows"):
        put(session, model, Pool.TRAINING)


def test_repeated_texts_are_skipped_and_counted(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.TRAINING, ORDER)
    report = put(session, model, Pool.TRAINING, ("where is my PARCEL", "order"), REFUND, REFUND)
    assert report == ImportReport(added=1, duplicates=2)


def test_a_text_with_another_answer_is_reported(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.TRAINING, ORDER)
    report = put(session, model, Pool.TRAINING, (ORDER[0], "repair"), REFUND, (REFUND[0], "order"), partial=True)
    assert [(problem.line, problem.kind, problem.message) for problem in report.problems] == [
        (
            1,
            ProblemKind.CONFLICTING_ANSWER,
            "'Where is my parcel?' has the answer 'order' already, here 'repair'; keep the right one",
        ),
        (
            3,
            ProblemKind.CONFLICTING_ANSWER,
            "'I want my money back' has the answer 'refund' already, here 'order'; keep the right one",
        ),
    ]


def test_two_thousand_rows_are_taken_in_batches(session: TenantSession, model: RegisteredModel) -> None:
    rows = [(f"message number {number} about {number * 7919}", "order") for number in range(2_100)]
    assert put(session, model, Pool.TRAINING, *rows) == ImportReport(added=2_100)
    assert put(session, model, Pool.TRAINING, *rows) == ImportReport(duplicates=2_100)


def test_the_models_own_prompt_is_not_stored(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    messages = [
        Message(role="system", content="Sort the message. "),
        Message(role="system", content="The customer is angry."),
        Message(role="user", content=ORDER[0]),
    ]
    example = add(session, principal, model, messages, "order")
    assert [message["content"] for message in example.messages] == ["The customer is angry.", ORDER[0]]


def test_the_same_question_in_another_conversation_is_another_example(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    put(session, model, Pool.TRAINING, ORDER)
    messages = [Message(role="system", content="The customer is angry."), Message(role="user", content=ORDER[0])]
    add(session, principal, model, messages, "repair")
    assert [each.n for each in counts(session, model=model)] == [1, 1]


def add(
    session: TenantSession,
    principal: Principal,
    model: RegisteredModel,
    messages: list[Message],
    expected: str,
    category: str | None = None,
) -> Example:
    return add_example(
        session,
        principal=principal,
        model=model,
        pool=Pool.TRAINING,
        messages=messages,
        expected=expected,
        category=category,
        source=Source.CORRECTION,
    )


def test_one_example_is_added_once(session: TenantSession, model: RegisteredModel, principal: Principal) -> None:
    messages = [Message(role="user", content="Broken zip")]
    example = add(session, principal, model, messages, " repair ")
    assert (example.expected, example.category, example.source) == ("repair", "repair", Source.CORRECTION)
    assert add(session, principal, model, messages, "repair").id == example.id


def test_one_example_with_an_unknown_label_is_refused(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    with pytest.raises(InvalidInput, match="the closest is 'repair'"):
        add(session, principal, model, [Message(role="user", content="Broken zip")], "repare")


def test_one_example_with_another_answer_is_a_conflict(
    session: TenantSession, model: RegisteredModel, principal: Principal
) -> None:
    put(session, model, Pool.TRAINING, ORDER)
    with pytest.raises(Conflict, match="has the answer 'order' already, here 'repair'"):
        add(session, principal, model, [Message(role="user", content=ORDER[0])], "repair")


@pytest.mark.parametrize("category", [None, ""])
def test_an_answer_of_a_generating_model_may_be_anything(
    session: TenantSession, answers: RegisteredModel, principal: Principal, category: str | None
) -> None:
    example = add(session, principal, answers, [Message(role="user", content="Open today?")], "Until six.", category)
    assert example.category == "general"


def test_a_viewer_may_not_import(session: TenantSession, model: RegisteredModel) -> None:
    viewer = Principal(model.agency_id, Role.VIEWER, ActorKind.USER, None, "Vera", "test")
    with pytest.raises(NotAllowed):
        import_examples(session, principal=viewer, model=model, pool=Pool.TRAINING, rows=parsed(ORDER))


def test_pages_follow_each_other_without_gap_or_overlap(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.TRAINING, *((f"message about topic {number * 7919}", "order") for number in range(5)))
    first = list_examples(session, model=model, limit=3)
    second = list_examples(session, model=model, after=first[-1].id, limit=3)
    everything = session.exec(select(Example.id).order_by(col(Example.id))).all()
    assert [each.id for each in (*first, *second)] == list(everything)


def test_a_list_is_narrowed_by_pool_and_category(session: TenantSession, model: RegisteredModel) -> None:
    put(session, model, Pool.TRAINING, ORDER, REFUND)
    put(session, model, Pool.GOLDEN, ("My tent pole snapped", "repair"), ("Track it please", "order"))
    found = list_examples(session, model=model, pool=Pool.GOLDEN, category="order")
    assert [each.messages[0]["content"] for each in found] == ["Track it please"]


def test_a_share_measures_and_a_text_s_side_is_kept(session: TenantSession, model: RegisteredModel) -> None:
    """Words of a row differ from those of all others, so none is nearly another."""
    rows = [
        (" ".join(f"{word}{n}" for word in ("blue", "stone", "river", "cloud", "leaf")), "order") for n in range(90)
    ]
    twins = [f"my parcel with the red shoes from last {day} has not arrived yet at all" for day in ("week", "month")]

    def send(*labelled: tuple[str, str]) -> ImportReport:
        principal = Principal.system(model.agency_id, "test")
        return import_examples(
            session, principal=principal, model=model, pool=Pool.TRAINING, rows=parsed(*labelled), golden_share=1 / 3
        )

    first = send(*rows, *((twin, "order") for twin in twins))
    assert (first.added, first.rejected) == (92, 0)
    assert 20 <= first.golden <= 42
    pools = {each.messages[0]["content"]: each.pool for each in session.exec(select(Example)).all()}
    assert len({pools[twin] for twin in twins}) == 1, "nearly the same texts stay together"
    assert send(*rows[::-1]) == ImportReport(duplicates=90)
    with pytest.raises(InvalidInput, match="a share between 0 and 1"):
        import_examples(
            session,
            principal=Principal.system(model.agency_id, "test"),
            model=model,
            pool=Pool.GOLDEN,
            rows=parsed(ORDER),
            golden_share=0.5,
        )
