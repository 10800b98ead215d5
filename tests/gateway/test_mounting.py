"""The gateway as a part of the web process."""

from pathlib import Path

import httpx
from litestar import Litestar
from litestar.testing import TestClient
from openai import OpenAI

from tests.gateway.server import serve
from tests.gateway.world import QUESTION, World
from tests.support.upstream import ScriptedEngine
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.web.app import create_app


def test_web_process_serves_the_gateway(
    database: Database, world: World, engine: ScriptedEngine, storage: Storage, tmp_path: Path
) -> None:
    app = create_app(Settings(data_dir=tmp_path, serve_url=engine.url), database, storage)
    with serve(app) as url, OpenAI(base_url=f"{url}/v1", api_key=world.key, max_retries=0) as openai:
        answer = openai.chat.completions.create(model="acme/support", messages=QUESTION)
        metrics = httpx.get(f"{url}/metrics", trust_env=False).text
    assert 'tuneloop_gateway_requests_total{status="200"}' in metrics
    assert answer.model == "acme/support@v1.0"
    assert len(world.predictions()) == 1


def test_process_without_the_gateway_says_so(app: Litestar) -> None:
    with TestClient(app) as http:
        response = http.post("/v1/chat/completions", json={}, headers={"Authorization": "Bearer tl_x"})
    assert response.status_code == 503
    assert "not running" in response.json()["error"]["message"]
