"""One client with a row in every tenant table: what another tenant must never see."""

from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from zlib import compress

from sqlmodel import Session, select

from tests.support.billing import billing_rows
from tests.support.factories import SUPPORT
from tests.support.reports import report_rows
from tuneloop.ab_tests.figures import ArmCounts, Judged, figures
from tuneloop.identity.secrets import new_token
from tuneloop.kit.clock import now
from tuneloop.kit.ids import new_id
from tuneloop.kit.tenancy import Row
from tuneloop.registry.contract import AdapterPart, BaseRef, Contract, Manifest
from tuneloop.retraining.diagnosis.findings import Diagnosis, NextStep, StepKind
from tuneloop.stats.control_charts import DriftChart
from tuneloop.tables import (
    AbState,
    AbTest,
    ActorKind,
    AdapterVersion,
    Agency,
    Alert,
    AlertChange,
    AlertEvent,
    AlertLevel,
    Alias,
    ApiKey,
    Approval,
    ApprovalKind,
    ApprovalVote,
    AttemptEnd,
    AuditEvent,
    BaseModel,
    Candidate,
    Client,
    Comparison,
    CycleAttempt,
    DataFinding,
    Decision,
    DeliveryProblem,
    DisagreementRun,
    Document,
    Erasure,
    ErasureKind,
    EvalAnswer,
    EvalRun,
    Example,
    ExternalEndpoint,
    Feedback,
    FeedbackKind,
    FindingKind,
    GateLook,
    InactiveMember,
    Invitation,
    JobRow,
    Membership,
    Monitor,
    OidcProvider,
    OneTimeLink,
    Pool,
    Prediction,
    Reading,
    RecordedAnswer,
    Recording,
    RegisteredModel,
    RetrainingCycle,
    ReviewItem,
    ReviewLabel,
    ReviewPurpose,
    Role,
    Schedule,
    ScheduledTask,
    ShadowAnswer,
    ShadowState,
    ShadowTest,
    ShareLink,
    SlackChannel,
    SlackIdentity,
    SlackInstallation,
    SlackMessage,
    SlackReceipt,
    Snapshot,
    SnapshotItem,
    Source,
    Trigger,
    Upload,
    User,
    VersionAlias,
)

RIGHT = Judged(correct=True, hallucinated=False)


DIAGNOSIS = Diagnosis(
    ended=AttemptEnd.REJECTED,
    version="v1.0",
    summary="v1.0 was turned down.",
    reasons=(),
    losses=(),
    pairs=(),
    data=None,
    tried=(),
    failure=None,
    steps=(
        NextStep(
            key="retrain",
            kind=StepKind.RETRAIN,
            title="Train again",
            expected="Unknown.",
            because="Nothing tells it.",
            recipe={"seed": 1},
        ),
    ),
    made_at=now(),
).model_dump(mode="json")


@dataclass(frozen=True)
class World:
    """Everything that one client of an agency owns, one row of each kind."""

    agency: Agency
    client: Client
    model: RegisteredModel
    version: AdapterVersion
    user: User
    rows: dict[type[Row], Row]

    def row(self, table: type[Row]) -> Row:
        return self.rows[table]


def manifest(
    base: BaseModel, contract: Contract = SUPPORT, *, adapter: str = "c" * 64, engine: str = "llama"
) -> Manifest:
    reference = BaseRef(
        architecture=base.architecture,
        quantisation=base.quantisation,
        gguf_sha256=base.gguf_sha256,
        weights_sha256=base.weights_sha256,
    )
    return Manifest(contract=contract, base=reference, adapters=(AdapterPart(sha256=adapter),), engine=engine)


def make_version(model: RegisteredModel, built: Manifest, number: str, snapshot: Snapshot) -> AdapterVersion:
    return AdapterVersion(
        agency_id=model.agency_id,
        client_id=model.client_id,
        model_id=model.id,
        number=number,
        digest=built.digest,
        manifest=built.model_dump(mode="json"),
        parts=[],
        files=[],
        parity={},
        snapshot_id=snapshot.id,
        training={},
    )


def _provider(agency: Agency) -> OidcProvider:
    return OidcProvider(
        agency_id=agency.id, issuer="https://login.example", audience="tuneloop", sealed_secret="sealed"
    )


