"""Several findings, one decision."""

from uuid import UUID

import pytest
from sqlmodel import select

from tests.datasets.collecting import put
from tuneloop.datasets.bulk_findings import settle_findings
from tuneloop.datasets.findings import list_findings
from tuneloop.datasets.settlement import Settlement
from tuneloop.kit.errors import InvalidInput
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.tables import DataFinding, Example, FindingKind, FindingState, Pool, RegisteredModel

TEXTS = ("where is the blue parcel", "give me my money back", "please repair this torn coat")


@pytest.fixture
def principal(model: RegisteredModel) -> Principal:
    return Principal.system(model.agency_id, "test")


@pytest.fixture
def found(session: TenantSession, model: RegisteredModel) -> list[UUID]:
    """One for each text; for the first two another answer is suggested. Of the last there are two."""
    put(session, model, Pool.TRAINING, *((text, "order") for text in TEXTS))
    examples = {each.messages[0]["content"]: each for each in session.exec(select(Example)).all()}
    wanted = [(text, FindingKind.SUSPECTED_ERROR) for text in TEXTS] + [(TEXTS[2], FindingKind.CONFLICT)]
    rows = [
        DataFinding(
            client_id=model.client_id,
            model_id=model.id,
            example_id=examples[text].id,
            kind=kind,
            summary="looks wrong",
            detail={"suggested": "refund"} if text != TEXTS[2] else {},
        )
        for text, kind in wanted
    ]
    session.add_all(rows)
    session.flush()
    return [each.id for each in rows]


def test_a_decision_is_made_where_it_fits_and_the_others_wait(
    session: TenantSession, model: RegisteredModel, principal: Principal, found: list[UUID]
) -> None:
    done = settle_findings(
        session, principal=principal, model=model, finding_ids=found, settlement=Settlement.SUGGESTED
    )
    assert (done.settled, {each.finding_id for each in done.left}) == (2, set(found[2:]))
    assert "no other answer is suggested" in done.left[0].why
    answers = {each.messages[0]["content"]: each.expected for each in session.exec(select(Example)).all()}
    assert answers == {TEXTS[0]: "refund", TEXTS[1]: "refund", TEXTS[2]: "order"}
    assert {each.finding.id for each in list_findings(session, model=model)} == set(found[2:])


def test_an_example_that_went_with_another_finding_of_it_counts_as_settled(
    session: TenantSession, model: RegisteredModel, principal: Principal, found: list[UUID]
) -> None:
    done = settle_findings(session, principal=principal, model=model, finding_ids=found, settlement=Settlement.DELETE)
    assert (done.settled, done.left) == (4, ())
    assert list_findings(session, model=model) == []


def test_what_is_kept_needs_a_reason_and_what_the_model_does_not_have_is_named(
    session: TenantSession, model: RegisteredModel, principal: Principal, found: list[UUID]
) -> None:
    with pytest.raises(InvalidInput, match="say why"):
        settle_findings(session, principal=principal, model=model, finding_ids=found, settlement=Settlement.KEEP)
    with pytest.raises(InvalidInput, match="one finding or more"):
        settle_findings(session, principal=principal, model=model, finding_ids=[], settlement=Settlement.DELETE)
    strange = new_id()
    done = settle_findings(
        session,
        principal=principal,
        model=model,
        finding_ids=[*found, strange],
        settlement=Settlement.KEEP,
        reason="they are right",
    )
    assert (done.settled, [each.finding_id for each in done.left]) == (4, [strange])
    assert {each.state for each in session.exec(select(DataFinding)).all()} == {FindingState.DISMISSED}
