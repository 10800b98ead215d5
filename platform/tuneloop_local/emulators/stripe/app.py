"""The emulator as a web application: Stripe's API under /v1, pages, and levers for tests under /_emulator."""

from asyncio import to_thread
from pathlib import Path
from typing import Any

import httpx
import orjson
import structlog
from litestar import Litestar, MediaType, Request, Response, delete, get, post
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.params import FromPath, JSONBody

import tuneloop_local.emulators.stripe.api  # noqa: F401  (registers the operations)
from tuneloop.kit.security_headers import security_headers
from tuneloop_local.emulators.stripe import forms
from tuneloop_local.emulators.stripe.clock import advance
from tuneloop_local.emulators.stripe.delivery import deliver_due, pending, send_in, sign
from tuneloop_local.emulators.stripe.errors import ApiError, missing
from tuneloop_local.emulators.stripe.pages import PAGES
from tuneloop_local.emulators.stripe.payments import charge_of_invoice, dispute
from tuneloop_local.emulators.stripe.request import StripeRequest, check_modelled, handler_of
from tuneloop_local.emulators.stripe.spec import Specification
from tuneloop_local.emulators.stripe.store import Account, Object, World

log = structlog.get_logger(__name__)

Http = Request[Any, Any, State]


def create_emulator(spec: Specification, world: World) -> Litestar:
    return Litestar(
        [
            read_api,
            write_api,
            delete_api,
            open_account,
            advance_clock,
            list_deliveries,
            send_deliveries,
            hold_deliveries,
            refuse_requests,
            dispute_charge,
            *PAGES,
        ],
        state=State({"spec": spec, "world": world, "http": httpx.Client(timeout=10)}),
        exception_handlers={ApiError: answer_error, Exception: answer_crash},
        before_send=[security_headers(tls=False)],
        logging_config=None,
        openapi_config=None,
    )


def answer_error(_request: Http, error: ApiError) -> Response[dict[str, Any]]:
    return Response(error.body(), status_code=error.status, headers={"Request-Id": "req_emulator"})


def answer_crash(request: Http, error: Exception) -> Response[dict[str, Any]]:
    """A fault of the emulator itself, said as such."""
    if isinstance(error, HTTPException):
        return answer_error(request, ApiError(error.detail, status=error.status_code))
    log.error("emulator_fault", path=request.url.path, exc_info=error)
    return answer_error(request, ApiError(f"The emulator failed: {error!r}", status=500, kind="api_error"))


@get("/v1/{path:path}")
async def read_api(request: Http, path: FromPath[Path]) -> Response[bytes]:
    return await to_thread(_answer, request, f"/v1{path}", forms.tree(request.url.query))


@post("/v1/{path:path}", status_code=200)
async def write_api(request: Http, path: FromPath[Path]) -> Response[bytes]:
    return await to_thread(_answer, request, f"/v1{path}", forms.tree((await request.body()).decode()))


@delete("/v1/{path:path}", status_code=200)
async def delete_api(request: Http, path: FromPath[Path]) -> Response[bytes]:
    body = (await request.body()).decode()
    return await to_thread(_answer, request, f"/v1{path}", forms.tree(body or request.url.query))


def _answer(request: Http, path: str, values: dict[str, Any]) -> Response[bytes]:
    world: World = request.app.state.world
    with world.lock:
        account = _account(world, request)
        key = request.headers.get("idempotency-key") if request.method == "POST" else None
        if (refusal := _refusal(account, path)) is not None:
            raise refusal
        asked = {"method": request.method, "path": path, "values": values}
        if key and (known := account.replies.get(key)):
            if known["asked"] != asked:
                raise ApiError(
                    "Keys for idempotent requests can only be used with the same parameters they were first used with.",
                    kind="idempotency_error",
                )
            replayed = {"Idempotent-Replayed": "true", "Request-Id": "req_emulator"}
            return Response(
                known["body"].encode(), status_code=known["status"], media_type=MediaType.JSON, headers=replayed
            )
        status, body = _run(request, account, path, values, key)
        text = orjson.dumps(body)
        if key and status != 501:
            account.replies[key] = {"asked": asked, "status": status, "body": text.decode()}
        if request.method != "GET":
            world.save()
    return Response(text, status_code=status, media_type=MediaType.JSON, headers={"Request-Id": "req_emulator"})


def _refusal(account: Account, path: str) -> ApiError | None:
    """What a test wants to go wrong here, so many times."""
    for wanted in account.refusals:
        if wanted["times"] > 0 and wanted["path"] in path:
            wanted["times"] -= 1
            return ApiError(wanted["message"], status=wanted["status"], kind=wanted["type"], code=wanted["code"])
    return None


def _run(request: Http, account: Account, path: str, values: Any, key: str | None) -> tuple[int, Object]:
    """A request that breaks Stripe's schema raises; one that fails in its course is an answer, and kept like any."""
    spec: Specification = request.app.state.spec
    found = spec.find(request.method, path)
    if found is None:
        raise ApiError(f"Unrecognized request URL ({request.method}: {path}).", status=404)
    operation, ids = found
    read = forms.read(operation.body, values) if request.method == "POST" else None
    params = forms.read_query(operation.query, values) if read is None and request.method == "GET" else read
    if params is None:
        params = forms.read(operation.body, values)
    handler, models = handler_of(request.method, operation.path)
    check_modelled(params, models)
    call = StripeRequest(request.app.state.world, account, spec, str(request.base_url).rstrip("/"), ids, params, key)
    try:
        answer = handler(call)
    except ApiError as error:
        return error.status, error.body()
    expanded = _expand(account, answer, params.get("expand", []))
    if problems := spec.problems(operation.answer, expanded):
        raise ApiError(f"The emulator's answer breaks Stripe's schema: {problems[:5]}", status=500, kind="api_error")
    return 200, expanded