def make_world(
    session: Session, agency: Agency, base: BaseModel, client_slug: str, model_slug: str = "support"
) -> World:
    """Needs a session across agencies."""
    client = Client(agency_id=agency.id, slug=client_slug, name=client_slug.title())
    mine: dict[str, Any] = {"agency_id": agency.id, "client_id": client.id}
    model = RegisteredModel(
        **mine,
        slug=model_slug,
        base_id=base.id,
        contract=SUPPORT.model_dump(mode="json"),
        policy={"gate_share": 0.0},
    )
    snapshot = Snapshot(**mine, model_id=model.id, pool=Pool.GOLDEN, digest="e" * 64, size=1, categories={"order": 1})
    version = make_version(model, manifest(base, adapter=sha256(client_slug.encode()).hexdigest()), "1.0", snapshot)
    prediction = Prediction(
        **mine,
        model_id=model.id,
        version_id=version.id,
        digest=version.digest,
        messages=[{"role": "user", "content": "Where is my parcel?"}],
        answer="order",
        confidence=0.9,
    )
    example = Example(
        **mine,
        model_id=model.id,
        pool=Pool.GOLDEN,
        messages=[{"role": "user", "content": "Has it shipped?"}],
        expected="order",
        category="order",
        source=Source.IMPORT,
        content_hash="f" * 64,
        minhash=b"",
    )
    run = EvalRun(
        **mine,
        model_id=model.id,
        version_id=version.id,
        snapshot_id=snapshot.id,
        digest=version.digest,
        engine="llama",
        correct=1,
        hallucinated=0,
        n=1,
        reused=0,
        categories={"order": {"correct": 1, "n": 1}},
        seconds=0.1,
    )
    monitor = Monitor(
        **mine,
        model_id=model.id,
        version_id=version.id,
        baseline_run_id=run.id,
        charts={"labels": DriftChart((90, 100)).to_dict()},
        read_until=now(),
    )
    alert = Alert(**mine, model_id=model.id, monitor_id=monitor.id, summary="It fell.", evidence={})
    job = JobRow(**mine, name="monitoring.read", queue="default", args={"model_id": str(model.id)}, max_attempts=3)
    cycle = RetrainingCycle(
        **mine,
        model_id=model.id,
        trigger=Trigger.ALERT,
        alert_id=alert.id,
        training_snapshot_id=snapshot.id,
        golden_snapshot_id=snapshot.id,
        recipe={},
        job_id=job.id,
    )
    document = Document(**mine, model_id=model.id, title="Shipping", text="Two days.", sha256="2" * 64, added_by="Ann")
    item = ReviewItem(
        **mine,
        model_id=model.id,
        purpose=ReviewPurpose.PROPOSED,
        reason="proposed from Shipping",
        document_id=document.id,
        messages=[{"role": "user", "content": "How long does it take?"}],
    )
    upload = Upload(**mine, model_id=model.id, name="a.csv", size=9, content=compress(b"text,label\n"), added_by="Ann")
    recording = Recording(
        **mine, model_id=model.id, version_id=version.id, requests=1, currency="USD", started_by="Ann", ended_at=now()
    )
    user = User(email=f"ann@{agency.slug}-{client_slug}.example", name="Ann")
    former = User(email=f"fred@{agency.slug}-{client_slug}.example", name="Fred")
    approval = Approval(
        **mine,
        cycle_id=cycle.id,
        kind=ApprovalKind.RETRAIN,
        subject_digest="1" * 64,
        expires_at=now() + timedelta(days=1),
    )
    workspace = SlackInstallation(
        agency_id=agency.id,
        team_id=f"T-{client.id}",
        team_name=client_slug.title(),
        app_id="A1",
        bot_user_id="U0",
        bot_token="sealed",
        scopes="chat:write",
        installer="U1",
    )
    provider = session.exec(select(OidcProvider).where(OidcProvider.agency_id == agency.id)).one_or_none()
    shadow = ShadowTest(
        **mine,
        model_id=model.id,
        cycle_id=cycle.id,
        production_version_id=version.id,
        candidate_version_id=version.id,
        state=ShadowState.RUNNING,
        share=0.2,
        answers=500,
        days=7,
        labels=30,
        started_by="Ann",
        started_from="test",
        began_at=now(),
    )
    rows: list[Row] = [
        DeliveryProblem(
            agency_id=agency.id, key=f"channel:{client_slug}", summary="Gone", to_do="another", settled_at=now()
        ),
        provider or _provider(agency),
        client,
        model,
        snapshot,
        version,
        VersionAlias(**mine, model_id=model.id, name=Alias.PRODUCTION, version_id=version.id),
        ExternalEndpoint(
            **mine,
            model_id=model.id,
            version_id=version.id,
            url="https://api.example/v1",
            model_name="ft:a",
        ),
        prediction,
        example,
        SnapshotItem(**mine, snapshot_id=snapshot.id, example_id=example.id, position=0),
        recording,
        RecordedAnswer(
            **mine,
            version_id=version.id,
            recording_id=recording.id,
            example_id=example.id,
            cache_key="k",
            answer="order",
            answered_at=now(),
        ),
        upload,
        Feedback(**mine, model_id=model.id, prediction_id=prediction.id, kind=FeedbackKind.ERROR),
        run,
        EvalAnswer(
            **mine,
            run_id=run.id,
            example_id=example.id,
            position=0,
            category="order",
            expected="order",
            answer="order",
            correct=True,
            score=1.0,
            hallucinated=False,
            confidence=0.9,
            cache_key="k",
        ),
        monitor,
        Reading(**mine, model_id=model.id, monitor_id=monitor.id, stream="labels", n=0),
        alert,
        job,
        cycle,
        approval,
        ApprovalVote(
            **mine, approval_id=approval.id, voter="user:1", name="Ann", decision=Decision.APPROVED, origin="slack"
        ),
        Comparison(
            **mine,
            cycle_id=cycle.id,
            production_run_id=run.id,
            candidate_run_id=run.id,
            production_digest=version.digest,
            candidate_digest=version.digest,
            table={"rows": [], "target": [], "categories": [], "fixed": [], "broken": []},
            outcome="promote",
            reasons=[],
        ),
        AlertEvent(
            **mine,
            alert_id=alert.id,
            change=AlertChange.OPENED,
            level=AlertLevel.ALERT,
            actor="monitor",
            summary="It fell.",
        ),
        Schedule(**mine, model_id=model.id, task=ScheduledTask.READING, every_days=7, next_at=now()),
        document,
        item,
        ReviewLabel(**mine, item_id=item.id, labeller="Ann", expected="order", category="order"),
        DataFinding(**mine, model_id=model.id, example_id=example.id, kind=FindingKind.DUPLICATE, summary="Twice."),
        ShareLink(
            **mine,
            model_id=model.id,
            purpose="correction",
            token_hash=new_token().digest,
            created_by="Ann",
            expires_at=now() + timedelta(days=1),
        ),
        Candidate(**mine, cycle_id=cycle.id, method="continue", blend=1.0, dev={}),
        DisagreementRun(
            **mine,
            cycle_id=cycle.id,
            production_digest=version.digest,
            candidate_digest=version.digest,
            queries=1,
            disagreements=0,
            agreed={"order": 1},
        ),
        CycleAttempt(**mine, cycle_id=cycle.id, number=1, recipe={}, ended=AttemptEnd.REJECTED, diagnosis=DIAGNOSIS),
        GateLook(**mine, model_id=model.id, cycle_id=cycle.id, example_id=example.id),
        AbTest(
            **mine,
            model_id=model.id,
            cycle_id=cycle.id,
            production_version_id=version.id,
            candidate_version_id=version.id,
            state=AbState.RUNNING,
            share=0.2,
            days=14,
            labels=60,
            started_by="Ann",
            started_from="test",
            reading=dict(figures(ArmCounts(9, 8, 1, [RIGHT] * 3), ArmCounts(3, 2, 0, [RIGHT]), share=0.2)),
        ),
        shadow,
        ShadowAnswer(**mine, shadow_test_id=shadow.id, prediction_id=prediction.id, answer="refund"),
        AuditEvent(
            **mine,
            actor_kind=ActorKind.SYSTEM,
            actor_name="test",
            origin="test",
            action="test",
            subject_kind="model",
            subject_id=str(model.id),
        ),
        Erasure(
            **mine,
            kind=ErasureKind.END_USER,
            target="person 7",
            target_hash="5" * 64,
            reason="asked",
            requested_by="Ann",
        ),
        *billing_rows(session, agency, client),
        former,
        user,
        workspace,
        SlackChannel(**mine, installation_id=workspace.id, channel="C1"),
        SlackIdentity(
            agency_id=agency.id, installation_id=workspace.id, slack_user_id="U1", user_id=user.id, how="link"
        ),
        SlackReceipt(
            agency_id=agency.id, installation_id=workspace.id, key="k", kind="action", slack_user_id="U1", payload={}
        ),
        SlackMessage(
            **mine,
            installation_id=workspace.id,
            subject_kind="retrain",
            subject_id=cycle.id,
            channel="C1",
            wanted="1",
            sent="1",
        ),
        OneTimeLink(
            **mine,
            purpose="approve",
            token_hash=new_token().digest,
            payload={},
            expires_at=now() + timedelta(days=1),
        ),
        *report_rows(agency, client),
        Membership(agency_id=agency.id, user_id=user.id, role=Role.VIEWER),
        InactiveMember(
            agency_id=agency.id,
            user_id=former.id,
            role=Role.VIEWER,
            member_since=now(),
            deactivated_by="Ann",
        ),
        Invitation(
            agency_id=agency.id,
            email=f"ivy@{agency.slug}-{client_slug}.example",
            role=Role.VIEWER,
            invited_by="Ann",
            link_id=new_id(),
            token_hash=new_token().digest,
            expires_at=now() + timedelta(days=1),
        ),
        ApiKey(
            agency_id=agency.id,
            name="key",
            prefix="tl_",
            key_hash=new_token().digest,
            role=Role.VIEWER,
            scope_client_id=client.id,
        ),
    ]
    for row in rows:
        session.add(row)
        session.flush()
    found = {type(row): row for row in rows} | {Agency: agency}
    return World(agency, client, model, version, user, found)
