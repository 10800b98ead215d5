"""The dataset endpoints."""

import csv
import gzip
import io
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import orjson
import pytest
from httpx import Response
from litestar import Litestar
from litestar.testing import TestClient

from tests.support.factories import make_agency, make_client, make_key, make_model
from tuneloop.kit.db import Database
from tuneloop.tables import Agency, BaseModel, RegisteredModel, Role

PATH = "/api/v1/models/acme/support"
ROWS = [
    {"text": "Where is my parcel?", "label": "order"},
    {"text": "=HYPERLINK(1)", "label": "refund", "category": "payments"},
    {"text": "Ärger, „kaputt“\nseit gestern", "label": "repair"},
]
Api = TestClient[Litestar]


def jsonl(rows: list[dict[str, str]]) -> bytes:
    return b"".join(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def upload(api: Api, content: bytes, content_type: str = "application/x-ndjson", **query: str) -> Response:
    headers = {"content-type": content_type}
    return api.post(f"{PATH}/examples", content=content, headers=headers, params={"pool": "training"} | query)


def error(response: Response) -> dict[str, Any]:
    body: dict[str, Any] = response.json()["error"]
    return body


@pytest.fixture(autouse=True)
def registered(model: RegisteredModel) -> RegisteredModel:
    return model


def test_a_file_is_imported(api: Api) -> None:
    response = upload(api, jsonl(ROWS))
    assert response.status_code == 201
    assert response.json() == {
        "added": 3,
        "golden": 0,
        "duplicates": 0,
        "rejected": 0,
        "problems": [],
        "source": "JSON lines",
        "not_read": [],
    }
    assert api.get(f"{PATH}/examples/counts").json() == [
        {"pool": "training", "category": "order", "n": 1},
        {"pool": "training", "category": "payments", "n": 1},
        {"pool": "training", "category": "repair", "n": 1},
    ]


def test_a_csv_file_is_imported_by_content_type_or_name(api: Api) -> None:
    assert upload(api, b"text,label\nhello,order\n", "text/csv; charset=utf-8").json()["added"] == 1
    assert upload(api, b"text,label\nbye,order\n", "application/octet-stream", format="csv").json()["added"] == 1


def test_one_bad_row_refuses_the_file_and_names_it(api: Api) -> None:
    response = upload(api, jsonl(ROWS) + b"{\n")
    assert response.status_code == 422
    assert error(response)["message"].startswith("nothing was imported (bad rows: 1); line 4: not valid JSON")
    assert [problem["line"] for problem in error(response)["details"]["problems"]] == [4]
    assert api.get(f"{PATH}/examples").json() == {"items": [], "next": None}


def test_partial_keeps_the_good_rows(api: Api) -> None:
    report = upload(api, b"{\n" + jsonl(ROWS), partial="true").json()
    assert (report["added"], report["rejected"]) == (3, 1)
    assert report["problems"][0]["line"] == 1
    assert report["problems"][0]["kind"] == "format"


@pytest.mark.parametrize("named", [True, False])
def test_gzip_is_refused_by_header_and_by_content(api: Api, named: bool) -> None:
    headers = {"content-type": "application/x-ndjson"} | ({"content-encoding": "gzip"} if named else {})
    response = api.post(f"{PATH}/examples?pool=training", content=gzip.compress(jsonl(ROWS)), headers=headers)
    assert response.status_code == 422
    assert error(response)["message"].endswith("send it uncompressed")


def test_the_content_says_what_a_file_is(api: Api) -> None:
    assert upload(api, jsonl(ROWS), "application/octet-stream").json()["source"] == "JSON lines"
    assert upload(api, orjson.dumps(ROWS), "text/plain").json()["duplicates"] == 3


def test_a_preview_says_what_would_be_imported_and_keeps_nothing(api: Api) -> None:
    content = "Frage;Thema;Art\nWo ist mein Paket?;Order!;x\nGeld zurück;refund;x\nHallo;Wetter;x\n".encode("cp1252")
    path = f"{PATH}/examples/preview"
    headers = {"content-type": "text/csv"}
    unclear = api.post(path, content=content, headers=headers).json()
    assert "no column is known to hold the answer; choose the columns of text and answer" in unclear["unclear"]
    assert (unclear["text"], unclear["answer"]) == ("Frage", "Thema")
    assert unclear["columns"] == ["Frage", "Thema", "Art"]
    assert unclear["first"][1] == {"Frage": "Geld zurück", "Thema": "refund", "Art": "x"}
    seen = api.post(path, content=content, headers=headers, params={"label_column": "Thema"}).json()
    assert (seen["source"], seen["text"], seen["answer"]) == (
        "CSV, divided by semicolons, written in cp1252",
        "Frage",
        "Thema",
    )
    assert (seen["good"], seen["bad"], seen["not_read"], seen["unclear"]) == (1, 2, ["Art"], None)
    assert [(each["label"], each["known"], each["closest"]) for each in seen["labels"]] == [
        ("Order!", None, "order"),
        ("Wetter", None, None),
        ("refund", "refund", None),
    ]
    chosen = {"label_column": "Thema", "closest": "true", "map": "wetter=repair"}
    mapped = api.post(path, content=content, headers=headers, params=chosen).json()
    assert (mapped["good"], [each["known"] for each in mapped["labels"]]) == (3, ["order", "refund", "repair"])
    assert api.get(f"{PATH}/examples").json()["items"] == []
    assert upload(api, content, "text/csv", **chosen).json()["added"] == 3


def test_a_body_over_the_limit_is_refused_while_it_arrives(api: Api) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 400:
            sent += 1
            yield b" " * (1 << 20)

    headers = {"content-type": "application/x-ndjson"}
    response = api.post(f"{PATH}/examples?pool=training", content=endless(), headers=headers)
    assert response.status_code == 413
    assert error(response)["message"] == "the file is larger than 200 MiB; split it"


def test_an_unknown_pool_is_a_bad_request(api: Api) -> None:
    assert upload(api, jsonl(ROWS), pool="silver").status_code == 400


def test_pages_lead_to_the_next(api: Api) -> None:
    upload(api, jsonl(ROWS))
    first = api.get(f"{PATH}/examples?limit=2").json()
    second = api.get(f"{PATH}/examples", params={"limit": 2, "after": first["next"]}).json()
    texts = [item["messages"][0]["content"] for item in first["items"] + second["items"]]
    assert sorted(texts) == sorted(row["text"] for row in ROWS)
    assert second["next"] is None


@pytest.mark.parametrize("file_format", ["chat", "prompt_completion", "text_label", "csv"])
def test_what_is_exported_can_be_imported_and_is_the_same(
    api: Api, database: Database, registered: RegisteredModel, base: BaseModel, file_format: str, agency: Agency
) -> None:
    upload(api, jsonl(ROWS), pool="golden")
    exported = api.get(f"{PATH}/examples/export", params={"pool": "golden", "format": file_format})
    assert exported.status_code == 200
    extension = "csv" if file_format == "csv" else "jsonl"
    assert exported.headers["content-disposition"] == f'attachment; filename="acme-support-golden.{extension}"'
    make_model(database, make_client(database, agency, "apex"), base)
    headers = {"content-type": exported.headers["content-type"]}
    copy = PATH.replace("acme", "apex")
    api.post(f"{copy}/examples?pool=golden", content=exported.content, headers=headers).raise_for_status()
    digests = [api.post(f"{path}/snapshots", json={"pool": "golden"}).json()["digest"] for path in (PATH, copy)]
    assert digests[0] == digests[1]


def test_formulas_leave_as_text(api: Api) -> None:
    upload(api, jsonl(ROWS))
    exported = api.get(f"{PATH}/examples/export?pool=training&format=csv").text
    assert "'=HYPERLINK(1)" in [row["text"] for row in csv.DictReader(io.StringIO(exported))]


def test_a_conversation_cannot_leave_as_csv(api: Api) -> None:
    turns = [("user", "Hi"), ("assistant", "Hello"), ("user", "Money back"), ("assistant", "refund")]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    upload(api, orjson.dumps(row))
    response = api.get(f"{PATH}/examples/export?pool=training&format=csv")
    assert (response.status_code, error(response)["message"]) == (
        422,
        "row 1 has several messages, which csv cannot hold; export as chat",
    )


def test_an_example_is_deleted_once(api: Api) -> None:
    upload(api, jsonl(ROWS))
    example = api.get(f"{PATH}/examples").json()["items"][0]["id"]
    first = api.delete(f"{PATH}/examples/{example}")
    assert (first.status_code, first.json()) == (200, {"id": example, "seen_by_versions": []})
    assert api.delete(f"{PATH}/examples/{example}").status_code == 404


def test_rolling_examples_are_retired(api: Api) -> None:
    upload(api, jsonl(ROWS), pool="rolling")
    example = api.get(f"{PATH}/examples").json()["items"][0]["id"]
    moved = api.post(f"{PATH}/examples/retire", json={"example_ids": [example]})
    assert (moved.status_code, moved.json()[0]["pool"]) == (200, "training")


def test_a_snapshot_is_taken_once_and_listed(api: Api) -> None:
    upload(api, jsonl(ROWS), pool="golden")
    first = api.post(f"{PATH}/snapshots", json={"pool": "golden"}).json()
    assert api.post(f"{PATH}/snapshots", json={"pool": "golden"}).json() == first
    assert api.get(f"{PATH}/snapshots").json() == [first]
    assert (first["size"], first["categories"]) == (3, {"order": 1, "payments": 1, "repair": 1})


def test_nothing_unchecked_is_frozen_for_training(api: Api) -> None:
    upload(api, jsonl(ROWS))
    refused = api.post(f"{PATH}/snapshots", json={"pool": "training"})
    assert (refused.status_code, error(refused)["details"]["unchecked"]) == (409, 3)
    assert api.get(f"{PATH}/growth").json()["unchecked"] == 3


def test_an_empty_golden_set_is_refused(api: Api) -> None:
    response = api.post(f"{PATH}/snapshots", json={"pool": "golden"})
    assert (response.status_code, error(response)["message"]) == (
        422,
        "the golden set is empty; import examples first",
    )


REQUESTS = [
    ("POST", "/examples?pool=training&format=jsonl"),
    ("GET", "/examples"),
    ("GET", "/examples/counts"),
    ("GET", "/examples/export?pool=training"),
    ("POST", "/examples/retire"),
    ("DELETE", f"/examples/{UUID(int=1)}"),
    ("POST", "/snapshots"),
    ("GET", "/snapshots"),
]
BODIES: dict[str, Any] = {"/examples/retire": {"example_ids": [str(UUID(int=1))]}, "/snapshots": {"pool": "training"}}


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_another_agency_sees_no_such_model(api: Api, database: Database, method: str, path: str) -> None:
    upload(api, jsonl(ROWS))
    key = make_key(database, make_agency(database, "south"))
    response = api.request(method, f"{PATH}{path}", json=BODIES.get(path), headers={"authorization": f"Bearer {key}"})
    assert (response.status_code, error(response)["message"]) == (404, "no model acme/support")


@pytest.mark.parametrize(("method", "path"), REQUESTS)
def test_a_key_of_another_client_sees_no_such_model(
    api: Api, database: Database, agency: Agency, method: str, path: str
) -> None:
    make_client(database, agency, "zenith")
    key = make_key(database, agency, client="zenith", role=Role.OPERATOR)
    response = api.request(method, f"{PATH}{path}", json=BODIES.get(path), headers={"authorization": f"Bearer {key}"})
    assert response.status_code == 404


def test_an_example_of_another_model_is_not_found(
    api: Api, database: Database, agency: Agency, base: BaseModel
) -> None:
    make_model(database, make_client(database, agency, "apex"), base)
    upload(api, jsonl(ROWS))
    example = api.get(f"{PATH}/examples").json()["items"][0]["id"]
    other = PATH.replace("acme", "apex")
    assert api.delete(f"{other}/examples/{example}").status_code == 404
    assert api.post(f"{other}/examples/retire", json={"example_ids": [example]}).status_code == 404


@pytest.mark.parametrize(("method", "path"), [each for each in REQUESTS if each[0] != "GET"])
def test_a_viewer_changes_nothing(api: Api, database: Database, agency: Agency, method: str, path: str) -> None:
    key = make_key(database, agency, role=Role.VIEWER)
    response = api.request(method, f"{PATH}{path}", json=BODIES.get(path), headers={"authorization": f"Bearer {key}"})
    assert response.status_code == 403
