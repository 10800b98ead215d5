"""The loop from the first visit to rollback and report, with every process running: in a browser, then by the API."""

import json
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from playwright.sync_api import Browser
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.loop import the_way
from tests.loop.owner import Owner
from tests.loop.the_way import GOLDEN
from tests.support.running import LABELS, Installed, Running, items
from tuneloop.registry.chat_template import TODAY
from tuneloop_local.demo.api import LiveTraffic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def approved(running: Running, cycle: dict[str, Any]) -> dict[str, Any]:
    digest = cycle["questions"][0]["subject_digest"]
    running.operator.post(f"/api/v1/cycles/{cycle['id']}/approve", {"digest": digest})
    return running.operator.follow(str(cycle["id"]), lambda *_: None)


def promoted(running: Running, cycle: dict[str, Any]) -> dict[str, Any]:
    body = {"digest": cycle["candidate_digest"], "note": "the test promotes whatever the gate says"}
    running.operator.post(f"/api/v1/cycles/{cycle['id']}/promote", body)
    return running.operator.follow(str(cycle["id"]), lambda *_: None)


def test_the_owner_s_model_is_retrained_promoted_and_rolled_back_under_traffic(running: Running) -> None:
    operator, path = running.operator, running.path
    answer = running.app.ask(items(LABELS, range(40, 41))[0])
    assert answer.version == "acme/support@v1.0"
    assert answer.text in LABELS
    assert 0.0 < answer.confidence <= 1.0

    policy = {"gate_share": 0.9, "fewest_queries": 20, "disagreement_queries": 40}
    operator.patch(path, {"policy": policy})
    for item in items(LABELS, range(41, 50)):
        running.app.ask(item)
    recorded(running, 30)
    operator.upload(f"{path}/examples", items(LABELS, range(50, 60)), pool="training")
    operator.checked(path)
    second = approved(
        running,
        operator.post(
            f"{path}/cycles",
            {
                "recipe": {
                    "methods": ["continue", "from_base"],
                    "blends": [0.5, 1.0],
                    "epochs": 1,
                    "further_attempts": 0,
                }
            },
        ),
    )
    tried = {(each["method"], each["blend"]): each for each in second["candidates"]}
    assert set(tried) == {("continue", 0.5), ("continue", 1.0), ("from_base", 1.0)}, second
    (chosen,) = [each for each in tried.values() if each["chosen"]]
    assert chosen["dev"]["strong"]["n"] == chosen["dev"]["strong"]["production"]["n"] > 0
    assert second["candidate"] == f"acme/support@v{'2.0' if chosen['method'] == 'from_base' else '1.1'}"
    newer = str(second["candidate"])
    gate = operator.get(f"/api/v1/cycles/{second['id']}/gate")
    if second["state"] == "awaiting_promotion":
        assert 20 <= gate["queries"] <= 30
        assert gate["disagreements"] == gate["open"] + gate["labels"]
    assert second["comparison"]["table"]["rows"][0]["n"] == GOLDEN

    with LiveTraffic(running.app, items(LABELS, range(60, 70))) as traffic:
        traffic.wait_for("acme/support@v1.0")
        if second["state"] == "awaiting_promotion":
            promoted(running, second)
            traffic.wait_for(newer)
            previous = operator.get(f"{path}/versions/previous")
            assert operator.post(f"{path}/rollback", {"digest": previous["digest"]})["production"] == previous["name"]
            traffic.wait_for("acme/support@v1.0")
    assert traffic.failures == []
    assert set(traffic.versions) <= {"acme/support@v1.0", newer}


def recorded(running: Running, wanted: int) -> None:
    """Wait until the production log has so many answers."""
    pause = threading.Event()
    while len(running.operator.get(f"{running.path}/predictions", limit=100)["items"]) < wanted:
        pause.wait(0.1)


def training_has_begun(running: Running, job_id: str) -> bool:
    return "step" in running.operator.get(f"/api/v1/jobs/{job_id}")["progress"]


def test_a_killed_worker_costs_an_attempt_and_no_work(running: Running) -> None:
    operator, path = running.operator, running.path
    before = len(operator.get(f"{path}/versions"))
    cycle = operator.post(f"{path}/cycles", {"recipe": {"method": "from_base", "epochs": 20}})
    digest = cycle["questions"][0]["subject_digest"]
    job_id = operator.post(f"/api/v1/cycles/{cycle['id']}/approve", {"digest": digest})["job_id"]

    pause = threading.Event()
    while not training_has_begun(running, job_id):
        pause.wait(0.1)
    os.kill(running.supervisor.pid("worker", "--queues", "gpu"), signal.SIGKILL)

    ended = operator.follow(cycle["id"], lambda *_: None)
    assert ended["state"] in ("awaiting_promotion", "rejected"), ended
    assert operator.get(f"/api/v1/jobs/{job_id}")["attempts"] == 2
    assert len(operator.get(f"{path}/versions")) == before + 1


