"""HTTP: put the previous version back into production."""

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from tuneloop.deployment.schemas import RollbackCreate, RolledBack
from tuneloop.deployment.service import roll_back
from tuneloop.kit.principal import Principal
from tuneloop.kit.tenancy import TenantSession
from tuneloop.registry.service import find_model
from tuneloop.tables import Role


class DeploymentController(Controller):
    path = "/api/v1"
    tags = ("cycles",)

    @post("/models/{client:str}/{model:str}/rollback", role=Role.OPERATOR, sync_to_thread=True)
    def rollback(
        self,
        session: NamedDependency[TenantSession],
        principal: NamedDependency[Principal],
        client: FromPath[str],
        model: FromPath[str],
        data: JSONBody[RollbackCreate],
    ) -> RolledBack:
        """Swap production and the previous version, which `digest` names; once more rolls forward."""
        found = find_model(session, client=client, model=model)
        version = roll_back(session, principal=principal, model=found, digest=data.digest)
        return RolledBack(production=f"{client}/{model}@v{version.number}", digest=version.digest)
