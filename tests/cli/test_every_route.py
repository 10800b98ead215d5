"""The command line does everything that the API does."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from litestar import Litestar
from PIL import Image
from sqlalchemy import Connection
from sqlmodel import select
from typer.core import TyperGroup

from tests.cli.rows import add_version
from tests.cli.shell import Shell
from tests.support.adapters import small_adapter
from tests.support.commands import command_line
from tests.support.factories import owner_of
from tests.support.people import add_member
from tests.support.world import World
from tuneloop.cli.failure import ExitCode
from tuneloop.identity.secrets import derived_token
from tuneloop.kit.clock import now
from tuneloop.kit.db import Database
from tuneloop.kit.settings import Settings
from tuneloop.kit.storage import Storage
from tuneloop.kit.tenancy import Row
from tuneloop.people.invitations import invite
from tuneloop.people.password_links import send_link
from tuneloop.predictions.completion_ids import completion_id
from tuneloop.tables import (
    AdapterVersion,
    Agency,
    Alert,
    Alias,
    ApiKey,
    Approval,
    ApprovalKind,
    DataFinding,
    Erasure,
    Example,
    Feedback,
    Invitation,
    JobRow,
    Mail,
    MailBlock,
    Membership,
    PaymentProblem,
    Prediction,
    ReportFile,
    RetrainingCycle,
    ReviewItem,
    Role,
    ServiceUse,
    ShareLink,
    SlackIdentity,
    SlackInstallation,
    VersionAlias,
    WebSession,
    WorkEntry,
)

MODEL = "/api/v1/models/{client}/{model}"
VERSION = f"{MODEL}/versions/{{version}}"

COMMANDS = {
    "POST /api/v1/session": "login --email olga@north.example",
    "GET /api/v1/session": "whoami",
    "DELETE /api/v1/session": "login --email olga@north.example",
    f"POST {MODEL}/predictions/import": "prediction import acme/support <file>",
    f"POST {MODEL}/otlp/v1/traces": "prediction spans acme/support <spans>",
    f"POST {MODEL}/examples/preview": "dataset preview <file> --model acme/support",
    "GET /api/v1/members": "member list",
    "POST /api/v1/members/{user_id}/deactivate": "member deactivate <member>",
    "POST /api/v1/members/{user_id}/reactivate": "member reactivate <member>",
    "POST /api/v1/members/{user_id}/password-reset": "member reset-password <member>",
    "DELETE /api/v1/members/{user_id}/sessions": "member sign-out <member>",
    "GET /api/v1/account": "account show olga@north.example",
    "DELETE /api/v1/account/sessions": "account sign-out olga@north.example",
    "DELETE /api/v1/account/sessions/{session_id}": "account sign-out olga@north.example --session <session>",
    "POST /api/v1/account/second-factor": "account second-factor olga@north.example",
    "POST /api/v1/account/second-factor/confirm": "account second-factor olga@north.example",
    "POST /api/v1/account/second-factor/off": "account second-factor-off olga@north.example",
    "POST /api/v1/account/second-factor/recovery-codes": "account recovery-codes olga@north.example",
    "POST /api/v1/members/{user_id}/second-factor-reset": "member reset-second-factor <member>",
    "GET /api/v1/sign-in-policy": "member sign-in-policy",
    "PATCH /api/v1/sign-in-policy": "member sign-in-policy --second-factor",
    "GET /api/v1/account/alert-mail": "account alert-mail",
    "PUT /api/v1/account/alert-mail": "account alert-mail always",
    "GET /api/v1/identity-provider": "identity-provider show",
    "PUT /api/v1/identity-provider": "identity-provider set http://127.0.0.1:1 --client-id us --group all=viewer",
    "DELETE /api/v1/identity-provider": "identity-provider remove",
    "GET /api/v1/invitations": "member invitations",
    "POST /api/v1/invitations": "member invite bo@north.example --role operator",
    "POST /api/v1/invitations/{invitation_id}/resend": "member resend <invitation>",
    "POST /api/v1/invitations/{invitation_id}/link": "member link <invitation>",
    "DELETE /api/v1/invitations/{invitation_id}": "member withdraw <invitation>",
    "POST /api/v1/invitations/offer": "member join <invited>",
    "POST /api/v1/invitations/accept": "member join <invited> --name Ivy",
    "PUT /api/v1/password": "password change olga@north.example --password another-horse-battery",
    "POST /api/v1/password/forgotten": "password forgotten olga@north.example",
    "POST /api/v1/password/reset": "password reset <reset> --password another-horse-battery",
    "PUT /api/v1/members/{user_id}/role": "member role <member> operator",
    "DELETE /api/v1/members/{user_id}": "member remove <member>",
    "GET /api/v1/keys": "key list",
    "POST /api/v1/keys": "key add robot --all-clients",
    "POST /api/v1/keys/{key_id}/rotate": "key rotate <key>",
    "DELETE /api/v1/keys/{key_id}": "key revoke <key>",
    "POST /api/v1/exports": "takeout client acme --to <out>",
    "GET /api/v1/erasures": "erase list",
    "POST /api/v1/erasures": "erase text ann@example.com --reason asked --no-wait",
    "GET /api/v1/erasures/{erasure_id}": "erase show <erasure>",
    "POST /api/v1/erasures/{erasure_id}/confirm": "erase confirm <erasure> --no-wait",
    "POST /api/v1/erasures/{erasure_id}/cancel": "erase cancel <erasure>",
    "GET /api/v1/audit": "audit list",
    "GET /api/v1/clients": "client list",
    "POST /api/v1/clients": "client add globex --name Globex",
    "GET /api/v1/clients/{client}": "client show acme",
    "PATCH /api/v1/clients/{client}": "client change acme --name Acme",
    "GET /api/v1/checklist": "checklist",
    "GET /api/v1/bases": "base list",
    "GET /api/v1/bases/catalogue": "base catalogue",
    "POST /api/v1/bases": "base order qwen3-0.6b --no-wait",
    "GET /api/v1/models": "model list",
    "POST /api/v1/models/{client}": "model add acme/triage --base tiny --task classify --label a --label b "
    "--system-prompt Sort.",
    f"GET {MODEL}": "model show acme/support",
    f"PATCH {MODEL}": "model change acme/support --policy overall_margin=0.02",
    f"GET {MODEL}/versions": "version list acme/support",
    f"POST {MODEL}/versions": "version import acme/support <adapter> --no-wait",
    f"GET {MODEL}/external": "version list-external acme/support",
    f"POST {MODEL}/external": "version add-external acme/support --url https://127.0.0.1/v1 --model ft:a --no-key",
    f"PATCH {MODEL}/external/{{version}}": "version change-external acme/support@v1.0 --input-price 0.30",
    f"POST {MODEL}/external/{{version}}/serve": "version serve-external acme/support@v1.0 --reason moved",
    f"GET {MODEL}/migration": "migration show acme/support",
    f"POST {MODEL}/migration/recording": "migration record acme/support --requests 5",
    f"POST {MODEL}/migration/recording/stop": "migration stop acme/support",
    f"GET {VERSION}": "version show acme/support@v1.0",
    f"GET {VERSION}/files/{{name}}": "version download acme/support@v1.1 --file adapter.gguf --to <folder>",
    f"POST {MODEL}/examples": "dataset import <file> --model acme/support --pool training",
    f"GET {MODEL}/examples": "dataset list acme/support",
    f"GET {MODEL}/examples/counts": "dataset counts acme/support",
    f"GET {MODEL}/examples/export": "dataset export --model acme/support --pool golden",
    f"POST {MODEL}/examples/retire": "dataset retire acme/support <example>",
    f"DELETE {MODEL}/examples/{{example_id}}": "dataset delete acme/support <example>",
    f"GET {MODEL}/snapshots": "dataset snapshot list acme/support",
    f"POST {MODEL}/snapshots": "dataset snapshot take --model acme/support --pool golden",
    f"GET {MODEL}/predictions": "prediction list acme/support",
    f"GET {MODEL}/predictions/{{completion}}": "prediction show acme/support <completion>",
    f"GET {MODEL}/feedback": "feedback list acme/support",
    f"POST {MODEL}/feedback/accept": "feedback accept acme/support <feedback> <alert>",
    f"POST {MODEL}/feedback/{{feedback_id}}/accept": "feedback accept acme/support <feedback>",
    f"POST {MODEL}/feedback/{{feedback_id}}/dismiss": "feedback dismiss acme/support <feedback>",
    f"GET {MODEL}/readings": "monitor readings acme/support",
    f"POST {MODEL}/readings": "monitor read acme/support --no-wait",
    f"GET {MODEL}/health": "monitor health acme/support",
    f"GET {MODEL}/history": "monitor history acme/support",
    "GET /api/v1/portfolio": "portfolio",
    f"GET {MODEL}/clusters": "monitor clusters acme/support",
    f"POST {MODEL}/clusters/ask": "monitor ask acme/support gift",
    f"POST {MODEL}/canary": "monitor canary acme/support --no-wait",
    f"GET {MODEL}/schedules": "monitor schedules acme/support",
    f"PATCH {MODEL}/schedules": "monitor schedule acme/support reading --every 3",
    f"GET {MODEL}/alerts": "alert list acme/support",
    "GET /api/v1/alerts/{alert_id}": "alert show <alert>",
    "GET /api/v1/alerts/{alert_id}/events": "alert events <alert>",
    "POST /api/v1/alerts/{alert_id}/snooze": "alert snooze <alert> --days 3 --reason later",
    "POST /api/v1/alerts/{alert_id}/dismiss": "alert dismiss <alert> --reason nothing",
    "POST /api/v1/alerts/{alert_id}/resolve": "alert resolve <alert> --reason mended",
    f"GET {MODEL}/findings": "finding list acme/support",
    f"POST {MODEL}/findings": "finding scan acme/support --no-wait",
    f"POST {MODEL}/findings/settle": "finding settle acme/support <finding> --by delete",
    "POST /api/v1/findings/{finding_id}/dismiss": "finding dismiss <finding> --reason ours",
    "POST /api/v1/findings/{finding_id}/fix": "finding fix <finding>",
    "POST /api/v1/findings/{finding_id}/placeholders": "finding placeholders <finding>",
    f"GET {MODEL}/growth": "dataset growth acme/support",
    f"GET {MODEL}/ledger": "dataset ledger acme/support",
    f"GET {MODEL}/examples/{{example_id}}": "dataset show acme/support <example>",
    f"GET {MODEL}/documents": "document list acme/support",
    f"POST {MODEL}/documents": "document add acme/support <text>",
    f"GET {MODEL}/links": "link list acme/support",
    f"POST {MODEL}/links": "link add acme/support",
    "DELETE /api/v1/links/{link_id}": "link revoke <link>",
    f"GET {MODEL}/review": "review show acme/support",
    f"POST {MODEL}/review/fill": "review fill acme/support --budget 20",
    f"POST {MODEL}/review/next": "review next acme/support",
    "GET /api/v1/review/{item_id}": "review read <item>",
    "POST /api/v1/review/{item_id}/label": "review label <item> order",
    "POST /api/v1/review/{item_id}/skip": "review skip <item>",
    "POST /api/v1/review/{item_id}/undo": "review undo <item>",
    "POST /api/v1/review/{item_id}/settle": "review settle <item> order",
    f"GET {MODEL}/evals": "eval acme/support",
    "GET /api/v1/evals/{run_id}/answers": "eval acme/support --answers",
    f"GET {MODEL}/cycles": "cycle list acme/support",
    f"POST {MODEL}/cycles": "train acme/support --no-wait",
    "GET /api/v1/cycles/{cycle_id}": "cycle show <cycle>",
    "GET /api/v1/cycles/{cycle_id}/gate": "cycle gate <cycle>",
    "GET /api/v1/cycles/{cycle_id}/attempts": "cycle diagnose <cycle>",
    "POST /api/v1/cycles/{cycle_id}/steps": "cycle next <cycle> retrain",
    "GET /api/v1/cycles/{cycle_id}/events": "cycle events <cycle>",
    f"POST {MODEL}/try": "try acme/support Hello",
    "POST /api/v1/cycles/{cycle_id}/approve": "approve <cycle> --no-wait",
    "POST /api/v1/cycles/{cycle_id}/promote": "promote acme/support --no-wait",
    "POST /api/v1/cycles/{cycle_id}/reject": "reject acme/support --note no",
    "POST /api/v1/cycles/{cycle_id}/cancel": "cycle cancel <cycle>",
    "GET /api/v1/cycles/{cycle_id}/ab-tests": "abtest status <cycle>",
    "POST /api/v1/cycles/{cycle_id}/ab-tests": "abtest start <cycle> --share 10",
    "POST /api/v1/ab-tests/{ab_test_id}/readings": "abtest read <cycle> --no-wait",
    "POST /api/v1/ab-tests/{ab_test_id}/stop": "abtest stop <cycle> --note enough",
    "GET /api/v1/cycles/{cycle_id}/shadow-tests": "shadow status <cycle>",
    "POST /api/v1/cycles/{cycle_id}/shadow-tests": "shadow start <cycle> --share 10",
    "POST /api/v1/shadow-tests/{shadow_test_id}/readings": "shadow read <cycle> --no-wait",
    "POST /api/v1/shadow-tests/{shadow_test_id}/stop": "shadow stop <cycle> --note enough",
    f"POST {MODEL}/rollback": "rollback acme/support",
    "GET /api/v1/mail": "mail list",
    "GET /api/v1/mail/{mail_id}": "mail show <mail>",
    "GET /api/v1/mail/blocks": "mail blocks",
    "DELETE /api/v1/mail/blocks/{block_id}": "mail unblock <block>",
    "GET /api/v1/mail/sender": "mail sender",
    "PUT /api/v1/mail/sender": "mail sender reports@north.example --name North",
    "POST /api/v1/mail/sender/proof": "mail prove",
    "GET /api/v1/reports": "report list",
    "POST /api/v1/clients/{client}/reports/{month}": "report prepare acme 2026-01",
    "GET /api/v1/clients/{client}/reports/{month}": "report show acme 2026-01",
    "PUT /api/v1/clients/{client}/reports/{month}/note": "report note acme 2026-01 Hello",
    "POST /api/v1/clients/{client}/reports/{month}/approve": "report approve acme 2026-01",
    "GET /api/v1/clients/{client}/reports/{month}/pdf": "report pdf acme 2026-01 --to <out>",
    "GET /api/v1/clients/{client}/reports/{month}/csv": "report csv acme 2026-01 --to <out>",
    "POST /api/v1/clients/{client}/reports/{month}/links": "report link acme 2026-01",
    "DELETE /api/v1/clients/{client}/reports/{month}/links": "report link acme 2026-01 --revoke",
    "GET /api/v1/report-style": "report style",
    "PATCH /api/v1/report-style": "report style --language de",
    "POST /api/v1/report-style/logo": "report logo <logo>",
    "GET /api/v1/slack": "slack show",
    "POST /api/v1/slack/installations": "slack install",
    "DELETE /api/v1/slack/installations/{installation_id}": "slack remove <workspace>",
    "PUT /api/v1/slack/channel": "slack channel C0123456789",
    "DELETE /api/v1/slack/identities/{identity_id}": "slack unlink <identity>",
    "GET /api/v1/jobs": "job list",
    "GET /api/v1/jobs/{job_id}": "job show <job>",
    "POST /api/v1/jobs/{job_id}/cancel": "job cancel <job>",
    "GET /api/v1/plans": "plan list",
    "POST /api/v1/plans": "plan add gold --tier premium --price 5500 --include retrains=4 --extra retrain=500",
    "PATCH /api/v1/plans/{plan}": "plan change acme-plan --price 2100",
    "DELETE /api/v1/plans/{plan}": "plan archive acme-plan",
    "GET /api/v1/clients/{client}/plan": "plan show acme",
    "PUT /api/v1/clients/{client}/plan": "plan set acme acme-plan",
    "POST /api/v1/clients/{client}/plan/pause": "plan pause acme",
    "POST /api/v1/clients/{client}/plan/resume": "plan resume acme",
    "POST /api/v1/clients/{client}/plan/cancel": "plan cancel acme --yes",
    "GET /api/v1/clients/{client}/extras": "plan extras acme",
    "POST /api/v1/clients/{client}/extras": "plan extra acme retrain --yes",
    "POST /api/v1/offers/{use_id}/accept": "plan accept <offer> --yes",
    "POST /api/v1/offers/{use_id}/decline": "plan decline <offer>",
    "GET /api/v1/billing": "billing show",
    "PATCH /api/v1/billing": "billing change --timezone Europe/Berlin --gpu-hour 2.50",
    "POST /api/v1/billing/connection": "billing connect",
    "DELETE /api/v1/billing/connection": "billing disconnect",
    "GET /api/v1/billing/findings": "billing findings",
    "GET /api/v1/billing/problems": "billing problems",
    "POST /api/v1/billing/problems/{problem_id}/dismiss": "billing dismiss <problem>",
    "POST /api/v1/clients/{client}/plan/repair": "plan repair acme",
    "GET /api/v1/billing/events": "billing events",
    "GET /api/v1/economics": "billing economics",
    "POST /api/v1/clients/{client}/card-link": "billing card acme",
    "POST /api/v1/clients/{client}/portal-link": "billing portal acme",
    "GET /api/v1/clients/{client}/usage": "billing usage acme --month 2026-10",
    "GET /api/v1/clients/{client}/invoices": "billing invoices acme",
    "POST /api/v1/clients/{client}/months/{month}/close": "billing close acme 2026-10",
    "POST /api/v1/invoices/{invoice}/credit": "billing credit in_acme 500 --reason late",
    "GET /api/v1/clients/{client}/work": "work list acme",
    "POST /api/v1/clients/{client}/work": "work add acme collect 25",
    "POST /api/v1/clients/{client}/work/beat": "work beat acme collect",
    "PATCH /api/v1/work/{work_id}": "work change <work> --minutes 20",
    "DELETE /api/v1/work/{work_id}": "work remove <work>",
    "POST /v1/chat/completions": "ask acme/support Hello",
    "GET /v1/models": "ask",
    "GET /v1/models/{name}": "ask acme/support",
    "POST /v1/feedback": "feedback send <completion> --rating 5",
}
FURTHER = {
    "retrain",
    "compare",
    "cycle follow",
    "job follow",
    "erase answer",
    "erase client",
    "erase user",
    "takeout text",
    "takeout user",
}
LOCAL = {
    "up",
    "demo",
    "simulate",
    "web",
    "worker",
    "bot",
    "slack-emulator",
    "scheduler",
    "serve",
    "mailbox",
    "stripe-emulator",
    "mail bounce",
    "migrate",
    "backup",
    "restore",
    "outgoing hold",
    "outgoing release",
    "outgoing show",
    "agency create",
    "agency code",
    "base add",
}
API = re.compile(r"/(api/)?v1/.*")


def routes(app: Litestar) -> Iterator[str]:
    for route in app.routes:
        if API.fullmatch(route.path_format):
            methods = getattr(route, "methods", ())
            yield from (f"{method} {route.path_format}" for method in methods if method != "OPTIONS")


def paths(group: TyperGroup, prefix: str = "") -> Iterator[str]:
    for name, found in group.commands.items():
        if isinstance(found, TyperGroup):
            yield from paths(found, f"{prefix}{name} ")
        else:
            yield prefix + name


@pytest.fixture
def names(
    world: World, database: Database, agency: Agency, storage: Storage, shell: Shell, app: Litestar
) -> dict[str, str]:
    """What stands for the words in angle brackets."""
    add_version(database, storage, world, {"adapter.gguf": b"GGUF"})
    cycle = world.row(RetrainingCycle)
    with database.unit(agency.id) as session:
        session.exec(select(ReportFile)).one().sha256 = storage.put_bytes(b"%PDF-1.7")
        version = world.row(AdapterVersion)
        assert isinstance(version, AdapterVersion)
        session.add(
            VersionAlias(
                client_id=world.client.id, model_id=version.model_id, name=Alias.PREVIOUS, version_id=version.id
            )
        )
        session.add(
            Approval(
                client_id=world.client.id,
                cycle_id=cycle.id,
                kind=ApprovalKind.PROMOTION,
                subject_digest="2" * 64,
                expires_at=now() + timedelta(days=1),
            )
        )
        olga = add_member(
            session,
            principal=owner_of(agency),
            email="olga@north.example",
            name="Olga",
            role=Role.OWNER,
            password="correct-horse-battery",
        )
        opened = WebSession(
            user_id=olga.user.id,
            session_agency_id=agency.id,
            token_hash="0" * 64,
            csrf_token="",
            expires_at=now() + timedelta(hours=1),
        )
        session.add(opened)
        settings: Settings = app.state.settings
        asked = invite(
            session,
            principal=owner_of(agency),
            settings=settings,
            email="ivy@north.example",
            role=Role.VIEWER,
            client=None,
        )
        invited = derived_token(settings.secret_key, asked.link_id).token
        sent = send_link(session, settings, olga.user, asked_by=None)
        reset = derived_token(settings.secret_key, sent.id).token
    file = shell.data_dir.parent / "examples.jsonl"
    file.write_text('{"text": "My jacket came with a broken zip", "label": "repair"}\n')
    spans = shell.data_dir.parent / "spans.json"
    spans.write_text('{"resourceSpans": []}')
    text = shell.data_dir.parent / "returns.md"
    text.write_text("# Returns\n- How long may I wait for it?\n")
    adapter = shell.data_dir.parent / "adapter"
    adapter.mkdir()
    for name, content in small_adapter().items():
        (adapter / name).write_bytes(content)
    logo = shell.data_dir.parent / "logo.png"
    Image.new("RGB", (40, 20), "#2457c5").save(logo)
    rows: dict[str, type[Row]] = {
        "alert": Alert,
        "cycle": RetrainingCycle,
        "example": Example,
        "feedback": Feedback,
        "job": JobRow,
        "key": ApiKey,
        "offer": ServiceUse,
        "work": WorkEntry,
        "problem": PaymentProblem,
        "mail": Mail,
        "workspace": SlackInstallation,
        "invitation": Invitation,
        "identity": SlackIdentity,
        "block": MailBlock,
        "prediction": Prediction,
        "item": ReviewItem,
        "finding": DataFinding,
        "link": ShareLink,
        "erasure": Erasure,
    }
    return {
        **{name: str(world.row(table).id) for name, table in rows.items()},
        "member": str(world.row(Membership).user_id),  # type: ignore[attr-defined]
        "completion": completion_id(world.row(Prediction).id),
        "file": str(file),
        "adapter": str(adapter),
        "spans": str(spans),
        "text": str(text),
        "session": str(opened.id),
        "invited": f"https://tuneloop.example/invitation?token={invited}",
        "reset": f"https://tuneloop.example/password?token={reset}",
        "out": str(shell.data_dir.parent / "out"),
        "logo": str(logo),
        "folder": str(shell.data_dir.parent / "files"),
    }


def test_every_route_has_a_command(app: Litestar) -> None:
    assert set(routes(app)) == set(COMMANDS)


def test_every_command_is_known_to_these_tests() -> None:
    known = set(paths(command_line()))
    used = {path for path in known for line in COMMANDS.values() if line == path or line.startswith(f"{path} ")}
    assert used | FURTHER | LOCAL == known


def test_every_command_calls_its_route(shell: Shell, names: dict[str, str], database: Database) -> None:
    assert isinstance(database.engine, Connection)
    wrong: dict[str, str] = {}
    for route, line in COMMANDS.items():
        words = [names.get(word.strip("<>"), word) if word[0] == "<" else word for word in line.split()]
        shell.wire.calls.clear()
        with database.engine.begin_nested() as savepoint:
            result = shell.run(*words, typed="correct-horse-battery\n" * 2)
            savepoint.rollback()
        answers = answers_of(shell, route)
        if not answers or not answers <= expected(route) or result.exit_code == ExitCode.USAGE:
            wrong[f"{line} ({route})"] = f"{answers}: {result.output}"
    assert not wrong


def answers_of(shell: Shell, route: str) -> set[int]:
    method, template = route.split(" ")
    pattern = re.compile(re.sub(r"\{[^}]+\}", "[^?]+", template))
    return {call.status for call in shell.wire.calls if call.method == method and pattern.fullmatch(call.path)}


def expected(route: str) -> set[int]:
    """Nothing that serves a model runs here; everything else answers, if only with a refusal."""
    return {503} if " /v1/" in route or route.endswith("/try") else {200, 201, 202, 204, 409, 422}
    """The gateway does not run in this application; everything else answers, if only with a refusal."""
    return {503} if " /v1/" in route else {200, 201, 202, 204, 409, 422}
