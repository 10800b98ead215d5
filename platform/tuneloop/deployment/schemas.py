"""What the API reads and writes about deployments."""

from pydantic import BaseModel, ConfigDict

from tuneloop.registry.contract import Sha256


class RollbackCreate(BaseModel):
    """`digest` of the version to go back to: the model's `previous`."""

    model_config = ConfigDict(extra="forbid")

    digest: Sha256


class RolledBack(BaseModel):
    production: str
    digest: str
