"""A model that an external version answers for, with questions that measure it and traffic that it has answered."""

from hashlib import sha256

from tuneloop.deployment.external import add_and_serve
from tuneloop.kit.clock import now
from tuneloop.kit.ids import new_id
from tuneloop.kit.principal import Principal
from tuneloop.kit.settings import Settings
from tuneloop.kit.tenancy import TenantSession
from tuneloop.predictions.gate_holdout import is_reserved
from tuneloop.registry.external import Terms, Tried
from tuneloop.registry.service import find_version
from tuneloop.tables import AdapterVersion, Example, Pool, Prediction, RegisteredModel, Source


def bring_hosted(
    session: TenantSession,
    *,
    principal: Principal,
    model: RegisteredModel,
    tried: Tried,
    settings: Settings,
    terms: Terms | None = None,
) -> AdapterVersion:
    """In production, though nobody has ever evaluated it."""
    made = add_and_serve(
        session,
        principal=principal,
        model=model,
        tried=tried,
        terms=terms or Terms(),
        settings=settings,
        name="acme/support",
    )
    return find_version(session, model, made.digest)


def example_of(model: RegisteredModel, text: str, label: str, *, pool: Pool = Pool.GOLDEN) -> Example:
    return Example(
        agency_id=model.agency_id,
        client_id=model.client_id,
        model_id=model.id,
        pool=pool,
        messages=[{"role": "user", "content": text}],
        expected=label,
        category=label,
        source=Source.IMPORT,
        content_hash=sha256(text.encode()).hexdigest(),
        minhash=b"",
        checked_at=now(),
    )


def reserved_answer(
    session: TenantSession, model: RegisteredModel, version: AdapterVersion, text: str, answer: str, *, digest: str = ""
) -> Prediction:
    """Kept for the gate, as a share of all answers is by their ids; needs a policy that keeps some."""
    while True:
        prediction = Prediction(
            id=new_id(),
            agency_id=model.agency_id,
            client_id=model.client_id,
            model_id=model.id,
            version_id=version.id,
            digest=digest or version.digest,
            messages=[{"role": "user", "content": text}],
            answer=answer,
            confidence=0.9,
            prompt_tokens=20,
            completion_tokens=2,
        )
        if is_reserved(session, model=model, prediction=prediction):
            session.add(prediction)
            session.flush()
            return prediction
