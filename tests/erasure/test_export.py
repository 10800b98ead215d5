"""An archive of a client's or a person's data: all of it, of nobody else, with a manifest that adds up."""

import json
from hashlib import sha256
from io import BytesIO
from zipfile import ZipFile

import pytest
from litestar.testing import TestClient
from sqlmodel import select

from tests.erasure.conftest import Stage
from tests.erasure.test_erasing import ASKED, answered
from tests.support.factories import make_key, owner_of
from tests.support.web_application import web_application
from tuneloop.audit.service import events
from tuneloop.erasure.export import export_data
from tuneloop.kit.errors import NotAllowed
from tuneloop.kit.principal import Principal
from tuneloop.tables import ActorKind, ErasureKind, Prediction, Role

Archive = dict[str, list[dict[str, object]]]


def taken(stage: Stage, kind: ErasureKind, target: str | None = None, client: str | None = None) -> Archive:
    with stage.database.unit(stage.world.agency.id) as session:
        made = export_data(session, principal=owner_of(stage.world.agency), kind=kind, target=target, client=client)
        return unpacked(b"".join(made.chunks))


def unpacked(data: bytes) -> Archive:
    """Rows by table; checks the manifest's counts and digests."""
    with ZipFile(BytesIO(data)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert set(archive.namelist()) == {"manifest.json", *manifest["files"]}
        rows = {}
        for name, said in manifest["files"].items():
            content = archive.read(name)
            rows[name.removesuffix(".jsonl")] = [json.loads(line) for line in content.splitlines()]
            assert said == {"rows": len(content.splitlines()), "sha256": sha256(content).hexdigest()}
    return rows


def test_a_person_s_archive_has_all_that_belongs_to_their_answers_and_nothing_else(stage: Stage) -> None:
    mine, _ = answered(stage, person="crm-4711-x"), answered(stage, person="crm-4712-x", asked="Quite another question")
    archive = taken(stage, ErasureKind.END_USER, "crm-4711-x")
    assert [row["id"] for row in archive["prediction"]] == [str(mine)]
    assert {"prediction", "feedback", "review_item", "review_label", "example"} <= set(archive)
    assert "Quite another question" not in json.dumps(archive)


def test_a_client_s_archive_has_every_table_of_it_no_other_tenant_s_and_no_secrets(stage: Stage) -> None:
    answered(stage, person=None)
    archive = taken(stage, ErasureKind.CLIENT, client=stage.world.client.slug)
    assert {row["client_id"] for rows in archive.values() for row in rows} == {str(stage.world.client.id)}
    assert ASKED in json.dumps(archive)
    assert {"prediction", "invoice", "report_snapshot", "audit_event", "alert"} <= set(archive)
    assert not {"token_hash", "unsubscribe_token"} & {key for rows in archive.values() for row in rows for key in row}


def test_it_is_streamed_through_the_api_and_audited_without_the_text(stage: Stage) -> None:
    answered(stage, person="crm-4711-x")
    key = make_key(stage.database, stage.world.agency)
    with TestClient(web_application(stage.settings, stage.database, stage.storage)) as http:
        answer = http.post(
            "/api/v1/exports",
            json={"kind": "end_user", "target": "crm-4711-x"},
            headers={"Authorization": f"Bearer {key}"},
        )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/zip"
    assert "prediction" in unpacked(answer.content)
    with stage.database.unit(stage.world.agency.id) as session:
        told = [event for event in events(session, limit=20) if event.action == "data.export"]
        assert len(told) == 1
        assert "4711" not in str(told[0].detail)
        assert session.exec(select(Prediction).where(Prediction.end_user == "crm-4711-x")).one()


def test_an_operator_may_not_export(stage: Stage) -> None:
    principal = Principal(stage.world.agency.id, Role.OPERATOR, ActorKind.USER, None, "Otto", "test")
    with stage.database.unit(stage.world.agency.id) as session, pytest.raises(NotAllowed):
        export_data(session, principal=principal, kind=ErasureKind.END_USER, target="crm-4711-x")
