"""A client on a plan, through the API."""

from collections.abc import Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from tuneloop.tables import Client

Http = TestClient[Litestar]
OnPlan = Callable[..., dict[str, Any]]


@pytest.fixture
def on_plan(api: Http, client_row: Client) -> OnPlan:
    """Puts acme on a plan made from a template."""

    def put(tier: str, **choice: Any) -> dict[str, Any]:
        made = api.post("/api/v1/plans", json={"slug": tier, "tier": tier})
        assert made.status_code in (201, 409), made.text
        answer = api.put(f"/api/v1/clients/{client_row.slug}/plan", json={"plan": tier, **choice})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return put