def _account(world: World, request: Http) -> Account:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    account = world.with_key(key.strip()) if scheme.lower() == "bearer" else None
    if account is None:
        raise ApiError("Invalid API Key provided: sk_test_****", status=401)
    wanted = request.headers.get("stripe-account")
    if wanted in (None, "", account.id):
        return account
    connected = world.accounts.get(wanted)
    if connected is None or connected.owner != account.id:
        raise ApiError(
            f"The provided key does not have access to account '{wanted}' (or that account does not exist). "
            "Application access may have been revoked.",
            status=403,
            code="account_invalid",
        )
    return connected


def _expand(account: Account, answer: Object, paths: list[str]) -> Object:
    """Put objects in the place of their ids, on a copy."""
    copy: Object = orjson.loads(orjson.dumps(answer))
    for path in paths:
        _expand_one(account, [copy], path.split("."))
    return copy


def _expand_one(account: Account, nodes: list[Any], parts: list[str]) -> None:
    for node in nodes:
        if isinstance(node, list):
            _expand_one(account, node, parts)
        elif isinstance(node, dict) and parts and parts[0] in node:
            value = node[parts[0]]
            if isinstance(value, str):
                node[parts[0]] = account.anywhere(value) or value
            elif isinstance(value, list):
                node[parts[0]] = [account.anywhere(each) or each if isinstance(each, str) else each for each in value]
            _expand_one(account, [node[parts[0]]], parts[1:])


@post("/_emulator/accounts")
async def open_account(request: Http, data: JSONBody[dict[str, str]]) -> dict[str, str | None]:
    """A new account with a secret key."""
    world: World = request.app.state.world
    with world.lock:
        account = world.open_account(data.get("name", "Account"))
        world.save()
    return {"id": account.id, "key": account.key}


@post("/_emulator/accounts/{account_id:str}/clock", status_code=200)
async def advance_clock(request: Http, account_id: FromPath[str], data: JSONBody[dict[str, int]]) -> dict[str, int]:
    """Advance the account's clock to the moment `to`, or by so many `seconds`; what falls due happens."""
    world: World = request.app.state.world
    with world.lock:
        account = find_account(world, account_id)
        to = data.get("to", account.now + data.get("seconds", 0))
        if to < account.now:
            raise ApiError("The clock can't be turned back.")
        call = StripeRequest(world, account, request.app.state.spec, str(request.base_url).rstrip("/"), {}, {})
        done = advance(call, to)
        account.ahead += to - account.now
        world.save()
    return {"now": account.now, "happened": done}


@get("/_emulator/accounts/{account_id:str}/deliveries")
async def list_deliveries(request: Http, account_id: FromPath[str]) -> list[dict[str, Any]]:
    """Webhooks that have not been taken yet, as they would go over the wire."""
    world: World = request.app.state.world
    account = find_account(world, account_id)
    found = []
    for delivery in pending(account):
        signed = sign(world, account, delivery)
        if signed is not None:
            body = orjson.loads(signed.body)
            found.append({"id": delivery.id, "type": body["type"], "event": delivery.event, "url": signed.url})
            found[-1] |= {"body": signed.body.decode(), "headers": signed.headers, "attempts": delivery.attempts}
    return found


@post("/_emulator/accounts/{account_id:str}/deliveries", status_code=200)
async def send_deliveries(request: Http, account_id: FromPath[str], data: JSONBody[dict[str, Any]]) -> list[str]:
    """Send the deliveries in `order` now, each `copies` times; without an order, all that are due."""
    world: World = request.app.state.world
    account = find_account(world, account_id)
    if "order" in data:
        order, copies = data["order"], data.get("copies", 1)
        return await to_thread(send_in, world, account, order, copies, request.app.state.http)
    return [str(await to_thread(deliver_due, world, request.app.state.http))]


@post("/_emulator/accounts/{account_id:str}/hold", status_code=200)
async def hold_deliveries(request: Http, account_id: FromPath[str], data: JSONBody[dict[str, bool]]) -> dict[str, bool]:
    """Keep webhooks until they are asked for, or let them go again."""
    account = find_account(request.app.state.world, account_id)
    account.hold = data["hold"]
    return {"hold": account.hold}


@post("/_emulator/accounts/{account_id:str}/disputes", status_code=200)
async def dispute_charge(request: Http, account_id: FromPath[str], data: JSONBody[dict[str, str]]) -> dict[str, str]:
    """The cardholder disputes what paid `invoice`."""
    world: World = request.app.state.world
    with world.lock:
        account = find_account(world, account_id)
        call = StripeRequest(world, account, request.app.state.spec, str(request.base_url).rstrip("/"), {}, {})
        charged = charge_of_invoice(account, data["invoice"])
        made = dispute(call, charged, data.get("reason", "fraudulent"))
        world.save()
    return {"id": made["id"]}


@post("/_emulator/accounts/{account_id:str}/refusals", status_code=200)
async def refuse_requests(request: Http, account_id: FromPath[str], data: JSONBody[dict[str, Any]]) -> dict[str, int]:
    """Refuse the next `times` requests whose path contains `path`; by default as for an object that is locked."""
    account = find_account(request.app.state.world, account_id)
    locked = {"status": 429, "type": "invalid_request_error", "code": "lock_timeout", "times": 1}
    message = "This object cannot be accessed right now because another API request or Stripe process is accessing it."
    account.refusals.append(locked | {"message": message} | data)
    return {"refusals": len(account.refusals)}


def find_account(world: World, account_id: str) -> Account:
    if account_id not in world.accounts:
        raise missing("account", account_id)
    return world.accounts[account_id]