def test_after_a_candidate_that_unlearns_a_blend_that_is_trained_already_is_released_and_judged(
    running: Running,
) -> None:
    """All that came since is labelled refund, whatever it says: the new adapter forgets what an order is."""
    operator, path = running.operator, "/api/v1/models/acme/forgetful"
    contract = {"task": "classify", "system_prompt": "Sort the message.", "labels": ["order", "refund"]}
    operator.post("/api/v1/models/acme", {"slug": "forgetful", "base": "tiny", "contract": contract})
    operator.upload(f"{path}/examples", items(("order",), range(10)), pool="training")
    operator.upload(f"{path}/examples", items(("order",), range(10, 40)), pool="golden")
    operator.checked(path)
    learned = {"epochs": 20, "peak_lr": 0.01}
    start = operator.post(f"{path}/cycles", {"recipe": learned | {"method": "from_base"}})
    promoted(running, approved(running, start))

    late = [replace(item, answer="refund", category="refund") for item in items(LABELS, range(40, 52))]
    operator.upload(f"{path}/examples", late, pool="training")
    operator.checked(path)
    recipe = learned | {"blends": [1.0, 0.5], "further_attempts": 1}
    cycle = approved(running, operator.post(f"{path}/cycles", {"recipe": recipe}))
    first, second = operator.get(f"/api/v1/cycles/{cycle['id']}/attempts")
    assert (first["ended"], first["candidate"]) == ("rejected", "acme/forgetful@v1.1")
    assert "v1.1 was turned down: order went from" in first["diagnosis"]["summary"]
    assert (second["step"], second["candidate"]) == ("blend", "acme/forgetful@v1.2")
    assert second["what"] == "the blend with 50 % of the new adapter, trained by attempt 1"
    assert {"release", "evaluate"} <= set(second["seconds"])
    assert "train" not in second["seconds"]
    assert cycle["candidate"] == "acme/forgetful@v1.2"
    assert cycle["comparison"]["table"]["rows"][0]["n"] == 30, "it was evaluated and compared"

    released = operator.get(f"{path}/versions/v1.2")
    assert (released["training"]["chosen"]["blend"], released["parity"]["n"]) == (0.5, 24)
    before, after = (
        json.loads(operator.download(f"{path}/versions/v{number}/files/manifest.json"))["version"]["adapters"]
        for number in ("1.1", "1.2")
    )
    assert [each["scale"] for each in after] == [0.5, 0.5]
    assert after[1]["sha256"] == before[0]["sha256"], "the same adapter, not trained again"


DATE = TODAY.strftime("%d %b %Y")


def trained_elsewhere(weights: Path, folder: Path) -> None:
    """A LoRA that learned the task with PEFT alone, by the base's own chat template, and was saved as PEFT saves it."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(weights)
    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(weights), config)
    optimizer = torch.optim.AdamW((each for each in model.parameters() if each.requires_grad), lr=0.01)
    for number in (*range(0, 12, 2), *range(0, 12, 2), *range(0, 12, 2)):
        for item in items(LABELS, range(number, number + 2)):
            turns = [{"role": "system", "content": "Sort the message."}, {"role": "user", "content": item.text}]
            asked = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True, date_string=DATE)
            tokens = [tokenizer.encode(text, add_special_tokens=False) for text in (asked, f"{item.answer}<|eot_id|>")]
            labels = torch.tensor([[-100] * len(tokens[0]) + tokens[1]])
            (model(input_ids=torch.tensor([tokens[0] + tokens[1]]), labels=labels).loss / 6).backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(str(folder))


def test_an_adapter_trained_elsewhere_is_imported_promoted_and_continued(running: Running, tmp_path: Path) -> None:
    operator, path = running.operator, "/api/v1/models/acme/brought"
    contract = {"task": "classify", "system_prompt": "Sort the message.", "labels": list(LABELS), "template": "base"}
    operator.post("/api/v1/models/acme", {"slug": "brought", "base": "tiny", "contract": contract})
    operator.upload(f"{path}/examples", items(LABELS, range(12, 24)), pool="golden")
    trained_elsewhere(running.weights, tmp_path / "theirs")
    files = {file.name: file.read_bytes() for file in (tmp_path / "theirs").iterdir()}

    cycle = operator.follow(str(operator.send_files(f"{path}/versions", files)["id"]), lambda *_: None)
    assert (cycle["state"], cycle["candidate"]) == ("awaiting_promotion", "acme/brought@v1.0"), cycle
    assert promoted(running, cycle)["state"] == "deployed"
    version = operator.get(f"{path}/versions/v1.0")
    assert (version["origin"], version["snapshot_id"], version["parity"]["n"]) == ("imported", None, 24)
    assert version["training"]["imported"]["modules"] == ["down_proj", "q_proj", "v_proj"]
    (run,) = operator.get(f"{path}/evals")
    assert run["overall"]["value"] > 0.6, "it has learned the task elsewhere"

    operator.upload(f"{path}/examples", items(LABELS, range(24, 34)), pool="training")
    operator.checked(path)
    recipe = {"method": "continue", "blends": [0.5, 1.0], "epochs": 1, "further_attempts": 0}
    second = approved(running, operator.post(f"{path}/cycles", {"recipe": recipe}))
    assert second["candidate"] == "acme/brought@v1.1", second
    continued = operator.get(f"{path}/versions/v1.1")
    assert (continued["origin"], continued["parent"]) == ("trained", "acme/brought@v1.0")


def test_the_owner_s_way_to_a_sent_report_takes_less_than_ten_minutes_of_a_person(
    owner: Owner, running: Running, installed: Installed, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    """What came before is in the fixtures, since the other tests go on from there. Waiting is not a person's work."""
    the_way.invite_a_colleague(owner, browser, installed.settings)
    the_way.open_the_office(owner)
    the_way.send_the_report(owner, installed.settings)
    with capsys.disabled():
        print(f"\nthe owner's way: {owner.clicks} clicks, {owner.keys} keys, {owner.minutes:.1f} minutes")
    assert owner.minutes < 10
